"""Reads an archive, refuses what is hostile in it, and gives what is left as one plain tar stream.

The stream is unpacked by `tar` inside the build root, where only the work directory can be written: no name, link or
trick of an archive reaches the host, and every refusal has a message of its own. Nothing is written here.
"""

from __future__ import annotations

import bz2
import calendar
import contextlib
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

import zstandard

from xsrc.errors import ArchiveError

MAX_BYTES = 64 << 30
"""Unpacked bytes of one archive."""
MAX_MEMBERS = 4_000_000

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
)


class _Policy:
    """What of an archive may pass, and under which name."""

    def __init__(self, archive: str, dest: str, strip: int) -> None:
        self.archive, self.dest, self.strip = archive, PurePosixPath(dest), strip
        self.links: set[str] = set()
        self.names: set[str] = set()
        self.count = self.bytes = self.newest = 0

    def refuse(self, name: str, why: str) -> ArchiveError:
        return ArchiveError(
            f"{self.archive}: refused: member {name!r} {why}",
            hint="nothing of it was used; look at the archive before you trust it",
        )

    def stripped(self, name: str) -> str | None:
        """The member's path in the work directory, or None where strip leaves nothing of it."""
        if name.startswith("/"):
            raise self.refuse(name, "has an absolute name")
        if "\0" in name:
            raise self.refuse(name, "has a name with a NUL")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self.refuse(name, "has .. in its name")
        parts = parts[self.strip :]
        return str(self.dest.joinpath(*parts)) if parts else None

    def admit(self, member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        """The member as it may be unpacked, or None where strip leaves nothing of it."""
        self.count += 1
        self.bytes += member.size
        if self.count > MAX_MEMBERS or self.bytes > MAX_BYTES:
            raise self.refuse(member.name, f"exceeds {MAX_MEMBERS} members or {MAX_BYTES >> 30} GiB")
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            what = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a FIFO"}
            raise self.refuse(member.name, f"is {what.get(member.type, 'of an unknown type')}")
        path = self.stripped(member.name)
        if path is None:
            return None
        through = next((str(up) for up in PurePosixPath(path).parents if str(up) in self.links), None)
        if through:
            raise self.refuse(member.name, f"goes through the link {through!r}")
        clean = tarfile.TarInfo(path)
        clean.type = tarfile.REGTYPE if member.isreg() else member.type
        clean.mode = 0o755 if member.isdir() or member.mode & 0o111 else 0o644
        clean.mtime = max(0, int(member.mtime))
        clean.size = member.size if member.isreg() else 0
        self.links.discard(path)
        if member.issym():
            clean.linkname = member.linkname
            self.links.add(path)
        elif member.islnk():
            target = self.stripped(member.linkname)
            if target is None or target not in self.names:
                raise self.refuse(member.name, f"is a hard link to {member.linkname!r}, which is no earlier member")
            clean.linkname = target
        if member.isreg() or member.islnk():
            self.names.add(path)
            self.newest = max(self.newest, clean.mtime)
        return clean


def repack(archive: Path, out: IO[bytes], dest: str = "", strip: int = 1) -> int:
    """Write what may pass of an archive to `out` as a plain tar, each name without its first `strip` parts.

    Gives the newest modification time of its files, in seconds since the epoch.
    Raises ArchiveError for a damaged archive, an unknown format, and for a member that is absolute, has `..`, is a
    device or FIFO, or lies beyond a link.
    """
    policy = _Policy(archive.name, dest, strip)
    with tarfile.open(
        fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        try:
            for member, data in _members(archive):
                clean = policy.admit(member)
                if clean is not None:
                    tar.addfile(clean, data if clean.isreg() else None)
        except BrokenPipeError:
            raise
        except _DAMAGE as error:
            raise ArchiveError(f"{archive.name}: damaged or cut short: {error}") from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise ArchiveError(f"{archive.name}: damaged or cut short: {error}") from error
    if not policy.names:
        raise ArchiveError(
            f"{archive.name}: no file is left after strip = {strip}",
            hint="set strip = 0 in its [[distfiles]], or create_wrksrc = true",
        )
    return policy.newest


def file_entry(path: Path, out: IO[bytes], name: str) -> int:
    """Write one file as it is to `out` as a plain tar; gives its modification time, which is 0."""
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar, path.open("rb") as file:
        member = tarfile.TarInfo(name)
        member.mode, member.size = 0o644, path.stat().st_size
        tar.addfile(member, file)
    return 0


def _members(archive: Path) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    with archive.open("rb") as raw:
        kind = next((name for magic, name in _MAGIC if raw.peek(6).startswith(magic)), "tar")
        if kind == "zip":
            yield from _zip_members(raw)
            return
        with contextlib.closing(_plain(raw, kind)) as plain:
            try:
                tar = tarfile.open(fileobj=plain, mode="r|", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
            except tarfile.ReadError as error:
                raise ArchiveError(f"{archive.name}: neither a tar nor a zip archive, or damaged: {error}") from error
            with tar:
                for member in tar:
                    yield member, tar.extractfile(member) if member.isreg() else None
            # the checksum of a compressed stream stands at its end
            while plain.read(1 << 20):
                pass


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


def _zip_members(raw: IO[bytes]) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            member = tarfile.TarInfo(info.filename)
            mode = info.external_attr >> 16
            member.mode = mode & 0o777 or 0o644
            member.mtime = _dos_time(info)
            if info.is_dir():
                member.type = tarfile.DIRTYPE
                yield member, None
            elif mode & 0o170000 == 0o120000:
                member.type = tarfile.SYMTYPE
                member.linkname = archive.read(info).decode(errors="surrogateescape")
                yield member, None
            else:
                member.size = info.file_size
                with archive.open(info) as data:
                    yield member, data


def _dos_time(info: zipfile.ZipInfo) -> int:
    """Seconds since the epoch of a zip member, its local time taken for UTC."""
    return max(0, calendar.timegm((*info.date_time, 0, 0, 0)))
