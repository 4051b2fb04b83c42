"""Removes and replaces trees of files, whatever their modes are; never follows a link."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from xsrc.unix.rename import exchange
from xsrc.unix.walk import Walk


def make_folder(path: Path, mode: int = 0o755) -> None:
    """Make a directory of this mode, which passes nothing on to what is made in it.

    A directory takes set-group-id (mkdir(2)) and default ACLs (acl(5)) from its parent. Raises OSError.
    """
    path.mkdir(mode=0o700)
    for name in ("system.posix_acl_default", "system.posix_acl_access"):
        try:
            os.removexattr(path, name, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
                raise
    path.chmod(mode)  # with no set-group-id


def close(destdir: Path) -> None:
    """Make the top directory read-only too: the last step of sealing. Raises OSError."""
    with Walk(destdir) as at:
        os.fchmod(at.here, 0o555)


def remove_tree(path: Path) -> None:
    """Remove a tree whatever its modes are; a missing one is no error.

    Raises OSError, and BuildFailed if a directory moves meanwhile.
    """
    try:
        at = Walk(path.parent)
    except FileNotFoundError:
        return
    with at:
        _remove(path.name, at)


def _remove(name: str, at: Walk) -> None:
    todo = [[name]]
    while True:
        if todo[-1]:
            if not _unlinked(todo[-1][-1], at.here):
                at.down(todo[-1][-1], need=0o700)
                todo.append(os.listdir(at.here))
                continue
        else:
            todo.pop()
            at.up()
            os.rmdir(todo[-1][-1], dir_fd=at.here)
        todo[-1].pop()
        if len(todo) == 1:
            return


def _unlinked(name: str, parent: int) -> bool:
    """Whether a name is gone now; False for a directory."""
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return True
    except IsADirectoryError:
        return False
    return True


def replace_tree(new: Path, final: Path) -> None:
    """Exchange `new` and `final` in one step; if there is no `final`, rename `new` to it. Raises OSError."""
    if not final.is_symlink() and not final.exists():
        os.rename(new, final)
    else:
        if new.parent != final.parent and final.is_dir() and not final.is_symlink():
            final.chmod(0o755)  # it is moved to another directory too, which changes its `..`
        exchange(new, final)
