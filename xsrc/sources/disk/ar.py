"""Reads ar(5) archives as far as Debian's packages need it: one member of it as a file of its own."""

from __future__ import annotations

import io
from typing import IO, Any

MAGIC = b"!<arch>\n"

_HEADER = 60


class ArError(ValueError):
    """The file is no ar archive, or a damaged one."""


def member(archive: IO[bytes], prefix: str) -> io.BufferedReader:
    """The first member whose name begins with `prefix`, read from the open archive; raises ArError for none."""
    if archive.read(len(MAGIC)) != MAGIC:
        raise ArError("no ar archive")
    while header := archive.read(_HEADER):
        name, size = header[:16].decode("latin-1").rstrip("/ "), header[48:58].strip()
        if len(header) < _HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise ArError("a damaged ar archive")
        if name.startswith(prefix):
            return io.BufferedReader(_Body(archive, int(size)))
        archive.seek(int(size) + int(size) % 2, io.SEEK_CUR)
    raise ArError(f"an ar archive without {prefix}")


class _Body(io.RawIOBase):
    """That many bytes of a file, from its present position."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.file.read(min(len(buffer), self.left))
        if not data and self.left and len(buffer):
            raise EOFError("an ar archive that is cut short")
        buffer[: len(data)] = data
        self.left -= len(data)
        return len(data)
