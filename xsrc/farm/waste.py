"""Finds waste: builds that nothing refers to, and records of generations that are not kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xsrc.core.pkgver import PkgVer
from xsrc.farm.generation import Generation


@dataclass(frozen=True)
class Waste:
    """What can go."""

    builds: tuple[tuple[str, str], ...]
    """By pkgver and build."""
    generations: tuple[int, ...]


def needing(builds: Iterable[tuple[str, str]], generations: Iterable[Generation]) -> tuple[int, ...]:
    """The numbers of the generations that need any of some builds, in order."""
    some = frozenset(builds)
    return tuple(sorted(one.number for one in generations if not some.isdisjoint(one.builds)))


def waste(
    builds: Mapping[tuple[str, str], bool],
    stowed: Iterable[tuple[str, str]],
    generations: Iterable[Generation],
    keep: int,
    *,
    everything: bool = False,
) -> Waste:
    """The waste among `builds`; the value says whether a build is the latest of its pkgver.

    Stowed builds stay, and those of the last `keep` generations. The newest version of each package stays too, unless
    `everything` is set.
    """
    known = sorted(generations, key=lambda one: one.number)
    kept = known[-max(keep, 1) :]  # the last one is what is stowed now
    roots = {*stowed, *(pair for one in kept for pair in one.builds)}
    if not everything:
        newest: dict[str, tuple[str, str]] = {}
        for pair in sorted((p for p, latest in builds.items() if latest), key=lambda p: PkgVer.parse(p[0]).order):
            newest[PkgVer.parse(pair[0]).name] = pair
        roots |= set(newest.values())
    gone = tuple(pair for pair in sorted(builds) if pair not in roots)
    return Waste(gone, tuple(one.number for one in known[: len(known) - len(kept)]))
