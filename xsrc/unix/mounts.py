"""Mount tables: which mount a path lies on, and what is mounted below it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mount:
    """One line of a mount table (proc_pid_mountinfo(5))."""

    point: str
    kind: str
    options: tuple[str, ...]
    top: str = "/"


_OCTAL = re.compile(r"\\(040|011|012|134|043)")
"""How the kernel writes a blank, a tab, a line's end, a backslash and a # in names (mangle in fs/proc_namespace.c)."""


def mounts(text: str) -> tuple[Mount, ...]:
    r"""The mount table that a text holds.

    >>> mounts(r"36 35 98:0 / /mnt\040a rw,nosuid master:1 - ext4 /dev/root rw")
    (Mount(point='/mnt a', kind='ext4', options=('rw', 'nosuid'), top='/'),)
    """
    found = []
    for line in text.split("\n"):
        words = [_OCTAL.sub(lambda hit: chr(int(hit[1], 8)), word) for word in line.split(" ")]
        if "-" in words[6:-1]:
            kind = words[words.index("-", 6) + 1]
            found.append(Mount(words[4], kind, tuple(words[5].split(",")), words[3]))
    return tuple(found)


def mount_table() -> tuple[Mount, ...]:
    """The mounts that this process sees. Raises OSError."""
    return mounts(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))


def mount_of(path: Path, table: Iterable[Mount]) -> Mount | None:
    """The mount that a path lies on: the longest mount point above it, and of several there the last."""
    above = {str(path), *map(str, path.parents)}
    return max((mount for mount in table if mount.point in above), key=lambda m: len(m.point), default=None)


def below(tops: Iterable[Path], table: Iterable[Mount]) -> list[Mount]:
    """The mounts that lie below one of these directories: no overlay may hide or uncover what they hold."""
    return [mount for mount in table if any(top in Path(mount.point).parents for top in tops)]
