"""The conditions of a second build: another file system, another order of directory entries, another caller."""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from xsrc.build.disk.workers import memory_free
from xsrc.unix.trees import remove_tree

SUFFIX = "_second"
"""The ending of the name of a second build's folder below pkg-builddir/; no version contains `_`."""
WORK = "work"
"""The name of its work directory in the place that `make_place` returns."""
_ELSEWHERE = "elsewhere"
_PREFIX = "xsrc-second-"
_OTHERS = (Path("/dev/shm"), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - below it a folder of its own is made, 0700
_MINUTE = 60
_LITTLE, _FEW = 64 << 20, 1000


def places(folder: Path) -> list[Path]:
    """All folders of a second build: its work directory on another file system, then its folder."""
    link = folder / _ELSEWHERE
    with contextlib.suppress(OSError):
        target = link.readlink()
        if target.parent in _others() and target.name.startswith(_PREFIX) and target.lstat().st_uid == os.getuid():
            return [target, folder]
    return [folder]


def make_place(folder: Path, need: int) -> Path:
    """Make `folder` anew; return a place for its work directory on another file system with `need` bytes free.

    If there is none, return `folder` itself. Remove earlier folders first. Raises OSError.
    """
    for place in places(folder):
        remove_tree(place)
    folder.mkdir(mode=0o700)
    for other in _others():
        if _fits(other, folder, need):
            target = other / f"{_PREFIX}{secrets.token_hex(8)}"
            (folder / _ELSEWHERE).symlink_to(target)  # first: whoever finds the folder finds its link too
            target.mkdir(mode=0o700)
            return _passing_on(target)
    return _passing_on(folder)


_ACL = struct.pack("<I" + 3 * "HHI", 2, *(1, 7, 2**32 - 1), *(4, 7, 2**32 - 1), *(32, 5, 2**32 - 1))
"""u::rwx g::rwx o::r-x as the kernel has it (linux/posix_acl_xattr.h): in place of a umask."""


def _passing_on(place: Path) -> Path:
    """Let a folder pass set-group-id, and an ACL if its file system has them, on to what is made in it."""
    place.chmod(0o2700)
    with contextlib.suppress(OSError):
        os.setxattr(place, "system.posix_acl_default", _ACL)
    return place


def _others() -> list[Path]:
    """Folders that may be on another file system, without links, as the helpers require."""
    return [path.resolve() for path in _OTHERS]


def _fits(other: Path, folder: Path, need: int) -> bool:
    """Whether programs can run there, on another device than `folder`, with `need` bytes free."""
    try:
        status, room = other.stat(), os.statvfs(other)
    except OSError:
        return False
    # what is written to a tmpfs takes memory, whatever its size says
    memory = memory_free()
    return (
        status.st_dev != folder.stat().st_dev
        and os.access(other, os.W_OK | os.X_OK)
        and not room.f_flag & os.ST_NOEXEC
        and room.f_bavail * room.f_frsize >= need
        and (memory is None or memory >= 2 * need)
    )


def end_place(folder: Path) -> None:
    """Remove the work directory of a second build, wherever it is; keep the rest of `folder`. Raises OSError."""
    for place in places(folder)[:-1]:
        remove_tree(place)
    for name in (WORK, _ELSEWHERE):
        remove_tree(folder / name)


def is_full(place: Path) -> bool:
    """Whether so little room is left there that a build may have failed because of it. Raises OSError."""
    room = os.statvfs(place)
    return room.f_bavail * room.f_frsize < _LITTLE or (room.f_files > 0 and room.f_favail < _FEW)


def reorder(top: Path) -> None:
    """Enter the names of every directory of a tree again, the last one first; skip what its owner may not write.

    File systems without hashed directories list names in the order of entry. Times stay the same. Raises OSError.
    """
    for folder, _, _ in os.walk(top):
        before = os.lstat(folder)
        if not before.st_mode & stat.S_IWUSR:
            continue
        with os.scandir(folder) as found:  # to move a directory changes its `..`
            names = [one.name for one in found if not one.is_dir(follow_symlinks=False) or os.access(one, os.W_OK)]
        aside = f"{folder}/{secrets.token_hex(8)}"
        os.mkdir(aside, 0o700)  # noqa: PTH102 - paths of os.walk
        for name in names:
            os.rename(f"{folder}/{name}", f"{aside}/{name}")
        for name in sorted(names, reverse=True):
            os.rename(f"{aside}/{name}", f"{folder}/{name}")
        os.rmdir(aside)  # noqa: PTH106
        os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


_VARIABLES = {"LC_ALL": "tr_TR.ISO-8859-9", "LANG": "tr_TR", "TZ": "Asia/Kathmandu", "HOME": "/nonexistent"}
_VARIABLES |= dict.fromkeys(("PYTHONPATH", "PERL5LIB", "CPATH", "LIBRARY_PATH", "PKG_CONFIG_PATH"), "/nonexistent")


@contextlib.contextmanager
def other_user() -> Iterator[None]:
    """Let xsrc itself have, within the block, the variables and the umask of another user."""
    variables, umask = dict(os.environ), os.umask(0o077)
    os.environ.update(_VARIABLES)
    try:
        yield
    finally:
        os.umask(umask)
        os.environ.clear()
        os.environ.update(variables)


def other_caller() -> None:
    """Give this process, before it becomes a helper, other limits, another umask and one processor. Raises OSError."""
    os.umask(0o077)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for limit, soft in (
        (resource.RLIMIT_STACK, 20 << 20),  # ARG_MAX is a quarter of it (sysconf(3))
        (resource.RLIMIT_NOFILE, 960),
    ):
        hard = resource.getrlimit(limit)[1]
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def same_minute(path: Path) -> float:
    """Seconds left of the minute in which `path` was last changed; 0 if it is over. Raises OSError."""
    now, then = time.time(), path.stat().st_ctime
    return _MINUTE - now % _MINUTE if int(now // _MINUTE) == int(then // _MINUTE) else 0.0
