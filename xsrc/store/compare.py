"""Compares two builds of one package by their manifests; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from xsrc.store.manifest import Entry, Manifest


class Differs(StrEnum):
    """How a path differs between both builds."""

    CONTENT = "content"
    MODE = "mode"
    TARGET = "target"
    KIND = "kind"
    NAMES = "hard links"
    """Which paths are names of one file."""
    FIRST = "only in the first"
    SECOND = "only in the second"


@dataclass(frozen=True)
class Difference:
    """One path that differs; `text` tells first from second where both can be said in a few words."""

    path: str
    what: Differs
    text: str = ""

    def __str__(self) -> str:
        """A line as `xsrc build --check-reproducible` prints it.

        >>> str(Difference("usr/bin/x", Differs.MODE, "0755, then 0700"))
        'mode                /usr/bin/x: 0755, then 0700'
        """
        text = f": {self.text}" if self.text else ""
        return f"{self.what:19} /{self.path}{text}"


def compare(first: Manifest, second: Manifest) -> tuple[Difference, ...]:
    """Every difference of two manifests, in the order of paths; none if both builds are the same."""
    one, other = ({entry.path: entry for entry in manifest.entries} for manifest in (first, second))
    found: list[Difference] = []
    for path in sorted(one.keys() | other.keys()):
        if path not in other:
            found.append(Difference(path, Differs.FIRST))
        elif path not in one:
            found.append(Difference(path, Differs.SECOND))
        else:
            found += _differences(one[path], other[path])
    named = _names(first), _names(second)
    differing = {difference.path for difference in found if difference.what in (Differs.FIRST, Differs.SECOND)}
    found += [
        Difference(path, Differs.NAMES)
        for path in sorted((named[0].keys() | named[1].keys()) - differing)
        if named[0].get(path) != named[1].get(path)
    ]
    return tuple(sorted(found, key=lambda difference: difference.path))


def _differences(first: Entry, second: Entry) -> Iterator[Difference]:
    if first.kind is not second.kind:
        yield Difference(first.path, Differs.KIND, f"{first.kind}, then {second.kind}")
        return
    if (first.sha256, first.size) != (second.sha256, second.size):
        sizes = "" if first.size == second.size else f"{first.size} bytes, then {second.size}"
        yield Difference(first.path, Differs.CONTENT, sizes)
    if first.mode != second.mode:
        yield Difference(first.path, Differs.MODE, f"{first.mode:04o}, then {second.mode:04o}")
    if first.target != second.target:
        yield Difference(first.path, Differs.TARGET, f"{first.target}, then {second.target}")


def _names(manifest: Manifest) -> dict[str, frozenset[str]]:
    """For each file with several names all of them; the numbers of inodes mean nothing from one build to another."""
    paths: dict[int, set[str]] = {}
    for entry in manifest.entries:
        if entry.inode:
            paths.setdefault(entry.inode, set()).add(entry.path)
    return {path: frozenset(names) for names in paths.values() for path in names}
