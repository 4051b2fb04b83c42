"""Composes a base of built packages: chooses the package of each path; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.store.manifest import Entry, Kind
from xsrc.store.merge import Conflict, conflicts

TOP = "usr/"
"""The directory of a base's paths; all other paths are the user's."""


def compose(
    packages: Mapping[str, Iterable[Entry]], ranks: Mapping[str, int]
) -> tuple[dict[str, str], tuple[Conflict, ...]]:
    """The package that provides each path below /usr, without directories; and the conflicts.

    If two packages have one path, the one of the higher rank provides it, because a later stage has better tools.
    Within one rank, that is a conflict.

    >>> ls = [Entry("usr/bin/ls", Kind.FILE, 0o755, 9, "ab")]
    >>> compose({"busybox": ls, "coreutils": ls}, {"busybox": 1, "coreutils": 2})
    ({'usr/bin/ls': 'coreutils'}, ())
    """
    taken: dict[str, str] = {}
    bad: list[Conflict] = []
    below: dict[str, Kind] = {}
    for rank in sorted({*ranks.values()}, reverse=True):
        found = {
            name: [e for e in entries if e.path.startswith(TOP) and (e.kind is Kind.DIR or e.path not in below)]
            for name, entries in packages.items()
            if ranks[name] == rank
        }
        bad += conflicts(found)
        for name, entries in found.items():
            for entry in entries:
                if entry.kind is not Kind.DIR:
                    taken.setdefault(entry.path, name)
                elif below.get(entry.path, Kind.DIR) is not Kind.DIR:
                    bad.append(Conflict(entry.path, name, taken[entry.path], "a directory here, none there"))
        below |= {entry.path: entry.kind for entries in found.values() for entry in entries}
    return taken, tuple(bad)
