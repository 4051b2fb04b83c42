"""What is no longer needed: builds that nothing refers to, records of generations that nobody keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xsrc.model.generation import Generation
from xsrc.model.pkgver import PkgVer


@dataclass(frozen=True)
class Waste:
    """What can go."""

    builds: tuple[tuple[str, str], ...]
    """By pkgver and build."""
    generations: tuple[int, ...]


def waste(
    builds: Mapping[tuple[str, str], bool],
    stowed: Iterable[tuple[str, str]],
    generations: Iterable[Generation],
    keep: int,
    *,
    everything: bool = False,
) -> Waste:
    """What can go of `builds`, of which the value says whether each is in its place.

    What is stowed stays, and what one of the last `keep` generations needs; so does the newest version of each package,
    unless `everything` goes that nothing refers to.
    """
    known = sorted(generations, key=lambda one: one.number)
    kept = known[-max(keep, 1) :]  # the last one is what is stowed now
    roots = {*stowed, *(pair for one in kept for pair in one.builds)}
    if not everything:
        newest: dict[str, tuple[str, str]] = {}
        for pair in sorted((p for p, current in builds.items() if current), key=lambda p: PkgVer.parse(p[0]).order):
            newest[PkgVer.parse(pair[0]).name] = pair
        roots |= set(newest.values())
    gone = tuple(pair for pair in sorted(builds) if pair not in roots)
    return Waste(gone, tuple(one.number for one in known[: len(known) - len(kept)]))
