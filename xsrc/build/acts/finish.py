"""Ends a build: looks at the destdir, seals it, puts it in its place, notes it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from xsrc.base.acts.choose import base_name, chosen_base
from xsrc.build.acts.unfound import refuse_unfound
from xsrc.build.disk.work import WorkState
from xsrc.build.job import Job
from xsrc.build.named import absent
from xsrc.build.root import Layers
from xsrc.build.shlibs import Provider, exports, links, run_depends
from xsrc.build.split import linking, split
from xsrc.core.dep import Dep
from xsrc.core.errors import BuildFailed, Diagnostic, TemplateError
from xsrc.core.globs import escaped, matches
from xsrc.core.layout import Masterdir
from xsrc.core.outcome import Outcome
from xsrc.core.phase import Phase
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.core.ui import Ui
from xsrc.farm.acts.commit import farm_locked
from xsrc.farm.acts.masterdir import open_farm
from xsrc.farm.disk import generations
from xsrc.farm.disk.database import Farm
from xsrc.farm.verify import compare_destdir
from xsrc.store.digest import linked_statically, outcome
from xsrc.store.disk import scan as scanning
from xsrc.store.disk import seal, shelf
from xsrc.store.disk.split import split_tree
from xsrc.store.manifest import FILES, PROPS, UNTESTED, Entry, Kind, Manifest, Props
from xsrc.store.rules import Owned, Rules
from xsrc.tree.disk.revisions import commit_of
from xsrc.tree.package import Package, Subpackage
from xsrc.unix import files
from xsrc.unix.trees import close, remove_tree, replace_tree


@dataclass(frozen=True)
class _SealedPart:
    """One package of a build, with its tree."""

    props: Props
    manifest: Manifest
    folder: Path

    @property
    def pkgver(self) -> PkgVer:
        return self.props.pkgver


def record(session: Session, job: Job, state: WorkState, needs: Layers) -> None:
    """Scan an unfinished destdir, split it, seal the parts, put them into place, and record them.

    `needs` is the content of its build root. Raises BuildFailed for a destdir that cannot be a package, TemplateError
    for empty subpackages and for paths that no package has, and OSError.
    """
    package = job.package
    destdir, what = session.masterdir.work(package.pkgver).destdir, str(package.pkgver)
    limits, leaks = session.settings.limits, scanning.LEAKS in package.excused
    found = scanning.scan(destdir, limits, what, package.open_modes, leaks=leaks)
    _warn_of_modes(session.ui, package, found)
    refuse_unfound(package, found, needs, chosen_base(session))
    if not package.meta and not found.manifest.entries:
        raise BuildFailed(
            f"{package.pkgver}: the install phase installed nothing",
            detail=[f"  log: {session.masterdir.log(package.pkgver, 'install')}"],
            hint="does it honour DESTDIR? see make_install_args",
        )
    parts = _divided(session.masterdir, package, found)
    paths = {part.pkgver.name: {entry.path for entry in part.scan.manifest.entries} for part in parts}
    if problems := [Diagnostic(package.template.span(*at), text, hint) for at, text, hint in absent(package, paths)]:
        raise TemplateError(problems)
    commit = commit_of(session.tree, package.name, session.host.env, session.believed)
    drafts = [(part, replace(props_of(session, job, state, needs, part), commit=commit)) for part in parts]
    finish(session, drafts, state)


def finish(session: Session, drafts: Iterable[tuple[DraftPart, Props]], state: WorkState) -> None:
    """Seal the packages of a build with their records, the build's own one last; put them into place, and record them.

    Raises BuildFailed and OSError.
    """
    outputs = []
    for part, props in drafts:
        folder = part.folder
        files.create(folder / FILES, part.scan.manifest.render(props.rules.conf_files))
        # props.plist is written last and by rename: a destdir that has it is whole
        draft = folder / f".{PROPS}"
        files.create(draft, props.render())
        seal.seal(folder, state.epoch)
        draft.rename(folder / PROPS)
        outputs.append(_SealedPart(props, part.scan.manifest, folder))
    _place(session, outputs, state)
    if session.settings.pkg and session.stage is None:
        from xsrc.export.acts.pack import pack  # most builds make no package

        with open_farm(session) as farm:
            pack(session, farm, [output.pkgver for output in outputs])


def _warn_of_modes(ui: Ui, package: Package, found: scanning.Scan) -> None:
    """Warn of paths of a package that everybody could have written."""
    for path, mode in [*found.closed.items()][:_NAMED]:
        words = f"mode {mode:04o} lets others write, recorded as {mode & ~0o022:04o}"
        ui.warn(f"{package.pkgver}: /{path}: {words}")
    if more := max(0, len(found.closed) - _NAMED):
        ui.warn(f"{package.pkgver}: {more} more paths that others could have written")
    if found.closed:
        ui.warn(f"{package.pkgver}: to keep such a mode, give it in [install] modes or in make_dirs")


@dataclass(frozen=True)
class DraftPart:
    """The data of one package of a build that follow from its tree alone."""

    scan: scanning.Scan
    pkgver: PkgVer
    folder: Path
    sub: Subpackage | None = None
    siblings: Mapping[str, Provider] = field(default_factory=dict)
    """The libraries that other packages of the same build provide."""
    private: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The sonames that only files of this build find in those packages."""
    linking: frozenset[str] = frozenset()
    """The packages into which its links to libraries lead."""


def _divided(masterdir: Masterdir, package: Package, found: scanning.Scan) -> list[DraftPart]:
    """Divide a build's tree on disk into those of its packages, itself last."""
    main, place = package.pkgver, masterdir.work(package.pkgver)
    whole = place.destdir
    if not package.subpackages:
        return [DraftPart(found, main, whole)]
    parts, problems = split(package, found.manifest.entries, found.elves)
    if problems:
        raise TemplateError(Diagnostic(package.template.span(*at), text, hint) for at, text, hint in problems)
    places = {part.name: place.part(part.name) for part in package.subpackages}
    split_tree(whole, parts[main.name], {places[name]: parts[name] for name in places})
    scans = {name: found.of(entries) for name, entries in parts.items()}
    leads, subs = linking(parts), {part.name: part for part in package.subpackages}
    libraries = {
        v.name: Provider(str(v), "", exports(scans[v.name].elves, scans[v.name].provides)) for v in package.outputs
    }
    return [
        DraftPart(
            scans[v.name],
            v,
            places.get(v.name, whole),
            subs.get(v.name),
            {name: one for name, one in libraries.items() if name != v.name},
            {name: frozenset(one.private) for name, one in scans.items() if name != v.name},
            frozenset(leads[v.name]),
        )
        for v in package.outputs
    ]


def _place(session: Session, outputs: Iterable[_SealedPart], state: WorkState) -> None:
    """Put sealed destdirs into their places, or aside if their pkgvers are stowed: a build leaves the root as it is.

    The package itself comes last: while it is missing, all of it has to be built again.
    """
    seconds: dict[str, float] = dict(state.seconds)
    *parts, main = outputs
    with farm_locked(session, f"build {main.pkgver.name}") as farm:
        for output in (*parts, main):
            os.utime(output.folder, (state.epoch, state.epoch))
            _put(session.masterdir, farm, output, seconds)
    for output in (*parts, main):
        try:
            remove_tree(output.folder)
        except OSError as error:
            session.ui.warn(f"{output.folder} could not be removed: {error.strerror}; xsrc clean tries again")


def _put(masterdir: Masterdir, farm: Farm, output: _SealedPart, seconds: Mapping[str, float]) -> None:
    """Put a new build of a package into its place, or aside, and record it as the latest."""
    pkgver, build = output.pkgver, shelf.build_of(output.folder)
    text, here = str(pkgver), farm.build(pkgver)
    if build == here:
        _mend(masterdir, output.manifest, pkgver, output.folder)
        farm.renew(output.props, build, seconds)
    elif (text, build) in farm.builds():
        shelf.lay_aside(masterdir, text, output.folder)
        farm.renew(output.props, build, seconds)
    elif here and farm.is_stowed(pkgver):
        shelf.lay_aside(masterdir, text, output.folder)
        farm.record_aside(output.props, output.manifest, build, seconds, latest=True)
    else:
        final = masterdir.destdir(pkgver)
        replace_tree(output.folder, final)
        close(final)
        farm.record(output.props, output.manifest, seconds, build)
        _keep(masterdir, farm, text, output.folder)


def _mend(masterdir: Masterdir, manifest: Manifest, pkgver: PkgVer, fresh: Path) -> None:
    """Give the tree in its place the new records; if it was damaged or removed, replace it by the new tree."""
    final = masterdir.destdir(pkgver)
    same = shelf.build_of(final) == shelf.build_of(fresh)
    if same and not compare_destdir(str(pkgver), manifest.entries, shelf.entries(final, hashed=True)):
        shelf.follow(final, fresh)
        return
    replace_tree(fresh, final)
    close(final)


def _keep(masterdir: Masterdir, farm: Farm, pkgver: str, folder: Path) -> None:
    """Keep a replaced build if a generation may need it again."""
    build = shelf.build_of(folder)
    wanted = any((pkgver, build) in g.builds for g in generations.every(masterdir, farm.generation()))
    if build and wanted:
        shelf.lay_aside(masterdir, pkgver, folder)
    elif build != farm.build(PkgVer.parse(pkgver)):
        farm.forget([(pkgver, build)])


def props_of(session: Session, job: Job, state: WorkState, needs: Layers, part: DraftPart) -> Props:
    """The record of a destdir; it is equal for equal builds, so it has no data of this run. Raises ValueError."""
    package, found, sub = job.package, part.scan, part.sub
    # of what one build makes, none goes with an older one of the others
    own = {*found.provides, *found.private, *(soname for names in part.private.values() for soname in names)}
    near = [
        n
        for n, one in part.siblings.items()
        if n in part.linking or not {*one.exports, *part.private[n]}.isdisjoint(found.requires)
    ]
    declared = [
        *(str(pattern) for pattern in (sub.depends if sub else package.depends[Dep.RUN])),
        *(f"{name}>={package.pkgver.version}" for name in near),
    ]
    beside = {soname for name in near for soname in part.siblings[name].exports}
    requires = tuple(soname for soname in found.requires if soname not in own)
    depends = run_depends(
        declared, requires, {*own, *beside}, {name: one.exports for name, one in needs.providers.items()}
    )
    rules, made = rules_of(package, found, sub), {pkgver.name for pkgver in package.outputs}
    manifest, elves = found.manifest.entries, found.elves
    return Props(
        pkgver=part.pkgver,
        arch=package.machine.arch.name,
        key=job.key,
        inputs=job.inputs,
        outcome=outcome(manifest, elves, rules.table(), depends, requires, found.provides),
        saw=weighed({n: o for n, o in state.saw.items() if n not in made}, needs, found),
        short_desc=(sub and sub.short_desc) or package.raw.get("short_desc", ""),
        license=package.raw.get("license", ""),
        homepage=package.raw.get("homepage", ""),
        maintainer=package.raw.get("maintainer", ""),
        size=found.manifest.size,
        run_depends=depends,
        shlib_requires=requires,
        shlib_provides=found.provides,
        links={**links(elves, own | beside, needs.providers), **links(elves, own, part.siblings)},
        exports=exports(elves, found.provides),
        rules=rules,
        source=str(package.pkgver) if sub else "",
        options=dict(package.options),
        build={
            "base": base_name(session),
            "source-date-epoch": state.epoch,
            **({UNTESTED: True} if is_untested(job, state) else {}),
        },
        preimage=job.preimage,
    )


def is_untested(job: Job, state: WorkState) -> bool:
    """Whether the template has tests that did not run."""
    return bool(job.package.make_check) and Phase.CHECK in job.scripts and Phase.CHECK not in state.done


def note_tested(session: Session, job: Job) -> None:
    """Take the mark from the builds of this key whose tests were left out: they have passed now. Raises HostError."""
    name, work = job.package.pkgver.name, session.masterdir.work(job.package.pkgver)
    with farm_locked(session, f"check {name}") as farm:
        for pkgver in job.package.outputs:
            props = farm.props(pkgver)
            if props is None or props.key != job.key or not props.untested:
                continue
            tested = replace(props, build={word: one for word, one in props.build.items() if word != UNTESTED})
            files.replace(work.path / PROPS, tested.render())
            shelf.follow(session.masterdir.destdirs / farm.folder(pkgver), work.path)
            farm.renew(tested, farm.latest(pkgver))
            session.ui.note(f"{pkgver}: its build is tested now")


def weighed(saw: Mapping[str, Outcome], needs: Layers, found: scanning.Scan) -> dict[str, Outcome]:
    """The seen outcomes on the rungs that count: `exact` for tools and for packages whose code may be copied."""
    code = bool(found.elves) or any(entry.path.endswith(".a") for entry in found.manifest.entries)
    result = {}
    for name, seen in saw.items():
        # a package that is only there for tests is in no root of the install phase
        whole = name in needs.outcomes and name not in needs.tools
        provider = needs.providers.get(name)
        sonames = provider.exports if provider else ()
        static = code and linked_statically(needs.archives.get(name, ()), sonames, found.requires)
        result[name] = seen if whole and not static else seen.exactly
    return result


def owned(package: Package, entries: Iterable[Entry]) -> Iterator[Owned]:
    """The paths to which a template gives an owner or capabilities; of several globs, the last one counts."""
    globs = [(glob.removeprefix("?").strip("/"), words.split(" ")) for glob, words in package.install.modes.items()]
    for entry in entries if any(rest for _, (_, *rest) in globs) else ():
        said = [rest for glob, (_, *rest) in globs if entry.kind is not Kind.LINK and matches(entry.path, (glob,))]
        if said and said[-1]:
            yield Owned(f"/{entry.path}", *said[-1])


def rules_of(package: Package, found: scanning.Scan, sub: Subpackage | None) -> Rules:
    """The rules of a package, or of a part of it, for the farm. Raises ValueError for bad ones."""
    raw, paths = package.raw, {entry.path for entry in found.manifest.entries}
    table: dict[str, Any] = {
        "make_dirs": [asdict(one) for one in package.make_dirs if one.path.strip("/") in paths],
        "owned": [asdict(one) for one in owned(package, found.manifest.entries)],
        "hardlink": [*package.stow.hardlink, *(escaped(path) for path in found.placed)],
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
