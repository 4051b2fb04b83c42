"""What the files of a package were linked with: libraries of other packages, and the symbols that they use of each."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from xsrc.core.paths import Unsound

LIMIT = 64 << 20
"""Bytes of the names of all symbols of one library."""


@dataclass(frozen=True)
class Link:
    """A library of another package that files of a package need."""

    provider: str
    """The pkgver whose library it was."""
    build: str = ""
    """Which build of it; "" if it was made by the same build."""
    path: str = ""
    """The first file that needs it."""
    symbols: bytes = b""
    """The symbols that the files use of it, packed."""


def packed(symbols: Iterable[str]) -> bytes:
    """Names of symbols in few bytes: in order, a line each, compressed.

    >>> unpacked(packed({"g", "f@V1"}))
    ('f@V1', 'g')
    """
    return zlib.compress("\n".join(sorted(symbols)).encode(errors="surrogateescape"))


def unpacked(data: bytes) -> tuple[str, ...]:
    """Read the output of `packed`. Raises Unsound for anything else."""
    if not data:
        return ()
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(data, LIMIT).decode(errors="surrogateescape")
    except zlib.error as error:
        raise Unsound(f"no names of symbols: {error}") from error
    if not reader.eof:
        raise Unsound(f"names of symbols of more than {LIMIT >> 20} MiB")
    return tuple(text.split("\n")) if text else ()
