"""Looks at what stands at paths of the root; never follows a link."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from xsrc.farm.place import LEFT_OUT, MERGED, FileType, Found
from xsrc.farm.ways import UNREAD
from xsrc.unix.files import Below

_DEAD = (errno.ENOTCONN, errno.ESTALE)
"""What a mount says whose server is gone."""


def survey(root: Path, paths: Iterable[str], hashed: frozenset[str]) -> dict[str, Found]:
    """The state of each of `paths` below the root; files of `hashed` have their sha256.

    For a file in which packages have lines, the text is the whole content. A directory on the way that cannot be
    searched has a state too, which says so. Raises OSError.
    """
    found: dict[str, Found] = {}
    missing: set[str] = set()
    mounted = mounts(root)
    with Below(root) as walker:
        for path in sorted(paths):
            if path.rpartition("/")[0] in missing:
                missing.add(path)
                continue
            try:
                parent, name = walker.place(path)
                status = os.stat(name, dir_fd=parent, follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                missing.add(path)
                continue
            except PermissionError as error:
                here = walker.stack[-1][0]
                if not here:
                    raise
                there = found.get(here, Found(FileType.DIR))
                found[here] = there._replace(text=f"{UNREAD}{error.strerror}")
                missing.add(path)
                continue
            except OSError as error:
                if error.errno not in _DEAD:
                    raise
                here = walker.stack[-1][0]  # the mount is at the next name
                dead = "/".join(path.split("/")[: len(here.split("/")) + 1 if here else 1])
                found[dead] = Found(FileType.OTHER, str(error.strerror), mount=True)
                missing |= {path} - {dead}
                continue
            found[path] = look(path, parent, status, hashed)
            if found[path].kind is FileType.DIR and (why := _closed(name, parent, status)):
                found[path] = found[path]._replace(text=why)
    for path in mounted & found.keys():
        found[path] = found[path]._replace(mount=True)
    return found


def mounts(root: Path) -> frozenset[str]:
    """The paths below a root at which something is mounted. Raises OSError."""
    top = os.path.realpath(root).rstrip("/") + "/"
    try:
        rows = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:  # without /proc, a change that meets one is undone
        return frozenset()
    points = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), row.split(" ")[4]) for row in rows)
    return frozenset(point[len(top) :] for point in points if point.startswith(top))


def _closed(name: str, parent: int, status: os.stat_result) -> str:
    """Why nothing can be made in a directory, or ""."""

    def may(mode: int) -> bool:
        return os.access(name, mode, dir_fd=parent, effective_ids=True, follow_symlinks=False)

    if may(os.W_OK | os.X_OK):
        return ""
    if not may(os.X_OK):
        return f"{UNREAD}{os.strerror(errno.EACCES)}"
    own = os.geteuid() in (0, status.st_uid) and (os.geteuid() == 0 or status.st_mode & 0o200)
    return f"cannot be written to: {os.strerror(errno.EROFS if own else errno.EACCES)}"


def _leads_to_directory(name: str, parent: int) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent).st_mode)
    except OSError:
        return False


def scan(root: Path, left_out: frozenset[str], hashed: frozenset[str], folder: str = "") -> dict[str, Found]:
    """The state of everything below a folder of the root, without the directories of `left_out`. Raises OSError."""
    found: dict[str, Found] = {}
    queue = [folder]
    with Below(root) as walker:
        while queue:
            directory = queue.pop()
            with contextlib.suppress(FileNotFoundError, PermissionError, NotADirectoryError):
                parent = walker.at(directory)
                here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
                try:
                    names = os.listdir(here)
                finally:
                    os.close(here)
                for name in sorted(names):
                    path = f"{directory}/{name}".lstrip("/")
                    if path in left_out:
                        continue
                    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
                    found[path] = look(path, parent, status, hashed)
                    if found[path].kind is FileType.DIR:
                        queue.append(path)
    return found


def look(path: str, parent: int, status: os.stat_result, hashed: frozenset[str]) -> Found:
    """The state of a path whose directory is open. Raises OSError."""
    name = path.rpartition("/")[2]
    inode, mode = (status.st_dev, status.st_ino), stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        folder = path.partition("/")[0] in LEFT_OUT and _leads_to_directory(name, parent)
        return Found(FileType.LINK, os.readlink(name, dir_fd=parent), inode, mode, folder)
    if stat.S_ISDIR(status.st_mode):
        return Found(FileType.DIR, "", inode, mode, foreign=_foreign(status))
    if not stat.S_ISREG(status.st_mode):
        return Found(FileType.OTHER, "", inode, mode)
    if path in MERGED:
        return Found(FileType.FILE, text_of(name, parent), inode, mode)
    return Found(FileType.FILE, _hash(name, parent) if path in hashed else "", inode, mode, foreign=_foreign(status))


def _foreign(status: os.stat_result) -> bool:
    """Whether this process could not make a file of that owner and group."""
    user = os.geteuid()
    return user != 0 and (user != status.st_uid or status.st_gid not in _groups(user))


@cache
def _groups(user: int) -> frozenset[int]:
    """The groups of this process while it is that user."""
    return frozenset((os.getegid(), *os.getgroups()))


def opened_file(name: str, parent: int) -> int:
    """The descriptor of a file to read, which is no link. Raises OSError."""
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)


def _hash(name: str, parent: int) -> str:
    try:
        descriptor = opened_file(name, parent)
    except PermissionError:
        return "unreadable"
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_of(name: str, parent: int) -> str:
    """The content of a file, byte for byte. Raises OSError."""
    with os.fdopen(opened_file(name, parent), encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()
