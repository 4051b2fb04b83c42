"""The names of held packages in a small file: a database that is lost is made again from what stands beside it."""

from __future__ import annotations

from collections.abc import Iterable

from xsrc.core.layout import Masterdir
from xsrc.unix import files

_LARGEST = 1 << 20
"""Bytes that the file may have."""


def read_held(masterdir: Masterdir) -> frozenset[str]:
    """The names in the file; none if it is missing or cannot be read."""
    try:
        return frozenset(files.read(masterdir.held, _LARGEST).decode().split())
    except (OSError, ValueError):
        return frozenset()


def write_held(masterdir: Masterdir, names: Iterable[str]) -> None:
    """Write the file. Raises OSError."""
    files.replace(masterdir.held, "".join(f"{name}\n" for name in sorted(names)).encode())
