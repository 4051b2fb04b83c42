"""Carries out the plan of the farm: one directory descriptor at a time, replace by rename, never follow a link."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from xsrc.model.farm import Act, Class, Found, Op, Placed
from xsrc.model.layout import Masterdir

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = ".xsrc-new"


class _Walker:
    """Descriptors of directories below a root; the one in use and its parents stay open."""

    def __init__(self, root: Path) -> None:
        self.stack: list[tuple[str, int]] = [("", os.open(root, _DIRECTORY))]

    def at(self, directory: str) -> int:
        """The descriptor of a directory, reached name by name; raises OSError where a link or a file is in the way."""
        if self.stack[-1][0] == directory:
            return self.stack[-1][1]
        while self.stack[-1][0] and not f"{directory}/".startswith(self.stack[-1][0] + "/"):
            os.close(self.stack.pop()[1])
        here, descriptor = self.stack[-1]
        rest = directory[len(here) :].strip("/") if here else directory
        for name in rest.split("/") if rest else ():
            descriptor = os.open(name, _DIRECTORY, dir_fd=descriptor)
            here = f"{here}/{name}".lstrip("/")
            self.stack.append((here, descriptor))
        return descriptor

    def close(self) -> None:
        while self.stack:
            os.close(self.stack.pop()[1])


@contextlib.contextmanager
def _walking(root: Path) -> Iterator[_Walker]:
    walker = _Walker(root)
    try:
        yield walker
    finally:
        walker.close()


def survey(root: Path, paths: Iterable[str], hashed: frozenset[str]) -> dict[str, Found]:
    """What stands at each of `paths` below the root; files of `hashed` are read for their sha256."""
    found: dict[str, Found] = {}
    missing: set[str] = set()
    with _walking(root) as walker:
        for path in sorted(paths):
            directory, _, name = path.rpartition("/")
            if directory in missing:
                missing.add(path)
                continue
            try:
                parent = walker.at(directory)
                status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                missing.add(path)
                continue
            found[path] = _found(name, parent, status, path in hashed)
    return found


def _found(name: str, parent: int, status: os.stat_result, hashed: bool) -> Found:
    inode = (status.st_dev, status.st_ino)
    if stat.S_ISLNK(status.st_mode):
        return Found("link", os.readlink(name, dir_fd=parent), inode)
    if stat.S_ISDIR(status.st_mode):
        return Found("dir", "", inode)
    if not stat.S_ISREG(status.st_mode):
        return Found("other", "", inode)
    return Found("file", _hash(name, parent) if hashed else "", inode)


def _hash(name: str, parent: int) -> str:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except PermissionError:
        return "unreadable"
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def apply(masterdir: Masterdir, ops: Iterable[Op], tried: list[Op]) -> None:
    """Carry out operations in their order, each noted in `tried` before it is begun.

    Doing them again from the first is harmless. Raises OSError.
    """
    with _walking(masterdir.root) as walker:
        for op in ops:
            tried.append(op)
            _apply(masterdir, walker, op)


def _apply(masterdir: Masterdir, walker: _Walker, op: Op) -> None:
    directory, _, name = op.placed.path.rpartition("/")
    try:
        parent = walker.at(directory)
    except FileNotFoundError:
        if op.act in (Act.REMOVE, Act.RMDIR):
            return
        raise
    match op.act:
        case Act.MKDIR:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=parent)
                if op.placed.mode != 0o755:
                    _set_mode(name, parent, op.placed.mode | 0o700)  # the farm has to get in
        case Act.PUT:
            _put(masterdir, op.placed, name, parent)
        case Act.KEEP:
            _put(masterdir, op.placed, name + ".new", parent)
        case Act.REMOVE:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
        case Act.RMDIR:
            # what a user put into a directory keeps it
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=parent)


def _set_mode(name: str, parent: int, mode: int) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _put(masterdir: Masterdir, placed: Placed, name: str, parent: int) -> None:
    if placed.how in (Class.LINK, Class.SHIPPED):
        # where nothing stands, making the link is one step already
        with contextlib.suppress(FileExistsError):
            os.symlink(placed.text, name, dir_fd=parent)
            return
    # a name of 255 bytes leaves no room for more
    temporary = _TEMPORARY + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=parent)
    match placed.how:
        case Class.LINK | Class.SHIPPED:
            os.symlink(placed.text, temporary, dir_fd=parent)
        case Class.HARD:
            source = masterdir.destdir(placed.owner) / placed.path
            os.link(source, temporary, dst_dir_fd=parent, follow_symlinks=False)
        case _:
            source = masterdir.destdir(placed.owner) / placed.path
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            mode = placed.mode & 0o777 | 0o200
            with (
                open(source, "rb") as old,  # noqa: PTH123
                os.fdopen(os.open(temporary, flags, mode, dir_fd=parent), "wb") as new,
            ):
                shutil.copyfileobj(old, new, 1 << 20)
                os.fchmod(new.fileno(), mode)
    os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
