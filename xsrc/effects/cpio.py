"""Reads cpio archives of the formats newc, crc and odc as a stream, as members of a tar; decides nothing."""

from __future__ import annotations

import io
import re
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, cast

MAGIC = (b"070701", b"070702", b"070707")
_TRAILER = "TRAILER!!!"
_PATH_MAX = 4096
_CHUNK = 1 << 16
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}
Member = tuple[tarfile.TarInfo, IO[bytes] | None]


class CpioError(Exception):
    """A header that is none, or data that have another checksum."""


@dataclass(frozen=True)
class _Header:
    inode: tuple[int, ...]
    mode: int
    names: int
    mtime: int
    size: int
    length: int
    """Of the name, with its NUL."""
    align: int = 1
    """Name and data are filled up to a multiple of it."""
    check: int | None = None
    """Sum of all bytes of data."""


class _Data(io.RawIOBase):
    """What one member holds."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.stream, self.left, self.sum = stream, size, 0

    def read(self, size: int = -1) -> bytes:
        data = _exactly(self.stream, self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        self.sum += sum(data)
        return data


def members(stream: IO[bytes]) -> Iterator[Member]:
    """Every member up to the trailer; the data of each are to be read before the next is asked for.

    A file with several names comes as a file and hard links to it, whichever of the names had the data. Raises
    CpioError, or EOFError where the archive is cut short.
    """
    waiting: dict[tuple[int, ...], list[tarfile.TarInfo]] = {}
    first: dict[tuple[int, ...], str] = {}
    while True:
        head = _header(stream)
        name = _name(stream, head)
        if name == _TRAILER:
            break
        member = tarfile.TarInfo(name)
        member.type = _KINDS.get(stat.S_IFMT(head.mode), b"?")
        member.mode, member.mtime = stat.S_IMODE(head.mode), head.mtime
        data = _Data(stream, head.size)
        if member.issym():
            if head.size > _PATH_MAX:
                raise CpioError(f"{name!r}: a link to {head.size} bytes")
            member.linkname = data.read().decode("utf-8", "surrogateescape")
            yield member, None
        elif not member.isreg():
            yield member, None
        elif head.names > 1 and head.inode in first:
            yield _hard(member, first[head.inode]), None
        elif head.names > 1 and not head.size:  # the data come with a later name, if there are any
            waiting.setdefault(head.inode, []).append(member)
        else:
            member.size = head.size
            yield member, cast("IO[bytes]", data)
            if head.names > 1:
                first[head.inode] = name
                for other in waiting.pop(head.inode, ()):
                    yield _hard(other, name), None
        while data.read(_CHUNK):
            pass
        if head.check is not None and data.sum & 0xFFFFFFFF != head.check:
            raise CpioError(f"{name!r}: another checksum than it says")
        _exactly(stream, -head.size % head.align)
    for file, *others in waiting.values():
        yield file, cast("IO[bytes]", _Data(stream, 0))
        for other in others:
            yield _hard(other, file.name), None


def _hard(member: tarfile.TarInfo, name: str) -> tarfile.TarInfo:
    member.type, member.linkname = tarfile.LNKTYPE, name
    return member


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError("it ends within a member")
    return data


def _header(stream: IO[bytes]) -> _Header:
    magic = _exactly(stream, 6)
    if magic == b"070707":
        dev, ino, mode, _, _, nlink, _, mtime, namesize, size = _numbers(
            _exactly(stream, 70), 8, (6, 6, 6, 6, 6, 6, 6, 11, 6, 11)
        )
        return _Header((dev, ino), mode, nlink, mtime, size, namesize)
    if magic not in MAGIC:
        raise CpioError(f"no header where one should be: {magic!r}")
    ino, mode, _, _, nlink, mtime, size, major, minor, _, _, namesize, check = _numbers(
        _exactly(stream, 104), 16, (8,) * 13
    )
    return _Header(
        (major, minor, ino), mode, nlink, mtime, size, namesize, 4, check if magic == b"070702" and size else None
    )


def _numbers(text: bytes, base: int, widths: tuple[int, ...]) -> list[int]:
    if re.fullmatch(rb"[0-7]+" if base == 8 else rb"[0-9A-Fa-f]+", text) is None:
        raise CpioError(f"no header where one should be: {text[:16]!r}")
    ends = [sum(widths[: number + 1]) for number in range(len(widths))]
    return [int(text[end - width : end], base) for end, width in zip(ends, widths, strict=True)]


def _name(stream: IO[bytes], head: _Header) -> str:
    if not 1 < head.length <= _PATH_MAX:
        raise CpioError(f"a name of {head.length} bytes")
    name = _exactly(stream, head.length)
    _exactly(stream, -(110 + head.length) % head.align)
    if name[-1:] != b"\0":
        raise CpioError("a name without an end")
    return name[:-1].decode("utf-8", "surrogateescape")
