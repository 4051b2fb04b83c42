"""Reads zip archives as unzip does: names in the encoding of the system that packed them, times in UTC where known."""

from __future__ import annotations

import calendar
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, cast

from xsrc.sources.admission import PATH_MAX, ArchiveMember, Policy

MAGICS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08PK\x03\x04", b"PK00PK\x03\x04")
"""How a zip begins: with a member, with none, and two marks of archives that were to be split."""

_DIRECTORY = 32 << 20
"""Bytes that may list the members of a zip archive; they are held in memory, and ten times as much for them."""
_UNIX = (3, 19)
"""The systems that write names as bytes with slashes: Unix and macOS. The others inherit code page 437 from DOS."""
_UTF_8, _ENCRYPTED = 0x800, 0x1
_UNICODE_PATH, _TIMES, _OLD_TIMES = 0x7075, 0x5455, (0x5855, 0x000D)


class _Directory:
    """A zip archive's file; zipfile reads the list of all members at once, which may not be too long for that."""

    def __init__(self, file: IO[bytes], policy: Policy) -> None:
        self.file, self.policy = file, policy
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(min(size, _DIRECTORY + 1) if size >= 0 else _DIRECTORY + 1)
        if len(data) > _DIRECTORY:
            raise self.policy.beyond(f"the list of its members has more than {_DIRECTORY >> 20} MiB")
        return data


def members(raw: IO[bytes], policy: Policy) -> Iterator[ArchiveMember]:
    """The members of a zip in the order of its list. Raises ArchiveError, and the errors of zipfile."""
    with zipfile.ZipFile(cast("IO[bytes]", _Directory(raw, policy))) as archive:
        for info in archive.infolist():
            name = _name(info)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # read in blocks of any size
                raise policy.refuse(name, f"is compressed by method {info.compress_type}, which is not read")
            if info.flag_bits & _ENCRYPTED:
                raise policy.refuse(name, "is encrypted")
            _believe_the_list(raw, info)
            member = tarfile.TarInfo(name)
            mode = info.external_attr >> 16
            member.mode = mode & 0o777 or 0o644
            member.mtime = _time(info)
            if name.endswith("/"):
                member.type = tarfile.DIRTYPE
                yield member, None
            elif mode & 0o170000 == 0o120000:
                member.type = tarfile.SYMTYPE
                if info.file_size >= PATH_MAX:
                    raise policy.refuse(name, f"is a link to {info.file_size} bytes")
                member.linkname = archive.read(info).decode(errors="surrogateescape")
                yield member, None
            else:
                member.size = info.file_size
                with archive.open(info) as data:
                    yield member, data


def _name(info: zipfile.ZipInfo) -> str:
    """The name of a member. Bytes of no known encoding stay as they are, and all of the name counts, NULs too."""
    utf_8 = bool(info.flag_bits & _UTF_8)
    name, raw = info.orig_filename, info.orig_filename.encode("utf-8" if utf_8 else "cp437")
    unicode = _extra(info, _UNICODE_PATH)
    if utf_8:
        pass
    elif unicode[:1] == b"\1" and unicode[1:5] == zlib.crc32(raw).to_bytes(4, "little"):
        name = unicode[5:].decode(errors="surrogateescape")
    elif info.create_system in _UNIX:
        name = raw.decode(errors="surrogateescape")
    return name if info.create_system in _UNIX or "/" in name else name.replace("\\", "/")


def _believe_the_list(raw: IO[bytes], info: zipfile.ZipInfo) -> None:
    """Let zipfile read a member whose own header spells its name in another way than the list of all members."""
    raw.seek(info.header_offset)
    head = raw.read(30)
    name = raw.read(int.from_bytes(head[26:28], "little"))
    info.orig_filename = name.decode("utf-8" if int.from_bytes(head[6:8], "little") & _UTF_8 else "cp437")


def _time(info: zipfile.ZipInfo) -> int:
    """Seconds since the epoch of a member; its local time taken for UTC if it has no other; 0 if it is no time."""
    times = _extra(info, _TIMES)
    if times[:1] and times[0] & 1 and len(times) >= 5:
        return int.from_bytes(times[1:5], "little", signed=True)
    for kind in _OLD_TIMES:
        if len(old := _extra(info, kind)) >= 8:
            return int.from_bytes(old[4:8], "little", signed=True)
    try:
        return calendar.timegm((*info.date_time, 0, 0, 0))
    except ValueError:
        return 0


def _extra(info: zipfile.ZipInfo, kind: int) -> bytes:
    """The body of the first extra field of a kind, b"" for none."""
    at = 0
    while at + 4 <= len(info.extra):
        found, size = (int.from_bytes(info.extra[at + n : at + n + 2], "little") for n in (0, 2))
        if found == kind:
            return info.extra[at + 4 : at + 4 + size]
        at += 4 + size
    return b""
