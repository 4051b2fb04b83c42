"""Merges several manifests into one tree in which each path has one owner, or lists the conflicts.

Both kinds of root come from here: the stowed root, and the layers of a build root.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xsrc.store.manifest import Entry, Kind


@dataclass(frozen=True, order=True)
class Conflict:
    """A path that two sides want, each in its own way."""

    path: str
    owner: str
    other: str
    why: str = "both have it"

    stranger: bool = False
    """Whether the path has a file or link without an owner, which could be adopted."""

    def __str__(self) -> str:
        return f"/{self.path}: {self.owner} and {self.other}: {self.why}"


def agree(one: Entry, two: Entry) -> bool:
    """Whether two entries of one path are interchangeable."""
    if one.kind is not two.kind:
        return False
    match one.kind:
        case Kind.DIR:
            return True
        case Kind.LINK:
            return one.target == two.target
        case Kind.FILE:
            return (one.sha256, one.mode) == (two.sha256, two.mode)


def disagreement(one: Entry, two: Entry) -> str:
    """Why two entries of one path are not interchangeable, in words."""
    if one.kind is not two.kind:
        return f"a {one.kind.value} in the one, a {two.kind.value} in the other"
    if one.kind is Kind.LINK:
        return f"links to {one.target} and to {two.target}"
    return "different modes" if one.sha256 == two.sha256 else "different contents"


def conflicts(manifests: Mapping[str, Iterable[Entry]]) -> tuple[Conflict, ...]:
    """Every path that two of the manifests want differently, in order."""
    seen: dict[str, tuple[str, Entry]] = {}
    bad: list[Conflict] = []
    for owner in sorted(manifests):
        for entry in manifests[owner]:
            if entry.path not in seen:
                seen[entry.path] = (owner, entry)
                continue
            other, its = seen[entry.path]
            if not agree(its, entry):
                bad.append(Conflict(entry.path, other, owner, disagreement(its, entry)))
    return tuple(sorted(bad))
