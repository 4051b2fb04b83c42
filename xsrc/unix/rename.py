"""Two ways to rename that Python does not have (renameat2(2)): exchange two names, and never replace one."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_NOREPLACE, _EXCHANGE = 1, 2
_HERE = -100  # AT_FDCWD


def _renameat2(old_parent: int, old: bytes, new_parent: int, new: bytes, flags: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    code = libc.renameat2(ctypes.c_int(old_parent), old, ctypes.c_int(new_parent), new, ctypes.c_uint(flags))
    return ctypes.get_errno() if code else 0


def exchange(one: Path, two: Path) -> None:
    """Exchange two paths in one step. Raises OSError."""
    if number := _renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(two), _EXCHANGE):
        raise OSError(number, os.strerror(number), str(two))


def rename_new(old: str, new: str, parent: int) -> None:
    """Rename within a directory to a free name. Raises FileExistsError for a taken one, and OSError."""
    number = _renameat2(parent, os.fsencode(old), parent, os.fsencode(new), _NOREPLACE)
    if number in (errno.EINVAL, errno.ENOSYS):  # a file system, or a kernel, without it
        os.link(old, new, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
        os.unlink(old, dir_fd=parent)
    elif number:
        raise OSError(number, os.strerror(number), new)
