"""Reads an archive, refuses hostile members, and writes the rest as one plain tar stream.

The stream is unpacked by `tar` inside the build root, where only the work directory can be written: no name, link or
trick of an archive reaches the host, and every refusal has a message of its own. Nothing is written here.
"""

from __future__ import annotations

import contextlib
import errno
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from typing import IO, Any, Self, cast

import zstandard

from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits
from xsrc.sources.admission import ArchiveMember, Policy
from xsrc.sources.disk import ar, zips
from xsrc.sources.disk.distdir import OpenFile
from xsrc.sources.disk.streams import FORMATS, Format, Unpacked

_CHUNK = 1 << 16
_HEADERS = 1 << 20
"""Bytes that may describe one member of a tar archive; they are held in memory."""
_ENDS = 1000
"""How often the end may be read: tarfile would read on for years if a header promised more."""
_DUMPED_FOLDER = b"D"
"""GNU tar's type of a folder in an incremental backup; its data list what was in it."""
_SHOWN = 20
"""Names that are shown where an archive has no member of the one that is wanted."""
_OTHERS = (
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x"),
    (b"Rar!\x1a\x07", "rar", "unrar x"),
    (b"\x1f\x9d", "compress", "gzip -dc"),
    (b"\x89LZO\x00", "lzop", "lzop -dc"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -dc"),
    (b"LRZI", "lrzip", "lrunzip"),
    (b"\xed\xab\xee\xdb", "rpm", "rpm2cpio"),
    (b"07070", "cpio", "cpio -id <"),
    (b"\xc7\x71", "cpio", "cpio -id <"),
    (b"MSCF", "cabinet", "cabextract"),
    (b"xar!", "xar", "xar -xf"),
)
"""Formats that are not read: how they begin, their names, and what unpacks them."""
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    EOFError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
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
    for link in policy.late():
        yield link, None


def repack(
    archive: OpenFile,
    out: IO[bytes],
    limits: Limits,
    dest: str = "",
    strip: int = 1,
    inner: str = "",
    say: Callable[[str], object] = lambda text: None,
) -> int:
    """Write the members of an archive that may pass to `out` as a plain tar, without the first `strip` parts of names.

    With `inner`, write those of the archive of this name inside it. busybox too can read the long names. `say` gets a
    line about bytes that are no part of the archive.
    Return the newest modification time of its files, in seconds since the epoch.
    Raises ArchiveError for a damaged archive, an unknown format, and for a member that is absolute, has `..`, is a
    device or FIFO, or lies beyond a link, or when it unpacks to more than `limits` say, or if `strip` would leave out
    files or lay some over others.
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
    for note in policy.notes:
        say(f"{archive.name}: {note}")
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


class _NoTarError(Exception):
    """What was read does not begin as a tar."""


class _TarInfo(tarfile.TarInfo):
    """A member of a tar archive; a header that is none is an error, not the end.

    tarfile gives a sparse file the name of its placeholder where an extended header has both names. It also takes the
    times that GNU tar puts into incremental archives for the beginning of a name.
    """

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)
        if buf[257:263] != b"ustar\0":
            member.name = bytes(buf[:100]).partition(b"\0")[0].decode(encoding, errors)
        return member

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            member = super().fromtarfile(tar)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error
        member.name = member.pax_headers.get("GNU.sparse.name", member.name)
        return member


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
    head = raw.peek(tarfile.BLOCKSIZE)[: tarfile.BLOCKSIZE]
    form = None if _is_header(head) else next((form for form in FORMATS if form.begins(head)), None)
    if form is None and head.startswith(zips.MAGICS):
        yield from zips.members(raw, policy)
        return
    whole = raw is archive.file  # which alone can be read twice
    single = _single(archive.name, form) if form and whole else ""
    start = raw.tell() if whole else 0
    try:
        with _plain(raw, form, policy) as (plain, counted):
            any_member = yield from _tar_members(plain, counted)
    except _NoTarError as error:
        if not single:
            raise _unknown(archive.name, head, error) from error
        any_member = False
    if form and single and not any_member:  # an image of a disk begins with zeros, like a tar of nothing
        raw.seek(start)
        yield from _single_file(single, raw, form, policy)


@contextlib.contextmanager
def _plain(raw: IO[bytes], form: Format | None, policy: Policy) -> Iterator[tuple[IO[bytes], _Counted]]:
    """A file without its compression, read to its end after the block: the checksum of a stream is at its end."""
    unpacked = Unpacked(raw, form) if form else None
    counted = _Counted(cast("IO[bytes]", unpacked or raw), policy)
    with io.BufferedReader(counted, _CHUNK) as plain:
        yield plain, counted
        while plain.read(_CHUNK):
            pass
    if form and unpacked and unpacked.more:
        policy.notes[f"the bytes after the end of its {form.name} stream are left out"] = None


def _is_header(block: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _single(name: str, form: Format) -> str:
    """The name of the file that a compressed one holds, by its own name; "" if that says something else."""
    stem = name[: -len(form.suffix)]
    return stem if name.lower().endswith(form.suffix) and not stem.lower().endswith(".tar") else ""


def _single_file(name: str, raw: IO[bytes], form: Format, policy: Policy) -> Iterator[ArchiveMember]:
    """The only file that a compressed one holds; read twice, because its size has to be known first."""
    start = raw.tell()
    member = tarfile.TarInfo(name)
    with _plain(raw, form, policy) as (plain, _):
        while data := plain.read(_CHUNK):
            member.size += len(data)
    raw.seek(start)
    policy.strip = 0  # it has no folder
    with _plain(raw, form, policy) as (plain, _):
        yield member, plain


def _unknown(name: str, head: bytes, error: Exception) -> ArchiveError:
    """The error for a file that is no archive, or one of a format that is not read."""
    for magic, form, words in _OTHERS:
        if head.startswith(magic):
            program = words.partition(" ")[0]
            return ArchiveError(
                f"{name}: a file of the format {form}, which xsrc does not read",
                hint=f"set extract = false, add what has {program} to hostmakedepends, and let post_extract unpack it: "
                f"{words} {name}",
            )
    return ArchiveError(
        f"{name}: neither a tar nor a zip archive, or damaged: {error}",
        hint="look at it; to have it as it is among the sources, set extract = false in its [[distfiles]]",
    )


def _tar_members(plain: IO[bytes], counted: _Counted) -> Generator[ArchiveMember, None, bool]:
    """The members of a tar; returns whether there are any. Raises _NoTarError for what does not begin as one."""
    counted.headers = _HEADERS
    try:
        tar = tarfile.open(  # noqa: SIM115
            fileobj=plain, mode="r|", encoding="utf-8", errors="surrogateescape", tarinfo=_TarInfo
        )
    except tarfile.ReadError as error:
        raise _NoTarError(str(error)) from error
    found = False
    with tar:
        while (member := tar.next()) is not None:
            counted.headers = None
            data = tar.extractfile(member) if member.isreg() else None
            if member.type == _DUMPED_FOLDER:
                member.type = tarfile.DIRTYPE
            found = True
            yield member, data
            while data and data.read(_CHUNK):
                pass
            tar.members.clear()  # type: ignore[attr-defined]  # else it keeps them all
            counted.headers = _HEADERS
    counted.headers = None
    return found
