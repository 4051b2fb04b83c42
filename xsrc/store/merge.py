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
    cure: str = ""
    """The command that ends it, with {} for the path."""

    def __str__(self) -> str:
        sides = f"{self.owner} and {self.other}" if self.other not in ("", self.owner) else self.owner
        why = f": {self.why}" if self.why != self.other else ""
        return f"/{self.path}: {sides}{why}"


PLAIN = 0o755
"""The mode of a directory that says nothing: packages that merely have files below it give it this one."""


def outspoken(entry: Entry) -> bool:
    """Whether an entry wishes a mode for a directory that several packages have."""
    return entry.kind is Kind.DIR and entry.mode | 0o700 != PLAIN


def agree(one: Entry, two: Entry) -> bool:
    """Whether two entries of one path are interchangeable.

    A directory of mode 0755 goes with any other: only two modes that are both chosen disagree.
    """
    if one.kind is not two.kind:
        return False
    match one.kind:
        case Kind.DIR:
            return not (outspoken(one) and outspoken(two)) or one.mode | 0o700 == two.mode | 0o700
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
    if one.kind is Kind.DIR:
        return f"a directory of mode {one.mode:04o} in the one, of {two.mode:04o} in the other"
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
            elif outspoken(entry):
                seen[entry.path] = (owner, entry)
    return tuple(sorted(bad))
