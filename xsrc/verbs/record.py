"""Ends a build: looks at the destdir, seals it, puts it in its place, notes it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from xsrc.effects import builds, destdir, files, generations
from xsrc.effects.divide import divide
from xsrc.effects.store import Farm
from xsrc.effects.work import State
from xsrc.errors import BuildFailed, Diagnostic, TemplateError
from xsrc.model.arch import Dep
from xsrc.model.farm import Change, Member
from xsrc.model.interface import linked_statically, outcome
from xsrc.model.manifest import FILES, PROPS, Manifest, Props
from xsrc.model.outcome import Outcome
from xsrc.model.package import Package, Subpackage
from xsrc.model.pkgver import PkgVer
from xsrc.model.rules import Rules
from xsrc.plan.jobs import Job
from xsrc.plan.shlibs import run_depends
from xsrc.plan.split import linking, split
from xsrc.plan.stow import Request
from xsrc.plan.verify import compare_destdir
from xsrc.verbs.context import Context
from xsrc.verbs.farming import carry_out, farm_locked
from xsrc.verbs.planning import bringing, change_of, plan_change, refuse_conflicts
from xsrc.verbs.roots import Closure
from xsrc.verbs.triggers import fired


@dataclass(frozen=True)
class _Output:
    """One package of a build, with its tree."""

    props: Props
    manifest: Manifest
    folder: Path

    @property
    def pkgver(self) -> PkgVer:
        return self.props.pkgver


def record(context: Context, job: Job, state: State, needs: Closure) -> None:
    """Scan an unfinished destdir, divide it, seal all that comes of it, put it in its place, note it.

    `needs` is what its build root held. Raises BuildFailed for what cannot be a package, TemplateError for subpackages
    that nothing is left for, ConflictError when links of a stowed build of the same pkgver could not follow, OSError.
    """
    package = job.package
    found = destdir.scan(
        *(context.masterdir.work(package.pkgver).destdir, context.settings.limits),
        *(str(package.pkgver), package.open_modes),
    )
    _warn_of_modes(context, package, found)
    if not package.meta and not found.manifest.entries:
        raise BuildFailed(
            f"{package.pkgver}: the install phase installed nothing",
            detail=[f"  log: {context.masterdir.log(package.pkgver, 'install')}"],
            hint="does it honour DESTDIR? see make_install_args",
        )
    outputs = []
    for part in _divided(context, package, found):
        folder = part.folder
        props = _props(context, job, state, needs, part)
        files.create(folder / FILES, part.scan.manifest.render(props.rules.conf_files))
        # props.plist is written last and by rename: a destdir that has it is whole
        draft = folder / f".{PROPS}"
        files.create(draft, props.render())
        destdir.seal(folder, state.epoch)
        draft.rename(folder / PROPS)
        outputs.append(_Output(props, part.scan.manifest, folder))
    _place(context, outputs, state)


def _warn_of_modes(context: Context, package: Package, found: destdir.Scan) -> None:
    """Name the paths of a package that everybody could have written."""
    for path, mode in [*found.closed.items()][:_NAMED]:
        words = f"mode {mode:04o} lets others write, recorded as {mode & ~0o022:04o}"
        context.ui.warn(f"{package.pkgver}: /{path}: {words}")
    if more := max(0, len(found.closed) - _NAMED):
        context.ui.warn(f"{package.pkgver}: {more} more paths that others could have written")
    if found.closed:
        context.ui.warn(f"{package.pkgver}: to keep such a mode, give it in [install] modes or in make_dirs")


@dataclass(frozen=True)
class _Part:
    """What is known of one package of a build by its tree alone."""

    scan: destdir.Scan
    pkgver: PkgVer
    folder: Path
    sub: Subpackage | None = None
    siblings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The sonames that other packages of the same build provide."""
    linking: frozenset[str] = frozenset()
    """Those into which its links to libraries lead."""


def _divided(context: Context, package: Package, found: destdir.Scan) -> list[_Part]:
    """A build's tree as those of its packages, itself at last; the tree is divided on disk."""
    main, place = package.pkgver, context.masterdir.work(package.pkgver)
    whole = place.destdir
    if not package.subpackages:
        return [_Part(found, main, whole)]
    parts, problems = split(package, found.manifest.entries, found.elves)
    if problems:
        raise TemplateError(Diagnostic(package.template.span(*at), text, hint) for at, text, hint in problems)
    places = {part.name: place.part(part.name) for part in package.subpackages}
    divide(whole, parts[main.name], {places[name]: parts[name] for name in places})
    scans = {name: found.of(entries) for name, entries in parts.items()}
    leads, subs = linking(parts), {part.name: part for part in package.subpackages}
    return [
        _Part(
            scans[v.name],
            v,
            places.get(v.name, whole),
            subs.get(v.name),
            {name: scan.provides for name, scan in scans.items() if name != v.name},
            frozenset(leads[v.name]),
        )
        for v in package.outputs
    ]


def _place(context: Context, outputs: Iterable[_Output], state: State) -> None:
    """Put sealed destdirs where they belong; links of stowed ones of the same pkgver follow.

    The package itself comes at last: while it is not there, all of it has to be built again.
    """
    seconds = dict(state.seconds)
    *parts, main = outputs
    with farm_locked(context, f"build {main.pkgver.name}") as farm:
        for output in (*parts, main):
            os.utime(output.folder, (state.epoch, state.epoch))
        others = [o for o in (*parts, main) if not _same(context, farm, o, seconds)]
        stowed = [o for o in others if farm.is_stowed(o.pkgver)]
        for output in parts:
            if output in others and output not in stowed:
                _put(context, farm, output, seconds)
        if stowed:
            _replace(context, farm, stowed, seconds)
        if main in others and main not in stowed:
            _put(context, farm, main, seconds)
    for output in (*parts, main):
        try:
            context.remove(output.folder)
        except OSError as error:
            context.ui.warn(f"{output.folder} could not be removed: {error.strerror}; xsrc clean tries again")


def _same(context: Context, farm: Farm, output: _Output, seconds: Mapping[str, float]) -> bool:
    """Whether it is the build that is in its place already, which is then noted."""
    pkgver = output.pkgver
    if farm.build(pkgver) != builds.build_of(output.folder):
        return False
    _mend(context, farm, output.manifest, pkgver, output.folder)
    farm.renew(output.props, seconds)
    return True


def _put(context: Context, farm: Farm, output: _Output, seconds: Mapping[str, float]) -> None:
    """Put a new build of what is not stowed into its place."""
    final, build = context.masterdir.destdir(output.pkgver), builds.build_of(output.folder)
    destdir.replace_tree(output.folder, final)
    destdir.close(final)
    farm.record(output.props, output.manifest, seconds=seconds, build=build)
    _keep(context, farm, str(output.pkgver), output.folder)


def _mend(context: Context, farm: Farm, manifest: Manifest, pkgver: PkgVer, fresh: Path) -> None:
    """Let the tree in its place say how it would come to be now; where it was damaged or removed, take the fresh one.

    Hard links follow that.
    """
    final = context.masterdir.destdir(pkgver)
    same = builds.build_of(final) == builds.build_of(fresh)
    if same and not compare_destdir(str(pkgver), manifest.entries, builds.entries(final, hashed=True)):
        builds.follow(final, fresh)
        return
    destdir.replace_tree(fresh, final)
    destdir.close(final)
    own = farm.member(pkgver)
    if own is not None and farm.is_stowed(pkgver):
        plan = plan_change(context, farm, Request((own,), (own,), rebuilt=frozenset((str(pkgver),))))
        if plan.ops:
            carry_out(context, farm, change_of(plan, f"build {pkgver.name}", Change()))


def _replace(context: Context, farm: Farm, outputs: Sequence[_Output], seconds: Mapping[str, float]) -> None:
    """Bring new builds of stowed pkgvers into their places, their links with them: one change, or none."""
    former = {str(o.pkgver): farm.build(o.pkgver) for o in outputs}
    new = tuple(Member(o.pkgver, o.manifest.entries, o.props.rules) for o in outputs)
    drop = tuple(old for o in outputs if (old := farm.member(o.pkgver)))
    plan = plan_change(context, farm, Request(new, drop, rebuilt=frozenset(former)))
    *others, last = outputs
    refuse_conflicts(plan, f"stow {last.pkgver} again")
    laid = {str(o.pkgver): builds.lay_aside(context.masterdir, str(o.pkgver), o.folder) for o in outputs}
    brings = tuple(bringing(text, build, former[text]) for text, build in laid.items())
    base = Change(builds=laid, ops=brings, fire=fired(new, drop), at=context.host.now)
    change = change_of(plan, f"build {last.pkgver.name}", base)
    for output in others:
        farm.record_aside(output.props, output.manifest, laid[str(output.pkgver)])
    farm.record(last.props, last.manifest, change, seconds, laid[str(last.pkgver)])
    carry_out(context, farm, change, noted=True)
    for note in plan.notes:
        context.ui.warn(note)


def _keep(context: Context, farm: Farm, pkgver: str, folder: Path) -> None:
    """Keep a build that another one took the place of, where a generation may want it back."""
    build = builds.build_of(folder)
    wanted = any((pkgver, build) in g.builds for g in generations.every(context.masterdir, farm.generation()))
    if build and wanted:
        builds.lay_aside(context.masterdir, pkgver, folder)
    elif build != farm.build(PkgVer.parse(pkgver)):
        farm.forget([(pkgver, build)])


def _props(context: Context, job: Job, state: State, needs: Closure, part: _Part) -> Props:
    """What is known of the destdir; the same for equal builds, so nothing of this one run."""
    package, found, sub = job.package, part.scan, part.sub
    # of what one build makes, none goes with an older one of the others
    near = [n for n in part.siblings if n in part.linking or not set(part.siblings[n]).isdisjoint(found.requires)]
    declared = [
        *(str(pattern) for pattern in (sub.depends if sub else package.depends[Dep.RUN])),
        *(f"{name}>={package.pkgver.version}" for name in near),
    ]
    own = {*found.provides, *(soname for name in near for soname in part.siblings[name])}
    depends = run_depends(declared, found.requires, own, needs.sonames)
    rules = rules_of(package, found, sub)
    manifest, elves = found.manifest.entries, found.elves
    return Props(
        pkgver=part.pkgver,
        arch=package.machine.arch.name,
        key=job.key,
        inputs=job.inputs,
        outcome=outcome(manifest, elves, rules.table(), depends, found.requires, found.provides),
        saw=weighed(state.saw, needs, found),
        short_desc=(sub and sub.short_desc) or package.raw.get("short_desc", ""),
        license=package.raw.get("license", ""),
        homepage=package.raw.get("homepage", ""),
        maintainer=package.raw.get("maintainer", ""),
        size=found.manifest.size,
        run_depends=depends,
        shlib_requires=found.requires,
        shlib_provides=found.provides,
        rules=rules,
        source=str(package.pkgver) if sub else "",
        options=dict(package.options),
        build={"base": context.base.name, "source-date-epoch": state.epoch},
        preimage=job.preimage,
    )


def weighed(saw: Mapping[str, Outcome], needs: Closure, found: destdir.Scan) -> dict[str, Outcome]:
    """What was seen, on the rungs that count for what was found: of tools, and of what code is copied from, `exact`."""
    links = bool(found.elves) or any(entry.path.endswith(".a") for entry in found.manifest.entries)
    result = {}
    for name, seen in saw.items():
        # a package that is only there for tests is in no root of the install phase
        whole = name in needs.outcomes and name not in needs.tools
        static = links and linked_statically(needs.archives.get(name, ()), needs.sonames.get(name, ()), found.requires)
        result[name] = seen if whole and not static else seen.exactly
    return result


def rules_of(package: Package, found: destdir.Scan, sub: Subpackage | None) -> Rules:
    """What the farm keeps to for a package, or for a part of it."""
    raw, paths = package.raw, {entry.path for entry in found.manifest.entries}
    table: dict[str, Any] = {
        "make_dirs": [asdict(one) for one in package.make_dirs if one.path.strip("/") in paths],
        "hardlink": [*package.stow.hardlink, *(glob.escape(path) for path in found.placed)],
        "copy": package.stow.copy,
        "ignore": package.stow.ignore,
    }
    if sub is not None:
        conf_files = (*package.conf_files, *sub.conf_files)
        return Rules.of({**table, "provides": sub.provides, "conflicts": sub.conflicts, "conf_files": conf_files})
    table |= {name: raw[name] for name in _FROM_TEMPLATE if name in raw}
    accounts = [one if isinstance(one, dict) else {"name": one} for one in raw.get("system_accounts", ())]
    return Rules.of({**table, "accounts": accounts, "protect": package.stow.protect, "conf_files": package.conf_files})


_NAMED = 10
"""Paths that warnings name one by one."""
_FROM_TEMPLATE = ("provides", "conflicts", "replaces", "shells", "alternatives", "triggers")
