"""The headers of a tar archive: ustar, with pax records only where ustar has no room; pure.

tarfile writes the same, at several times the cost for a package of many small files.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BLOCK = 512
END = bytes(2 * BLOCK)
"""The end of an archive."""
FILE, HARD_LINK, LINK, FOLDER, _PAX = b"0", b"1", b"2", b"5", b"x"

_NAME, _LINKED = 100, 100
"""Bytes of the two names of a ustar header."""
_MOST = 1 << 33
"""A size that needs more than the eleven octal digits of a ustar header."""
_NOTHING: Mapping[str, bytes] = MappingProxyType({})
_BLANK_SUM = b" " * 8


def header(
    name: str,
    kind: bytes = FILE,
    mode: int = 0o644,
    size: int = 0,
    mtime: int = 0,
    target: str = "",
    more: Mapping[str, bytes] = _NOTHING,
) -> bytes:
    """All blocks before the content of a member, which belongs to root; `more` are further pax records."""
    path, link = name.encode(), target.encode()
    records = dict(more)
    if len(path) > _NAME or not path.isascii():
        records["path"] = path
    if len(link) > _LINKED or not link.isascii():
        records["linkpath"] = link
    if size >= _MOST:
        records["size"] = str(size).encode()
    if not 0 <= mtime < _MOST:
        records["mtime"] = str(mtime).encode()
    blocks = b""
    if records:
        data = b"".join(_record(key, value) for key, value in sorted(records.items()))
        blocks = _block(b"././@PaxHeader", _PAX, 0, len(data), 0, b"") + data + padding(len(data))
    short_size, short_time = (size if size < _MOST else 0), (mtime if 0 <= mtime < _MOST else 0)
    return blocks + _block(path[:_NAME], kind, mode, short_size, short_time, link[:_LINKED])


def padding(size: int) -> bytes:
    """What fills the last block of a content of that many bytes."""
    return bytes(-size % BLOCK)


def _block(name: bytes, kind: bytes, mode: int, size: int, mtime: int, link: bytes) -> bytes:
    front = b"%b%07o\0000000000\0000000000\0%011o\0%011o\0" % (name.ljust(_NAME, b"\0"), mode, size, mtime)
    back = kind + link.ljust(_LINKED, b"\0") + b"ustar\00000"
    total = sum(front) + sum(_BLANK_SUM) + sum(back)
    return (front + b"%06o\0 " % total + back).ljust(BLOCK, b"\0")


def _record(key: str, value: bytes) -> bytes:
    """A pax record; its length counts itself."""
    rest = b" %b=%b\n" % (key.encode(), value)
    length = len(rest) + len(str(len(rest)))
    if length < len(rest) + len(str(length)):
        length += 1
    return str(length).encode() + rest
