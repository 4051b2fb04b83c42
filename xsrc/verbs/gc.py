"""`xsrc gc`: removes builds that nothing stowed, no kept generation and no newest version needs."""

from __future__ import annotations

from plumbum import cli

from xsrc.effects import generations, lock
from xsrc.effects.builds import GOING
from xsrc.effects.store import Farm
from xsrc.errors import ConflictError
from xsrc.plan.gc import Waste, waste
from xsrc.verbs.context import Context
from xsrc.verbs.farming import farm_locked, sweep_going
from xsrc.verbs.stow import FarmVerb

KEPT = 10


class Gc(FarmVerb):
    """Remove old builds; those of the last generations, and the newest of each package, stay"""

    keep = cli.SwitchAttr(
        ["--keep"], cli.Range(0, 1_000_000), argname="N", default=KEPT, help=f"generations to keep (default {KEPT})"
    )
    all = cli.Flag(["--all"], help="also the newest build of what is not stowed")

    def go(self, context: Context) -> int:
        if not context.exists:
            return 0
        with farm_locked(context, "gc") as farm:
            refuse_while_building(context)
            found = find(context, farm, self.keep, everything=self.all)
            if self.plan_only:
                for pkgver, build in found.builds:
                    context.ui.output(
                        f"- {pkgver}" + ("" if farm.builds().get((pkgver, build)) else f" (build {build})")
                    )
                for number in found.generations:
                    context.ui.output(f"- generation {number}")
                return 0
            freed = sweep(context, farm, found)
        context.ui.note(
            f"{len(found.builds)} builds and {len(found.generations)} generations removed, {freed >> 20} MiB freed"
        )
        return 0


def refuse_while_building(context: Context) -> None:
    """Raise ConflictError while a build runs: its root may hold any build."""
    for path in sorted(context.masterdir.builddir.glob(".*.lock")):
        if lock.held(path):
            name = path.name.removeprefix(".").removesuffix(".lock")
            raise ConflictError(
                f"{name} is being built now; nothing was removed", hint="xsrc gc again, once it is done"
            )


def find(context: Context, farm: Farm, keep: int, *, everything: bool) -> Waste:
    """What is not needed any more."""
    kept = list(generations.every(context.masterdir, farm.generation()))
    stowed = frozenset((str(one.pkgver), one.build) for one in farm.stowed_builds().values())
    return waste(farm.builds(), stowed, kept, keep, everything=everything)


def sweep(context: Context, farm: Farm, found: Waste) -> int:
    """Remove what `find` found, and what an earlier sweep left behind; gives the bytes that were freed."""
    masterdir, current = context.masterdir, farm.builds()
    # a generation that cannot be returned to is no longer offered before a build of it goes
    for number in found.generations:
        generations.drop(masterdir, number)
    # the records go first: a build that is on disk only is in nobody's way, one that is recorded only would be stowed
    folders = {
        pair: (masterdir.destdirs / pair[0] if current[pair] else masterdir.kept(*pair)).name for pair in found.builds
    }
    farm.forget(found.builds, folders.values())
    freed = sweep_going(context, farm)
    used = {sha256 for _, sha256 in farm.made().values()}
    for path in masterdir.made.glob("*"):
        if path.name not in used:
            path.unlink()
    _sweep_strays(context, farm)
    return freed


def _sweep_strays(context: Context, farm: Farm) -> None:
    """Remove builds aside that the database does not know; what was cut off left them."""
    known = {context.masterdir.kept(pkgver, build).name for pkgver, build in farm.builds()}
    for folder in sorted(context.masterdir.destdirs.glob(".*")):
        if folder.name not in known and _stray(folder.name):
            context.remove(folder)


def _stray(name: str) -> bool:
    """Whether a folder is a build aside, or one whose removal was cut off."""
    if name.startswith(GOING):
        return True
    build = name.rpartition(".")[2]
    return build == "unsealed" or (len(build) == 20 and all(c in "0123456789abcdef" for c in build))
