"""cpio archives made by hand, in the three formats that are read."""

from __future__ import annotations

import stat
import tarfile
from collections.abc import Iterable

from tests.e2e.kit.pack import Member

FORMATS = {"newc": b"070701", "crc": b"070702", "odc": b"070707"}
KINDS = {
    tarfile.REGTYPE: stat.S_IFREG,
    tarfile.DIRTYPE: stat.S_IFDIR,
    tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.CHRTYPE: stat.S_IFCHR,
    tarfile.BLKTYPE: stat.S_IFBLK,
    tarfile.FIFOTYPE: stat.S_IFIFO,
}


def record(
    form: str, name: bytes, mode: int, data: bytes = b"", *, ino: int = 1, nlink: int = 1, mtime: int = 0
) -> bytes:
    """One member; equal `ino` and `nlink` above 1 are names of one file."""
    magic, name = FORMATS[form], name + b"\0"
    if form == "odc":
        head = b"%06o" * 7 % (1, ino, mode, 0, 0, nlink, 0) + b"%011o%06o%011o" % (mtime, len(name), len(data))
        return magic + head + name + data
    check = sum(data) & 0xFFFFFFFF if form == "crc" else 0
    head = b"%08X" * 13 % (ino, mode, 0, 0, nlink, mtime, len(data), 8, 1, 0, 0, len(name), check)
    whole = magic + head + name
    whole += b"\0" * (-len(whole) % 4) + data
    return whole + b"\0" * (-len(whole) % 4)


def trailer(form: str) -> bytes:
    return record(form, b"TRAILER!!!", 0)


def cpio(members: Iterable[Member], form: str = "newc") -> bytes:
    """An archive of exactly these members; of a hard link, as these formats have none, an empty name of its target."""
    numbers: dict[str, int] = {}
    listed = list(members)
    linked = [member.target for member in listed if member.type == tarfile.LNKTYPE]
    made = b""
    for member in listed:
        data = member.target.encode() if member.type == tarfile.SYMTYPE else member.data
        of = member.target if member.type == tarfile.LNKTYPE else member.name
        mode = KINDS.get(member.type, stat.S_IFREG) | member.mode
        ino = numbers.setdefault(of, len(numbers) + 1)
        nlink = 1 + linked.count(of)
        name = member.name.encode(errors="surrogateescape")
        made += record(form, name, mode, data, ino=ino, nlink=nlink, mtime=member.mtime)
    return made + trailer(form)
