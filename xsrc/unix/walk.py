"""Walks a tree that a build left: from one directory descriptor to the next, never by a link, never by a path.

However deep the tree is, one descriptor is open and nothing recurses. The way up is the directory's own `..`, and it
must be the directory that the walk came from. If something moves a directory, the walk ends; it never goes elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from xsrc.core.errors import BuildFailed

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LONGEST = 3000
"""Bytes of a path in a package: with the masterdir's in front it has to fit into PATH_MAX, or nobody can open it."""


@dataclass(frozen=True)
class Item:
    """One entry of a tree."""

    path: str
    name: str
    parent: int
    """Descriptor of the directory that it is in; open while the item is looked at."""
    status: os.stat_result


@contextlib.contextmanager
def held(name: str, parent: int) -> Iterator[tuple[str, os.stat_result]]:
    """The thing that has a name now: a path that means it whatever the name becomes (open(2)), and its status."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        yield f"/proc/self/fd/{descriptor}", os.fstat(descriptor)
    except OSError as error:
        error.filename = name
        raise
    finally:
        os.close(descriptor)


class Walk:
    """Where one is in a tree. An OSError that leaves its `with` names the full path that it happened at."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.names: list[str] = []
        self.here = os.open(top, _DIRECTORY)
        """Descriptor of the directory that one is in."""
        self.known = [os.fstat(self.here)]
        """Each directory from the top to here, as it was entered."""

    def __enter__(self) -> Walk:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        os.close(self.here)
        if isinstance(error, OSError):
            error.filename = self.path(error.filename if isinstance(error.filename, str) else "")

    def path(self, name: str = "") -> str:
        """The full path of a name here: for people, it is given to no system call."""
        return os.path.normpath(os.path.join(self.top, *self.names, name))  # noqa: PTH118 - may be beyond PATH_MAX

    def down(self, name: str, need: int = 0o500) -> None:
        """Enter a directory; it becomes 0700 if its owner lacks a right of `need`. Raises OSError."""
        with held(name, self.here) as (thing, status):
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
            if status.st_mode & need != need:
                os.chmod(thing, 0o700)
            below = os.open(f"{thing}/.", _DIRECTORY)
        os.close(self.here)
        self.here = below
        self.names.append(name)
        self.known.append(status)

    def up(self) -> None:
        """Go back to the directory above. Raises BuildFailed if this directory was moved meanwhile, and OSError."""
        above = os.open("..", _DIRECTORY, dir_fd=self.here)
        os.close(self.here)
        self.here = above
        self.known.pop()
        if not os.path.samestat(os.fstat(above), self.known[-1]):
            raise changed(self.path())
        self.names.pop()

    def items(self) -> Iterator[Item]:
        """Yield every entry in the order of names. A directory comes before its content, and after it again as `.`.

        Raises BuildFailed for a path that is too long and for a tree that changes meanwhile, and OSError.
        """
        todo = [("", sorted(os.listdir(self.here), reverse=True))]
        while True:
            prefix, names = todo[-1]
            if names:
                name = names.pop()
                path = prefix + name
                if len(os.fsencode(path)) > LONGEST:
                    raise BuildFailed(f"{self.top}/{path[:80]!a}…: a path of more than {LONGEST} bytes")
                status = os.stat(name, dir_fd=self.here, follow_symlinks=False)
                yield Item(path, name, self.here, status)
                if stat.S_ISDIR(status.st_mode):
                    self.down(name)
                    todo.append((path + "/", sorted(os.listdir(self.here), reverse=True)))
            else:
                todo.pop()
                if not todo:
                    return
                yield Item(prefix[:-1], ".", self.here, os.fstat(self.here))
                self.up()


def changed(path: str) -> BuildFailed:
    """The error for a tree that changed while xsrc looked at it."""
    return BuildFailed(f"{path!a}: it changed while it was looked at")
