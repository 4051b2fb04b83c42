"""Removes builds that nothing needs any more."""

from __future__ import annotations

from xsrc.core.errors import ConflictError
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.farm.acts.commit import sweep_going
from xsrc.farm.disk import generations
from xsrc.farm.disk.database import Farm
from xsrc.farm.waste import Waste, needing, waste
from xsrc.store.disk.shelf import GOING
from xsrc.unix import lock
from xsrc.unix.trees import remove_tree


def refuse_while_building(masterdir: Masterdir, verb: str = "gc") -> None:
    """Raise ConflictError while a build runs: its root may hold any build."""
    for path in sorted(masterdir.builddir.glob(".*.lock")):
        if lock.held(path):
            name = path.name.removeprefix(".").removesuffix(".lock")
            raise ConflictError(
                f"{name} is being built now; nothing was removed", hint=f"xsrc {verb} again, once it is done"
            )


def find(masterdir: Masterdir, farm: Farm, keep: int, *, everything: bool) -> Waste:
    """The builds and records that nothing needs any more. Raises OSError."""
    kept = list(generations.every(masterdir, farm.generation()))
    stowed = frozenset((str(one.pkgver), one.build) for one in farm.stowed_builds().values())
    latest = {pair: state.latest for pair, state in farm.builds().items()}
    return waste(latest, stowed, kept, keep, everything=everything)


def find_one(masterdir: Masterdir, farm: Farm, pkgver: PkgVer, *, force: bool) -> Waste:
    """All builds of one version, and the generations that nobody can return to without them.

    Raises ConflictError if it is stowed and, unless `force` is set, if a generation needs it; OSError.
    """
    what = f"remove {pkgver}: refused, nothing was removed"
    if farm.is_stowed(pkgver):
        raise ConflictError(what, detail=["  it is stowed"], hint=f"xsrc unstow {pkgver.name}")
    builds = tuple(pair for pair in farm.builds() if pair[0] == str(pkgver))
    numbers = needing(builds, generations.every(masterdir, farm.generation()))
    if numbers and not force:
        words = f"generation{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
        hint = f"--force, which forgets {words} too; or xsrc gc --keep N, which forgets older ones"
        raise ConflictError(what, detail=[f"  {words} of the root need{'s' * (len(numbers) == 1)} it"], hint=hint)
    return Waste(builds, numbers)


def sweep(masterdir: Masterdir, farm: Farm, found: Waste) -> int:
    """Remove the result of `find`, and the rest of an earlier sweep; return the freed bytes. Raises OSError."""
    builds = farm.builds()
    # a generation that cannot be returned to is no longer offered before a build of it goes
    for number in found.generations:
        generations.drop(masterdir, number)
    # the records go first: a build that is on disk only is in nobody's way, one that is recorded only would be stowed
    folders = {
        pair: (masterdir.destdirs / pair[0] if builds[pair].current else masterdir.kept(*pair)).name
        for pair in found.builds
    }
    farm.forget(found.builds, folders.values())
    freed = sweep_going(masterdir, farm)
    used = {sha256 for _, sha256 in farm.made().values()}
    for path in masterdir.made.glob("*"):
        if path.name not in used:
            path.unlink()
    _sweep_strays(masterdir, farm)
    return freed


def _sweep_strays(masterdir: Masterdir, farm: Farm) -> None:
    """Remove kept builds that the database does not know; an interrupted command left them."""
    known = {masterdir.kept(pkgver, build).name for pkgver, build in farm.builds()}
    for folder in sorted(masterdir.destdirs.glob(".*")):
        if folder.name not in known and _stray(folder.name):
            remove_tree(folder)


def _stray(name: str) -> bool:
    """Whether a folder is a kept build, or one whose removal was interrupted."""
    if name.startswith(GOING):
        return True
    build = name.rpartition(".")[2]
    return build == "unsealed" or (len(build) == 20 and all(c in "0123456789abcdef" for c in build))
