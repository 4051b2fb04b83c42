"""Carries out the plan of the farm: one directory descriptor at a time, replace by rename, never follow a link."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from xsrc.core.layout import Masterdir
from xsrc.farm.disk.survey import opened_file, text_of
from xsrc.farm.place import ORIG, Act, Class, Op, Placed, merge_lines
from xsrc.store.disk.shelf import bring
from xsrc.unix.files import Below
from xsrc.unix.rename import rename_new

_TEMPORARY = ".xsrc-new"
_KEEPS = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.EBUSY)
"""Why a directory stays: its user put something into it or in its place, or mounted something there."""


def apply(masterdir: Masterdir, ops: Iterable[Op], tried: list[Op]) -> None:
    """Carry out operations in their order; add each to `tried` before it begins.

    It is harmless to repeat all of them. Raises OSError.
    """
    mask = os.umask(0)  # modes are as they are said to be, from the first moment on
    try:
        with Below(masterdir.root) as walker, Below(masterdir.root) as sources:
            for op in ops:
                tried.append(op)
                if not (op.act is Act.PUT and op.before is None and op.placed.linked and _made(walker, op.placed)):
                    try:
                        _apply(masterdir, walker, sources, op)
                    except OSError as error:
                        error.filename = str(masterdir.root / op.placed.path)
                        raise
    finally:
        os.umask(mask)


def _made(walker: Below, placed: Placed) -> bool:
    """Whether a new link could simply be made, as nearly always."""
    try:
        parent, name = walker.place(placed.path)
        os.symlink(placed.text, name, dir_fd=parent)
    except OSError:
        return False
    return True


def _apply(masterdir: Masterdir, walker: Below, sources: Below, op: Op) -> None:
    if op.act is Act.BRING:
        bring(masterdir, op.placed.path, op.placed.text, op.before.text if op.before else "")
        return
    try:
        parent, name = walker.place(op.placed.path)
    except OSError as error:
        if op.act in (Act.REMOVE, Act.RMDIR) and error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return  # with its directory, or moved away by its user: it is not here any more
        raise
    match op.act:
        case Act.MKDIR:
            _make(name, parent, op.placed.mode, op.before is not None)
        case Act.PUT if op.placed.how is Class.THEIRS:
            _bring_back(name, parent)
        case Act.PUT:
            if op.before is not None and op.before.how is Class.THEIRS:
                _lay_aside(name, parent, op.placed.text if op.placed.linked else None)
            fresh = op.before is None and op.placed.how is not Class.MADE
            _put(sources, op.placed, name, parent, fresh=fresh, former=op.before)
        case Act.MERGE:
            _merge(op.before.text if op.before else "", op.placed.text, name, parent)
        case Act.REMOVE:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=parent)
        case Act.RMDIR:
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError as error:
                if error.errno not in _KEEPS:
                    raise


def _make(name: str, parent: int, mode: int, change: bool) -> None:
    """Make a directory; leave the mode of one that is there, unless it is to be changed."""
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        if change:
            _give_mode(name, parent, mode)
        return
    if mode & 0o6000:  # which mkdir(2) leaves out
        _give_mode(name, parent, mode)


def _give_mode(name: str, parent: int, mode: int) -> None:
    """Give a directory all bits of a mode."""
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def open_directory(root: Path, path: str) -> None:
    """Give the owner of a directory below the root access to it. Raises OSError, also if it is no directory now."""
    with Below(root) as top:
        thing = f"/proc/self/fd/{top.at(path)}"  # a directory that is opened by its path only has no fchmod(2)
        os.chmod(thing, stat.S_IMODE(Path(thing).stat().st_mode) | 0o700)


def _lay_aside(name: str, parent: int, ours: str | None) -> None:
    """Give a stranger's file its second name. Raises FileExistsError if something else has that name."""
    try:
        os.link(name, name + ORIG, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        os.stat(name + ORIG, dir_fd=parent, follow_symlinks=False)  # renamed before
    except PermissionError:  # another user's: fs.protected_hardlinks
        rename_new(name, name + ORIG, parent)
    except FileExistsError:
        # done before: both names are the stranger's file, or the first is ours by now
        taken = ours is not None and _is_link(name, parent, ours)
        if not (taken or ours is None or _same(name, name + ORIG, parent)):
            raise


def _bring_back(name: str, parent: int) -> None:
    """Let a stranger's file have its first name again."""
    with contextlib.suppress(FileNotFoundError):
        if _same(name + ORIG, name, parent):
            os.unlink(name + ORIG, dir_fd=parent)
        else:
            os.rename(name + ORIG, name, src_dir_fd=parent, dst_dir_fd=parent)


def _put(sources: Below, placed: Placed, name: str, parent: int, *, fresh: bool, former: Placed | None = None) -> None:
    """Put one link, hard link or copy; with `fresh`, raises FileExistsError if something else is there now.

    A copy in the place of a former one has the owner and the attributes that its user gave to that.
    """
    if placed.linked:
        # where nothing stands, making the link is one step already
        try:
            os.symlink(placed.text, name, dir_fd=parent)
            return
        except FileExistsError:
            if fresh and not _is_link(name, parent, placed.text):
                raise
    with _replacing(name, parent, fresh=fresh and not placed.linked) as temporary:
        if placed.linked:
            os.symlink(placed.text, temporary, dir_fd=parent)
        elif not (placed.how is Class.HARD and _linked(sources, placed.source, temporary, parent)):
            mode = placed.mode & 0o777 if placed.how is Class.HARD else placed.mode
            with sources.open(placed.source) as old, _created(temporary, parent, mode) as new:
                shutil.copyfileobj(old, new, 1 << 20)
                if placed.how is Class.COPY and former is not None and former.how is Class.COPY:
                    _like(name, parent, new.fileno())


def _like(name: str, parent: int, new: int) -> None:
    """Give a new file the owner and the attributes, among them access lists, of the one that it replaces."""
    try:
        old = opened_file(name, parent)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return
    try:
        status, now = os.fstat(old), os.fstat(new)
        if (status.st_uid, status.st_gid) != (now.st_uid, now.st_gid):
            os.fchown(new, status.st_uid, status.st_gid)
        with contextlib.suppress(OSError):  # a file system without them
            for attribute in os.listxattr(old):
                if attribute.startswith("user.") or attribute == "system.posix_acl_access":
                    os.setxattr(new, attribute, os.getxattr(old, attribute))
    finally:
        os.close(old)


def _is_link(name: str, parent: int, text: str) -> bool:
    try:
        return os.readlink(name, dir_fd=parent) == text
    except OSError:
        return False


def _linked(sources: Below, source: str, name: str, parent: int) -> bool:
    """Whether a hard link could be made; that is impossible from another file system."""
    folder, last = sources.place(source)
    try:
        os.link(last, name, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK):
            raise
        return False
    return True


def _merge(old: str, new: str, name: str, parent: int) -> None:
    """Replace lines of a file; remove a file that has no lines left."""
    text, mode = "", 0o644
    with contextlib.suppress(FileNotFoundError):
        text = text_of(name, parent)
        mode = stat.S_IMODE(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    merged = merge_lines(text, old, new)
    if merged == text:
        return
    if not merged:
        os.unlink(name, dir_fd=parent)
        return
    with _replacing(name, parent) as temporary, _created(temporary, parent, mode) as file:
        file.write(merged.encode(errors="surrogateescape"))


@contextlib.contextmanager
def _replacing(name: str, parent: int, *, fresh: bool = False) -> Iterator[str]:
    """Yield a free name; its file replaces `name` at the end of the block, or is removed after a failure.

    With `fresh`, replace nothing. A name of 255 bytes cannot be made longer.
    """
    temporary = _TEMPORARY + hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=parent)
        yield temporary
        if fresh:
            rename_new(temporary, name, parent)
        elif _same(temporary, name, parent):  # rename(2) does nothing where both names are one file already
            os.unlink(temporary, dir_fd=parent)
        else:
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise


def _same(one: str, two: str, parent: int) -> bool:
    status = os.stat(one, dir_fd=parent, follow_symlinks=False)
    if status.st_nlink == 1:
        return False
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(status, os.stat(two, dir_fd=parent, follow_symlinks=False))
    return False


@contextlib.contextmanager
def _created(name: str, parent: int, mode: int) -> Iterator[IO[bytes]]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, mode, dir_fd=parent), "wb") as file:
        yield file
        file.flush()
        os.fchmod(file.fileno(), mode)
