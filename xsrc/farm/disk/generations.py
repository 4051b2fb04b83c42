"""The records of generations on disk: one file each, written by rename before the database counts it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from xsrc.core.layout import Masterdir
from xsrc.farm.generation import Generation
from xsrc.unix import files

_LARGEST = 64 << 20
"""Bytes that the record of one generation may have."""


def write(masterdir: Masterdir, generation: Generation) -> None:
    """Write the record of a generation. Raises OSError."""
    path = masterdir.generation(generation.number)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, generation.render().encode())


def read(masterdir: Masterdir, number: int) -> Generation | None:
    """The record of a generation, None if it is gone or damaged."""
    try:
        return Generation.parse(files.read(masterdir.generation(number), _LARGEST).decode())
    except (OSError, ValueError):
        return None


def numbers(masterdir: Masterdir) -> list[int]:
    """The numbers of all recorded generations, in order. Raises OSError."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError):
        for path in masterdir.generation(0).parent.iterdir():
            if match := re.fullmatch(r"([0-9]+)\.toml", path.name):
                found.append(int(match[1]))
    return sorted(found)


def every(masterdir: Masterdir, last: int) -> Iterator[Generation]:
    """All generations up to `last`, in order, without damaged ones. Raises OSError."""
    for number in numbers(masterdir):
        if number <= last and (generation := read(masterdir, number)) is not None:
            yield generation


def drop(masterdir: Masterdir, number: int) -> None:
    """Remove the record of a generation. Raises OSError."""
    masterdir.generation(number).unlink(missing_ok=True)
