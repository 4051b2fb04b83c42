"""The processes below one, as /proc shows them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import NamedTuple


class Descendant(NamedTuple):
    """A process at one look."""

    pid: int
    parent: int
    alive: bool
    """Whether it has not ended: a zombie has."""
    resident: int
    """Bytes in memory."""


def families(roots: Iterable[int]) -> list[list[Descendant]]:
    """Each of the processes `roots` with all its descendants, parents before children; empty for one that is gone."""
    page = os.sysconf("SC_PAGE_SIZE")
    there: dict[int, Descendant] = {}
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - many, and often
                fields = file.read().rpartition(b")")[2].split()
                seen = Descendant(int(name), int(fields[1]), fields[0] not in b"ZX", int(fields[21]) * page)
                children.setdefault(seen.parent, []).append(seen.pid)
                there[seen.pid] = seen
    found = []
    for root in roots:
        family = [root]
        for pid in family:
            family += children.get(pid, ())
        found.append([there[pid] for pid in family if pid in there])
    return found
