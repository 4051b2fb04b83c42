"""Ends a build: looks at the destdir, seals it, puts it in its place, notes it."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xsrc.effects import builds, destdir, generations
from xsrc.effects.store import Farm
from xsrc.effects.work import State
from xsrc.errors import BuildFailed
from xsrc.model.arch import Dep
from xsrc.model.farm import Change, Member
from xsrc.model.interface import linked_statically, outcome
from xsrc.model.manifest import FILES, PROPS, Manifest, Props
from xsrc.model.outcome import Outcome
from xsrc.model.package import Package
from xsrc.model.pkgver import PkgVer
from xsrc.model.rules import Rules
from xsrc.plan.jobs import Job
from xsrc.plan.shlibs import run_depends
from xsrc.plan.stow import Request
from xsrc.plan.verify import compare_destdir
from xsrc.verbs.context import Context
from xsrc.verbs.farming import carry_out, farm_locked
from xsrc.verbs.planning import bringing, change_of, plan_change, refuse_conflicts
from xsrc.verbs.roots import Closure
from xsrc.verbs.triggers import fired


def record(context: Context, job: Job, state: State, needs: Closure) -> None:
    """Scan and seal an unfinished destdir, put it in its place, note it.

    `needs` is what its build root held. Raises BuildFailed for what cannot be a package, ConflictError when the links
    of a stowed build of the same pkgver could not follow, OSError.
    """
    package = job.package
    unfinished = context.masterdir.unfinished(package.pkgver)
    found = destdir.scan(unfinished)
    if not package.meta and not found.manifest.entries:
        raise BuildFailed(
            f"{package.pkgver}: the install phase installed nothing",
            detail=[f"  log: {context.masterdir.log(package.pkgver, 'install')}"],
            hint="does it honour DESTDIR? see make_install_args",
        )
    props = _props(context, job, state, needs, found)
    (unfinished / FILES).write_bytes(found.manifest.render(props.rules.conf_files))
    # props.plist is written last and by rename: a destdir that has it is whole
    part = unfinished / f".{PROPS}"
    part.write_bytes(props.render())
    destdir.seal(unfinished, state.epoch)
    part.rename(unfinished / PROPS)
    _place(context, props, found.manifest, unfinished, state)


def _place(context: Context, props: Props, manifest: Manifest, unfinished: Path, state: State) -> None:
    """Put a sealed destdir where it belongs; links of a stowed one of the same pkgver follow."""
    pkgver, seconds = props.pkgver, dict(state.seconds)
    final = context.masterdir.destdir(pkgver)
    with farm_locked(context, f"build {pkgver.name}") as farm:
        former = farm.build(pkgver)
        os.utime(unfinished, (state.epoch, state.epoch))
        build = builds.build_of(unfinished)
        if build == former:
            _mend(context, farm, manifest, pkgver, unfinished)
            farm.renew(props, seconds)
        elif farm.is_stowed(pkgver):
            _replace(context, farm, props, manifest, unfinished, seconds)
        else:
            destdir.replace_tree(unfinished, final)
            destdir.close(final)
            farm.record(props, manifest, seconds=seconds, build=build)
            _keep(context, farm, str(pkgver), unfinished)
    try:
        context.remove(unfinished)
    except OSError as error:
        context.ui.warn(f"{unfinished} could not be removed: {error.strerror}; xsrc clean tries again")


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


def _replace(
    context: Context, farm: Farm, props: Props, manifest: Manifest, unfinished: Path, seconds: Mapping[str, float]
) -> None:
    """Bring a new build of a stowed pkgver into its place, its links with it: one change, or none."""
    pkgver = props.pkgver
    text, former = str(pkgver), farm.build(pkgver)
    new, old = Member(pkgver, manifest.entries, props.rules), farm.member(pkgver)
    drop = (old,) if old else ()
    plan = plan_change(context, farm, Request((new,), drop, rebuilt=frozenset((text,))))
    refuse_conflicts(plan, f"stow {pkgver} again")
    build = builds.lay_aside(context.masterdir, text, unfinished)
    base = Change(
        builds={text: build}, ops=(bringing(text, build, former),), fire=fired((new,), drop), at=context.host.now
    )
    change = change_of(plan, f"build {pkgver.name}", base)
    farm.record(props, manifest, change, seconds, build)
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


def _props(context: Context, job: Job, state: State, needs: Closure, found: destdir.Scan) -> Props:
    """What is known of the destdir; the same for equal builds, so nothing of this one run."""
    package = job.package
    declared = [str(pattern) for pattern in package.depends[Dep.RUN]]
    depends = run_depends(declared, found.requires, found.provides, needs.sonames)
    rules = rules_of(package, found.placed)
    manifest, elves = found.manifest.entries, found.elves
    return Props(
        pkgver=package.pkgver,
        arch=context.arch.name,
        key=job.key,
        inputs=job.inputs,
        outcome=outcome(manifest, elves, rules.table(), depends, found.requires, found.provides),
        saw=weighed(state.saw, needs, found),
        short_desc=package.raw.get("short_desc", ""),
        license=package.raw.get("license", ""),
        homepage=package.raw.get("homepage", ""),
        maintainer=package.raw.get("maintainer", ""),
        size=found.manifest.size,
        run_depends=depends,
        shlib_requires=found.requires,
        shlib_provides=found.provides,
        rules=rules,
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


def rules_of(package: Package, placed: Iterable[str]) -> Rules:
    """What the farm keeps to for a package; `placed` are programs that ask where they themselves are."""
    raw = package.raw
    table: dict[str, Any] = {name: raw[name] for name in _FROM_TEMPLATE if name in raw}
    accounts = [one if isinstance(one, dict) else {"name": one} for one in raw.get("system_accounts", ())]
    table |= {
        "accounts": accounts,
        "hardlink": [*package.stow.hardlink, *(glob.escape(path) for path in placed)],
        "copy": package.stow.copy,
        "ignore": package.stow.ignore,
        "protect": package.stow.protect,
        "conf_files": package.conf_files,
    }
    return Rules.of(table)


_FROM_TEMPLATE = ("provides", "conflicts", "replaces", "shells", "alternatives", "triggers")
