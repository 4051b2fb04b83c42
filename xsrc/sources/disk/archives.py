"""Reads an archive, refuses hostile members, and writes the rest as one plain tar stream.

The stream is unpacked by `tar` inside the build root, where only the work directory can be written: no name, link or
trick of an archive reaches the host, and every refusal has a message of its own. Nothing is written here.
"""

from __future__ import annotations

import bz2
import calendar
import contextlib
import errno
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any, Self, cast

import zstandard

from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits
from xsrc.sources.admission import PATH_MAX, Policy
from xsrc.sources.disk import ar
from xsrc.sources.disk.distdir import OpenFile

ArchiveMember = tuple[tarfile.TarInfo, IO[bytes] | None]
"""A member of an archive; of a file, with its content."""

_CHUNK = 1 << 16
_HEADERS = 1 << 20
"""Bytes that may describe one member of a tar archive; they are held in memory."""
_ENDS = 1000
"""How often the end may be read: tarfile would read on for years if a header promised more."""
_DIRECTORY = 32 << 20
"""Bytes that may list the members of a zip archive; they are held in memory, and ten times as much for them."""
_SHOWN = 20
"""Names that are shown where an archive has no member of the one that is wanted."""
_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x5d\x00\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    gzip.BadGzipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,  # both: what the readers of the library make of numbers that are none
    LookupError,
)


@contextlib.contextmanager
def read_whole(archive: OpenFile) -> Iterator[None]:
    """Convert the errors that a damaged archive causes inside the block: raises ArchiveError instead."""
    try:
        yield
    except BrokenPipeError:
        raise
    except _DAMAGE as error:
        raise ArchiveError(f"{archive.name}: damaged or cut short: {error}") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # for a zip that claims to have data before its beginning
            raise
        raise ArchiveError(f"{archive.name}: damaged or cut short: {error}") from error


def admitted(archive: OpenFile, policy: Policy, part: str = "data.tar", inner: str = "") -> Iterator[ArchiveMember]:
    """What may pass of an archive, each member with its data if it is a file; `part` is what is read of a .deb.

    Reading begins at the current position of the open file, so the bytes are those that were verified.

    With `inner`, read the archive inside this archive that has this name.

    Raises ArchiveError for members that `policy` refuses, and the errors of the readers, which `read_whole` converts.
    """
    for member, data in _members(archive, policy, part, inner):
        clean = policy.admit(member)
        if clean is not None:
            yield clean, data if clean.isreg() else None


def repack(archive: OpenFile, out: IO[bytes], limits: Limits, dest: str = "", strip: int = 1, inner: str = "") -> int:
    """Write the members of an archive that may pass to `out` as a plain tar, without the first `strip` parts of names.

    With `inner`, write those of the archive of this name inside it. busybox too can read the long names.
    Return the newest modification time of its files, in seconds since the epoch.
    Raises ArchiveError for a damaged archive, an unknown format, and for a member that is absolute, has `..`, is a
    device or FIFO, or lies beyond a link, or when it unpacks to more than `limits` say.
    """
    policy = Policy(archive.name, dest, strip, limits)
    with (
        tarfile.open(
            fileobj=out, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
        ) as tar,
        read_whole(archive),
    ):
        for member, data in admitted(archive, policy, inner=inner):
            tar.addfile(member, data)
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
    if not policy.names:
        raise ArchiveError(
            f"{archive.name}: no file is left after strip = {strip}",
            hint="set strip = 0 in its [[distfiles]], or create_wrksrc = true",
        )
    return policy.newest


def file_entry(file: IO[bytes], out: IO[bytes], name: str) -> int:
    """Write one open file as it is to `out` as a plain tar; return its modification time, which is 0."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.mode, member.size = 0o644, os.fstat(file.fileno()).st_size
        tar.addfile(member, file)
    return 0


class _Counted(io.RawIOBase):
    """An unpacked stream that ends with an error where the limit is reached, whatever it is made of."""

    def __init__(self, plain: IO[bytes], policy: Policy) -> None:
        self.plain, self.policy, self.count, self.ends = plain, policy, 0, 0
        self.headers: int | None = None
        """How much more may be read before the next member is known; None while its data are read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.plain.read(len(buffer))
        buffer[: len(data)] = data
        self.count += len(data)
        self.ends += not data
        if self.ends > _ENDS:
            raise EOFError("a member that ends far beyond the archive")
        self.policy.check_size(self.count)
        if self.headers is not None:
            self.headers -= len(data)
            if self.headers < 0:
                raise tarfile.ReadError(f"a member with a description of more than {_HEADERS >> 10} KiB")
        return len(data)

    def close(self) -> None:
        self.plain.close()
        super().close()


class _TarInfo(tarfile.TarInfo):
    """A member of a tar archive; a header that is none is an error, not the end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error


def _members(archive: OpenFile, policy: Policy, part: str, inner: str) -> Iterator[ArchiveMember]:
    file = archive.file
    raw = ar.member(file, part) if file.peek(8).startswith(ar.MAGIC) else file
    if not inner:
        yield from _read(archive, raw, policy)
        return
    names: list[str] = []
    for count, (member, data) in enumerate(_read(archive, raw, policy), 1):
        policy.check_count(count)
        if len(names) < _SHOWN:
            names.append(member.name)
        if data is not None and f"/{member.name}".endswith(f"/{inner}"):
            plain = io.BufferedReader(cast("io.RawIOBase", data))
            if plain.peek(2).startswith(b"PK"):
                hint = "unpack it in post_extract, with what unpacks it in hostmakedepends"
                raise ArchiveError(f"{archive.name}: {inner} is a zip in an archive, which is not read", hint=hint)
            yield from _read(archive, plain, policy)
            return
    raise ArchiveError(f"{archive.name}: no archive {inner!r} in it", hint=f"there is {', '.join(names)}")


def _read(archive: OpenFile, raw: Any, policy: Policy) -> Iterator[ArchiveMember]:
    """The members of what is read from `raw`, which `peek`s."""
    kind = next((name for magic, name in _MAGIC if raw.peek(6).startswith(magic)), "tar")
    if kind == "zip":
        yield from _zip_members(raw, policy)
        return
    counted = _Counted(_plain(raw, kind), policy)
    with io.BufferedReader(counted, _CHUNK) as plain:
        yield from _tar_members(archive, plain, counted)
        # the checksum of a compressed stream is at its end
        while plain.read(_CHUNK):
            pass


def _tar_members(archive: OpenFile, plain: IO[bytes], counted: _Counted) -> Iterator[ArchiveMember]:
    counted.headers = _HEADERS
    try:
        tar = tarfile.open(  # noqa: SIM115
            fileobj=plain, mode="r|", encoding="utf-8", errors="surrogateescape", tarinfo=_TarInfo
        )
    except tarfile.ReadError as error:
        raise ArchiveError(f"{archive.name}: neither a tar nor a zip archive, or damaged: {error}") from error
    with tar:
        while (member := tar.next()) is not None:
            counted.headers = None
            data = tar.extractfile(member) if member.isreg() else None
            yield member, data
            while data and data.read(_CHUNK):
                pass
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
            counted.headers = _HEADERS
    counted.headers = None


def _plain(raw: IO[bytes], kind: str) -> IO[bytes]:
    match kind:
        case "gzip":
            return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
        case "bzip2":
            return cast("IO[bytes]", bz2.BZ2File(raw))
        case "xz":
            return cast("IO[bytes]", lzma.LZMAFile(raw))
        case "zstd":
            return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
    return raw


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


def _zip_members(raw: IO[bytes], policy: Policy) -> Iterator[ArchiveMember]:
    with zipfile.ZipFile(cast("IO[bytes]", _Directory(raw, policy))) as archive:
        for info in archive.infolist():
            member = tarfile.TarInfo(info.filename)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # read in blocks of any size
                raise policy.refuse(info.filename, f"is compressed by method {info.compress_type}, which is not read")
            mode = info.external_attr >> 16
            member.mode = mode & 0o777 or 0o644
            member.mtime = _dos_time(info)
            if info.is_dir():
                member.type = tarfile.DIRTYPE
                yield member, None
            elif mode & 0o170000 == 0o120000:
                member.type = tarfile.SYMTYPE
                if info.file_size >= PATH_MAX:
                    raise policy.refuse(info.filename, f"is a link to {info.file_size} bytes")
                member.linkname = archive.read(info).decode(errors="surrogateescape")
                yield member, None
            else:
                member.size = info.file_size
                with archive.open(info) as data:
                    yield member, data


def _dos_time(info: zipfile.ZipInfo) -> int:
    """Seconds since the epoch of a zip member, its local time taken for UTC; 0 where it is no time at all."""
    try:
        return max(0, calendar.timegm((*info.date_time, 0, 0, 0)))
    except ValueError:
        return 0
