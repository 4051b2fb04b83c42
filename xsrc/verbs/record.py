"""Ends a build: looks at the destdir, seals it, puts it in its place, notes it."""

from __future__ import annotations

import os
from pathlib import Path

from xsrc.effects import destdir
from xsrc.effects.work import State
from xsrc.errors import BuildFailed
from xsrc.model.arch import Dep
from xsrc.model.farm import Change, Member
from xsrc.model.manifest import FILES, PROPS, Manifest, Props
from xsrc.plan.build import Job
from xsrc.plan.shlibs import run_depends
from xsrc.verbs.context import Context
from xsrc.verbs.farming import carry_out, farm_locked, plan_change, refuse_conflicts
from xsrc.verbs.roots import Closure


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
    (unfinished / FILES).write_bytes(found.manifest.render(props.conf_files))
    # props.plist is written last and by rename: a destdir that has it is whole
    part = unfinished / f".{PROPS}"
    part.write_bytes(props.render())
    destdir.seal(unfinished, state.epoch)
    part.rename(unfinished / PROPS)
    _place(context, props, found.manifest, unfinished, state)


def _place(context: Context, props: Props, manifest: Manifest, unfinished: Path, state: State) -> None:
    """Put a sealed destdir where it belongs; links of a stowed one of the same pkgver follow."""
    pkgver = props.pkgver
    final = context.masterdir.destdir(pkgver)
    with farm_locked(context, f"build {pkgver.name}") as farm:
        change: Change | None = None
        notes: tuple[str, ...] = ()
        stowed = farm.stowed().get(pkgver.name)
        if stowed and stowed[0] == pkgver:
            old = farm.member(pkgver)
            plan = plan_change(context, farm, (Member(props, manifest.entries),), (old,) if old else ())
            refuse_conflicts(plan, f"stow {pkgver} again")
            change, notes = Change({}, (), plan.ops), plan.notes
        os.utime(unfinished, (state.epoch, state.epoch))
        destdir.replace_tree(unfinished, final)
        destdir.close(final)
        farm.record(props, manifest, change, seconds=dict(state.seconds))
        if change is not None:
            carry_out(context, farm, change, noted=True)
        for note in notes:
            context.ui.warn(note)
    context.remove(unfinished)


def _props(context: Context, job: Job, state: State, needs: Closure, found: destdir.Scan) -> Props:
    """What is known of the destdir; the same for equal builds, so nothing of this one run."""
    package = job.package
    declared = [str(pattern) for pattern in package.depends[Dep.RUN]]
    return Props(
        pkgver=package.pkgver,
        arch=context.arch.name,
        key=job.key,
        short_desc=package.raw.get("short_desc", ""),
        license=package.raw.get("license", ""),
        homepage=package.raw.get("homepage", ""),
        maintainer=package.raw.get("maintainer", ""),
        size=found.manifest.size,
        run_depends=run_depends(declared, found.requires, found.provides, needs.sonames),
        shlib_requires=found.requires,
        shlib_provides=found.provides,
        conf_files=package.conf_files,
        conflicts=tuple(package.raw.get("conflicts", ())),
        hardlink=package.stow.hardlink,
        copy=package.stow.copy,
        ignore=package.stow.ignore,
        options=dict(package.options),
        build={"base": context.base.name, "source-date-epoch": state.epoch},
        preimage=job.preimage,
    )
