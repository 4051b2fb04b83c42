"""A base that is made of built packages: which of them each path is taken from; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.model.manifest import Entry, Kind
from xsrc.plan.merge import Conflict, conflicts

TOP = "usr/"
"""What a base gives; all else is the user's."""


def compose(
    packages: Mapping[str, Iterable[Entry]], ranks: Mapping[str, int]
) -> tuple[dict[str, str], tuple[Conflict, ...]]:
    """From which package each path below /usr is taken, directories left out, and what forbids that it is.

    Of two packages that have one path the one of the higher rank gives it: a stage that comes later brings better
    tools. Within one rank that is a conflict.

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
