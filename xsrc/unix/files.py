"""Reaches files below a folder by descriptors, and reads and replaces single files; never follows a link.

Use it wherever somebody else may have put a link: what a build, a program of a package or a clone left on the disk.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_NAMES = ("", ".", "..")
_MOST = 64
"""Descriptors that one Below keeps open, however deep it is."""


class Below:
    """Descriptors of directories below a root: the root, the one in use and the nearest of its parents stay open."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stack: list[tuple[str, int]] = [("", os.open(root, _DIRECTORY))]

    def __enter__(self) -> Below:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        while self.stack:
            os.close(self.stack.pop()[1])

    def at(self, directory: str, *, make: bool = False) -> int:
        """Return the descriptor of a directory, reached name by name; "" is the root. `make` makes what is missing.

        Raises OSError where a link or a file is in the way, and for a name that is empty, `.` or `..`.
        """
        here, descriptor = self.stack[-1]
        if here == directory:
            return descriptor
        while here and not f"{directory}/".startswith(f"{here}/"):
            os.close(self.stack.pop()[1])
            here, descriptor = self.stack[-1]
        if here == directory:
            return descriptor
        for name in (directory[len(here) + 1 :] if here else directory).split("/"):
            if name in _NO_NAMES:
                raise _refusal(directory)
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o755, dir_fd=descriptor)
            descriptor = os.open(name, _DIRECTORY, dir_fd=descriptor)
            here = f"{here}/{name}" if here else name
            self.stack.append((here, descriptor))
            if len(self.stack) > _MOST:
                os.close(self.stack.pop(1)[1])
        return descriptor

    def place(self, path: str, *, make: bool = False) -> tuple[int, str]:
        """Return the descriptor of the directory that a path is in, and its last name. Raises OSError as `at` does."""
        directory, slash, name = path.rpartition("/")
        if name in _NO_NAMES or (slash and not directory):
            raise _refusal(path)
        return self.at(directory, make=make), name

    def open(self, path: str) -> IO[bytes]:
        """Open a regular file for reading. Raises OSError for anything else."""
        parent, name = self.place(path)
        return opened(name, parent)


def _refusal(path: str) -> OSError:
    return OSError(errno.EINVAL, "a path below a folder has no empty component, . or ..", path)


def opened(name: str | Path, parent: int | None = None) -> IO[bytes]:
    """Open a regular file for reading, by its path or by its name in an open directory.

    Raises OSError for anything else: ELOOP for a link, EISDIR for a folder, EINVAL for a device or FIFO.
    """
    descriptor = os.open(name, _READ, dir_fd=parent)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(number, "it is no regular file", str(name))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read(name: str | Path, limit: int, parent: int | None = None) -> bytes:
    """Return the content of a regular file of at most `limit` bytes. Raises OSError as `opened` does, or EFBIG."""
    with opened(name, parent) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes", str(name))
    return data


ENDING = 1 << 16
"""Bytes at the end of an output that are mostly enough for its last lines."""
_FARTHEST = 16 << 20
"""Bytes at the end of a log in which its last lines are looked for: progress may be long."""
_LAST = 30
_WIDEST = 500
"""Characters of a line that are shown."""


def ending(path: Path) -> bytes:
    """Return the end of a log, with all of its last lines if they are not too long. Raises OSError as `opened` does."""
    with opened(path) as file:
        size, window = os.fstat(file.fileno()).st_size, ENDING
        while True:
            file.seek(max(0, size - window))
            data = file.read(window)
            if window >= min(size, _FARTHEST) or data.count(b"\n") > _LAST:
                return data
            window *= 4


def last_lines(output: bytes) -> list[str]:
    r"""The last lines of an output, which are shown if it tells of a failure.

    Of a line that was drawn again and again, only its last state is shown, as on a terminal.

    >>> last_lines(b"error: x\r\n\r1 %\r2 %\r")
    ['error: x', '2 %']
    """
    lines = output.decode(errors="replace").split("\n")
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
    if not shown[-1]:
        shown.pop()
    return [line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…" for line in shown[-_LAST:]]


def create(name: str | Path, data: bytes, parent: int | None = None, mode: int = 0o644) -> None:
    """Write a new file. Raises FileExistsError where the name is taken, by a link too, and OSError."""
    with os.fdopen(os.open(name, _CREATE, mode, dir_fd=parent), "wb") as file:
        file.write(data)


def replace(path: Path, data: bytes) -> None:
    """Put a file in the place of whatever has its name, in one step. Raises OSError."""
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path, own: str = "new", *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Yield a new file that takes the place of `path` at the end of the block, or is gone after a failure.

    Links in its place, or in that of its temporary name, are replaced and not followed. Writers that may write the same
    file at the same time have each a word of their `own`. With `durable`, the whole file is on the disk before it
    has its name. Raises OSError.
    """
    parent = os.open(path.parent, _DIRECTORY)
    temporary = f".{path.name}.{own}"
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)
        with os.fdopen(os.open(temporary, _CREATE, 0o644, dir_fd=parent), "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.rename(temporary, path.name, src_dir_fd=parent, dst_dir_fd=parent)
        if durable:
            sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        if isinstance(error, OSError) and error.filename in (None, temporary):
            error.filename = str(path)
        raise
    finally:
        os.close(parent)


def sync_folder(folder: Path) -> None:
    """Write the names of a folder to the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Direct(io.BufferedWriter):
    """A file that has everything as soon as it is written: whatever ends this process, nothing is lost."""

    def write(self, buffer: ReadableBuffer, /) -> int:
        count = super().write(buffer)
        self.flush()
        return count


def begun(path: Path) -> IO[bytes]:
    """Open a new file in the place of an old one, which keeps its content under its other names.

    What is written is in the file at once. Raises OSError, ELOOP where a link is in the way.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.is_symlink():
            raise OSError(errno.ELOOP, "it is a link", str(path))
        path.unlink()
    return _Direct(io.FileIO(os.open(path, _CREATE, 0o644), "w"))
