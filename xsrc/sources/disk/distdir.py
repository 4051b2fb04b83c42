"""The folder of distfiles: xsrc reads only the bytes that it verified, whoever else may write to the folder.

A team may share the folder, so xsrc trusts nothing in it. It uses descriptors and follows no link. It copies a file
that another user could change to a private place before it verifies it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, NamedTuple, cast

from xsrc.core.errors import ChecksumError, HostError
from xsrc.core.settings import Limits
from xsrc.sources.disk.parts import OWN, DownloadedPart, Parts, new_file, opened_own, own, remove
from xsrc.sources.distfile import Distfile
from xsrc.sources.looks import HEAD, looks
from xsrc.unix.lock import holding

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_NOTE = 1 << 16
"""Bytes of a note that are read."""
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class OpenFile(NamedTuple):
    """An open file, and the name that messages call it by."""

    name: str
    file: io.BufferedReader


def path_of(distfile: Distfile, srcdistdir: Path) -> Path:
    """Where a verified distfile is kept: by checksum and name, so that two files of one name never meet."""
    return srcdistdir / distfile.sha256[:16] / distfile.name


def present(distfile: Distfile, srcdistdir: Path) -> bool:
    """Whether a distfile exists."""
    try:
        return stat.S_ISREG(os.lstat(path_of(distfile, srcdistdir)).st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def verified(distfile: Distfile, srcdistdir: Path, private: Path, limits: Limits) -> Iterator[OpenFile]:
    """A distfile, open at its beginning, that has the checksum of the template and keeps it.

    One that others could change is copied into `private` first, a folder of this user's own. Raises ChecksumError, and
    HostError for one that is missing or no plain file.
    """
    path = path_of(distfile, srcdistdir)
    with contextlib.ExitStack() as stack:
        try:
            top = stack.enter_context(_opened(srcdistdir))
            folder = stack.enter_context(_opened(Path(path.parent.name), top))
            file: IO[bytes] = stack.enter_context(_plain(path, folder, limits))
        except OSError as error:
            raise _odd(path, error) from error
        copy: IO[bytes] | None = None
        if _shared(os.fstat(file.fileno())):
            import tempfile  # few need it

            copy = stack.enter_context(tempfile.TemporaryFile(dir=private))
        got = sha256_of(file, copy)
        if got != distfile.sha256:
            raise _refused(distfile, path, folder, path.name, file, got, limits)
        file = file if copy is None else copy
        file.seek(0)
        yield OpenFile(distfile.name, cast("io.BufferedReader", file))


class Place:
    """The open folder of one distfile; xsrc makes it if it is missing."""

    def __init__(self, distfile: Distfile, path: Path, folder: int, limits: Limits) -> None:
        self.distfile, self.path, self.folder, self.limits = distfile, path, folder, limits
        self._parts = Parts(path.name, folder)

    @classmethod
    @contextlib.contextmanager
    def open(cls, distfile: Distfile, srcdistdir: Path, limits: Limits) -> Iterator[Place]:
        """Open the place of a distfile, and make it if it is missing. Raises HostError if it cannot."""
        path = path_of(distfile, srcdistdir)
        name = path.parent.name
        with contextlib.ExitStack() as stack:
            try:
                srcdistdir.mkdir(parents=True, exist_ok=True)
                top = stack.enter_context(_opened(srcdistdir))
                made = _made(name, top)
                folder = stack.enter_context(_opened(Path(name), top))
                if made:  # as open to others as the folder that it is in, whatever the umask
                    os.fchmod(folder, os.fstat(top).st_mode & 0o3777 | 0o700)
            except OSError as error:
                raise _odd(path, error) from error
            yield cls(distfile, path, folder, limits)

    def writable(self) -> bool:
        """Whether a file could be put here."""
        return os.access(".", os.W_OK, dir_fd=self.folder, effective_ids=True)

    def holds(self) -> bool:
        """Whether the distfile exists. Raises ChecksumError for another file, HostError for no plain file."""
        try:
            with _plain(self.path, self.folder, self.limits) as file:
                if (got := sha256_of(file)) != self.distfile.sha256:
                    raise self.refused(self.path.name, file, got)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _odd(self.path, error) from error
        return True

    def refused(self, name: str, file: IO[bytes], got: str) -> ChecksumError:
        """The error for a file with another checksum, which it keeps aside where a distfile of that checksum is."""
        return _refused(self.distfile, self.path, self.folder, name, file, got, self.limits)

    @contextlib.contextmanager
    def lock(self, say: Callable[[str], None]) -> Iterator[bool]:
        """Keep this user's other commands from fetching the same; yields whether one had to be waited for.

        Each user has a lock of its own, which nobody else can hold. Raises HostError if it cannot be made.
        """
        path = self.path.with_name(f".{os.geteuid()}.lock")
        try:
            descriptor = os.open(path.name, OWN | os.O_CREAT, 0o600, dir_fd=self.folder)
        except OSError as error:
            raise _odd(path, error) from error
        if not own(os.fstat(descriptor)):
            os.close(descriptor)
            raise HostError(f"{path}: want a plain file of your own, found another", hint=f"rm {path}")
        with holding(descriptor, f"fetching {self.distfile.name}", say) as waited:
            yield bool(waited)

    @contextlib.contextmanager
    def part(self, url: str) -> Iterator[DownloadedPart]:
        """The downloaded part of the distfile from one address; the next command continues with it.

        Raises HostError if the folder cannot be written, and OSError.
        """
        with contextlib.ExitStack() as stack:
            with self._named():
                part = stack.enter_context(self._parts.of(url))
            yield part

    def keep(self, part: DownloadedPart) -> None:
        """Give a verified part the name of the distfile. Whoever can read the folder can read it.

        Raises HostError if the folder cannot be written, and OSError.
        """
        with self._named():
            part.file.flush()
            os.fchmod(part.file.fileno(), self.mode())
            os.rename(part.name, self.path.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
            part.name = ""
            self._parts.clear()
        with contextlib.suppress(OSError, HostError):  # what another address sent is of no use any more
            _forget_aside(self.distfile, self.path, self.folder, self.limits)

    def set_aside(self, part: DownloadedPart, got: str) -> ChecksumError:
        """The error for a complete part with another checksum, which it keeps aside. Raises OSError."""
        os.fchmod(part.file.fileno(), self.mode())
        name, part.name = part.name, ""
        return self.refused(name, part.file, got)

    def mode(self) -> int:
        """The mode of a distfile here."""
        return 0o400 | os.fstat(self.folder).st_mode & 0o044

    @property
    def _note(self) -> str:
        return f".{self.path.name}.named"

    def note(self) -> str | None:
        """The addresses that the file was fetched from; None if there is no note."""
        try:
            descriptor = os.open(self._note, _READ, dir_fd=self.folder)
        except FileNotFoundError:
            return None
        except OSError:  # a link, or another user's
            return ""
        with os.fdopen(descriptor, "rb") as file:
            plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            return file.read(_NOTE).decode(errors="replace") if plain else ""

    def write_note(self, text: str) -> None:
        """Note the addresses that the file was fetched from. Raises HostError and OSError as `keep` does."""
        with self._named():
            name = f".{self.path.name}.{os.urandom(8).hex()}.note"
            with os.fdopen(new_file(name, self.folder), "wb") as file:
                file.write(text.encode()[:_NOTE])
                os.fchmod(file.fileno(), self.mode())
            os.rename(name, self._note, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Let an error of the disk name the distfile."""
        try:
            yield
        except OSError as error:
            if error.errno in _REFUSED:
                raise _odd(self.path, error) from error
            error.filename = str(self.path)
            raise


@contextlib.contextmanager
def _opened(path: Path, parent: int | None = None) -> Iterator[int]:
    """A folder; below another one its name is no link's."""
    flags = _DIRECTORY if parent is None else _DIRECTORY | os.O_NOFOLLOW
    descriptor = os.open(path, flags, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _made(name: str, parent: int) -> bool:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return False
    return True


def _shared(status: os.stat_result) -> bool:
    """Whether somebody else could change a file while it is read."""
    return status.st_uid not in (os.geteuid(), 0) or bool(status.st_mode & 0o022)


def _plain(path: Path, folder: int, limits: Limits) -> io.BufferedReader:
    """Open the file at `path`, which is in the open folder; raises HostError where it is no plain one, or too large."""
    descriptor = os.open(path.name, _READ, dir_fd=folder)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and not 0 < limits.distfile_mib << 20 < status.st_size:
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise HostError(f"{path}: want a plain file, found something else", hint=f"ls -l {path}")
    raise HostError(
        f"{path}: want at most {limits.distfile_mib} MiB (limits.distfile_mib), found {status.st_size >> 20}",
        hint=f"rm {path}, or raise the limit in ~/.config/xsrc/config.toml: [limits]",
    )


def sha256_of(file: IO[bytes], copy: IO[bytes] | None = None) -> str:
    """The checksum of a whole open file, which `copy` gets too."""
    digest = hashlib.sha256()
    file.seek(0)
    while data := file.read(_CHUNK):
        digest.update(data)
        if copy is not None:
            copy.write(data)
    return digest.hexdigest()


def head_of(file: IO[bytes]) -> bytes:
    """The beginning of an open file."""
    file.seek(0)
    return file.read(HEAD)


def _refused(
    distfile: Distfile, path: Path, folder: int, name: str, file: IO[bytes], got: str, limits: Limits
) -> ChecksumError:
    """The error for a file that is not the template's. It is kept aside, so that nobody has to fetch it again."""
    detail = [f"  it has {os.fstat(file.fileno()).st_size} bytes and looks like {looks(head_of(file))}"]
    hint = "fetch it again; if upstream changed it on purpose, look at the file and change the template"
    if kept := _aside(replace(distfile, sha256=got), path, folder, name, limits):
        detail.append(f"  it is kept as {kept}")
        hint = "look at that file; if upstream changed it on purpose, change the template, and xsrc takes it from there"
    return ChecksumError(
        f"{distfile.name}: its sha256 is {got}, the template says {distfile.sha256}", hint=hint, detail=detail
    )


def _aside(other: Distfile, path: Path, folder: int, name: str, limits: Limits) -> Path | None:
    """Move a file to where a distfile of its checksum is, in place of an earlier one; remove it if that fails."""
    srcdistdir = path.parent.parent
    with contextlib.suppress(OSError, HostError):
        _forget_aside(other, path, folder, limits)
        with Place.open(other, srcdistdir, limits) as place:
            os.rename(name, path.name, src_dir_fd=folder, dst_dir_fd=place.folder)
        with contextlib.suppress(OSError):
            remove(f".{path.name}.other", folder)
            with os.fdopen(new_file(f".{path.name}.other", folder), "wb") as file:
                file.write(other.sha256.encode())
        return path_of(other, srcdistdir)
    remove(name, folder)
    return None


def _forget_aside(distfile: Distfile, path: Path, folder: int, limits: Limits) -> None:
    """Remove the file that was kept aside in place of the one at `path`, unless a template has named it since.

    Raises OSError, HostError.
    """
    note = f".{path.name}.other"
    if (descriptor := opened_own(note, folder)) is None:
        return
    with os.fdopen(descriptor, "rb") as file:
        last = file.read(64).decode(errors="replace")
    remove(note, folder)
    if re.fullmatch("[0-9a-f]{64}", last) and last != distfile.sha256:
        with Place.open(replace(distfile, sha256=last), path.parent.parent, limits) as place:
            if place.note() is None:
                remove(place.path.name, place.folder)
                place.path.parent.rmdir()


def _odd(path: Path, error: OSError) -> HostError | OSError:
    """The error for a place of a distfile that cannot be used."""
    if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EEXIST, errno.ENXIO):
        return HostError(f"{path}: want a plain file in a folder, found a link or something else", hint=f"ls -l {path}")
    if isinstance(error, FileNotFoundError):
        return HostError(f"{path}: no such file", hint="xsrc fetch brings it")
    if error.errno in _REFUSED:
        top = path.parent.parent
        return HostError(
            f"{top}: {path.name} cannot be put or read there: {error.strerror}",
            hint="ask its owner for the file, or set srcdistdir in ~/.config/xsrc/config.toml to a folder of your own",
        )
    error.filename = str(path)
    return error
