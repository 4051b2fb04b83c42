"""Copies distfiles into a mirror, and from a mirror that is a folder of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from xsrc.core.errors import HostError
from xsrc.sources.disk.parts import DownloadedPart, remove
from xsrc.sources.disk.web import Bounds, Unanswered
from xsrc.sources.distfile import Distfile
from xsrc.sources.mirror import FOLDER

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def copy_from(url: str, part: DownloadedPart, bounds: Bounds) -> None:
    """Fill a part with a file of this machine. Raises Unanswered if there is none."""
    part.restart()
    path = unquote(urlsplit(url).path)
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise Unanswered("it is no plain file")
        with os.fdopen(os.open(path, _READ), "rb") as file:
            bounds.check(os.fstat(file.fileno()).st_size)
            shutil.copyfileobj(file, part.file)
    except (OSError, ValueError) as error:
        absent = isinstance(error, FileNotFoundError)
        raise Unanswered(getattr(error, "strerror", None) or "it is no path", absent=absent) from error


class Mirror:
    """The open folder of a mirror, which one command at a time adds to."""

    def __init__(self, path: Path, folder: int) -> None:
        self.path, self.folder = path, folder

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator[Mirror]:
        """Open a mirror, and make it if it is missing; wait for another command. Raises HostError if it cannot."""
        top = path / FOLDER
        try:
            top.mkdir(parents=True, exist_ok=True)
            folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _odd(top, error) from error
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield cls(top, folder)
        finally:
            os.close(folder)

    def has(self, distfile: Distfile) -> bool:
        """Whether the mirror has a distfile."""
        try:
            return stat.S_ISREG(os.stat(distfile.sha256, dir_fd=self.folder, follow_symlinks=False).st_mode)
        except OSError:
            return False

    def add(self, distfile: Distfile, file: IO[bytes]) -> None:
        """Copy a verified distfile; nobody ever sees half of it. Raises HostError if the folder cannot be written."""
        name = f".{distfile.sha256}.new"
        remove(name, self.folder)  # of a command that was killed
        try:
            with os.fdopen(os.open(name, _NEW, 0o644, dir_fd=self.folder), "wb") as out:
                shutil.copyfileobj(file, out)
                out.flush()
                os.fsync(out.fileno())
            os.rename(name, distfile.sha256, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        except OSError as error:
            remove(name, self.folder)
            raise _odd(self.path, error) from error


def _odd(path: Path, error: OSError) -> HostError:
    return HostError(f"{path}: {error.strerror}", hint="choose a folder of your own with room: --mirror DIR")
