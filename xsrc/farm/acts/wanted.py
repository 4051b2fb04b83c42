"""The root that follows from packages that are asked for, and the held packages that are in its way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from xsrc.core.errors import HostError
from xsrc.core.pkgver import PkgVer
from xsrc.farm.candidate import Candidate
from xsrc.farm.disk.candidates import KnownBuilds
from xsrc.farm.solve import RootWish, Solution, solve

InTree = Callable[[str], PkgVer | None]
"""The version of a package in the ports tree; None if it has no template there."""


def wanted(
    known: KnownBuilds,
    before: Mapping[str, Candidate],
    asked: Iterable[PkgVer],
    in_tree: InTree,
    held: frozenset[str] = frozenset(),
) -> Solution:
    """The root with the latest builds of what is asked for; what is `held` keeps its builds.

    Raises HostError for a package that is not built.
    """
    asked = tuple(asked)
    known.read(pkgver.name for pkgver in asked)
    come = {}
    for pkgver in asked:
        one = known.latest(pkgver)
        if one is None:
            raise HostError(f"{pkgver}: the farm's database has no record of it", hint=f"xsrc build -f {pkgver.name}")
        come[pkgver.name] = one
    return solve(known, before, RootWish(come, held=held), in_tree)


def held_back(
    known: KnownBuilds, before: Mapping[str, Candidate], held: frozenset[str], pkgvers: Iterable[PkgVer]
) -> tuple[PkgVer, ...]:
    """Those of `pkgvers` whose latest build cannot come, because the package is held."""
    if not held:
        return ()
    return tuple(v for v in dict.fromkeys(pkgvers) if v.name in held and known.latest(v) != before.get(v.name))
