"""Reads and edits an unfinished destdir: from one directory descriptor to the next, never by a link.

A build may have left any modes: a right that an edit needs is given for its time only.
"""

from __future__ import annotations

import bz2
import contextlib
import errno
import gzip
import lzma
import os
import posixpath
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from xsrc.build.tidy.draft import Action, Edit, Spot, Untidy
from xsrc.store.disk.scan import open_item
from xsrc.store.disk.seal import Links
from xsrc.store.form import Form, form
from xsrc.store.manifest import Kind
from xsrc.unix.files import Below, opened
from xsrc.unix.walk import Item, Walk, held

_CHUNK = 1 << 20
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READERS: Mapping[str, Callable[[IO[bytes]], Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def survey(destdir: Path) -> dict[str, Spot]:
    """Every path of a destdir. Raises Untidy for a directory that its owner cannot read, BuildFailed and OSError."""
    tree: dict[str, Spot] = {}
    links = Links()
    with Walk(destdir) as at:
        for item in at.items():
            if item.name == ".":
                continue
            if stat.S_ISDIR(item.status.st_mode) and item.status.st_mode & 0o500 != 0o500:
                raise Untidy(f"/{item.path}: {os.strerror(errno.EACCES)}: its mode hinders even its owner")
            links.see(item)
            tree[item.path] = _spot(item)
    beyond = {inode for inode, missing in links.missing.items() if missing > 0}
    # to change a file that also has a name elsewhere changes things elsewhere
    return {path: spot._replace(form=Form.OTHER) if spot.inode in beyond else spot for path, spot in tree.items()}


def _spot(item: Item) -> Spot:
    status, mode = item.status, stat.S_IMODE(item.status.st_mode)
    inode = status.st_dev, status.st_ino
    if stat.S_ISDIR(status.st_mode):
        return Spot(Kind.DIR, mode)
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(item.name, dir_fd=item.parent)
        return Spot(Kind.LINK, target=target, inode=inode, names=status.st_nlink)
    if not stat.S_ISREG(status.st_mode):
        return Spot(Kind.FILE, mode, inode=inode, names=status.st_nlink)
    with open_item(item) as raw:
        found = form(cast(IO[bytes], raw), status.st_size)
    return Spot(Kind.FILE, mode, status.st_size, "", inode, status.st_nlink, found)


def apply(destdir: Path, edit: Edit, most: int) -> None:
    """Carry out one edit; a page may have `most` bytes. Raises Untidy and OSError."""
    with _named(destdir, edit.path), Below(destdir) as at, Below(destdir) as away:
        parent, name = at.place(edit.path)
        with _writable(parent):
            match edit.action:
                case Action.MAKE:
                    os.mkdir(name, 0o700, dir_fd=parent)
                    _give_back(name, parent, 0o755)  # whatever the umask and the folder above say
                case Action.REMOVE:
                    _remove(name, parent)
                case Action.LINK:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=parent)
                    os.symlink(edit.to, name, dir_fd=parent)
                case Action.MOVE:
                    _move(name, parent, *away.place(edit.to))
                case Action.JOIN:
                    first, known = away.place(edit.to)
                    os.link(known, name, src_dir_fd=first, dst_dir_fd=parent, follow_symlinks=False)
                case Action.UNPACK | Action.SAME:
                    _unpack(edit, name, parent, most)


@contextlib.contextmanager
def _named(destdir: Path, path: str) -> Iterator[None]:
    """Give an error the full path that it happened at; system calls here get names alone."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(destdir / path), None
        raise


def _remove(name: str, parent: int) -> None:
    if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.rmdir(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)


def _move(name: str, parent: int, into: int, new: str) -> None:
    with contextlib.ExitStack() as rights:
        rights.enter_context(_writable(into))
        with held(name, parent) as (thing, status):
            mode = stat.S_IMODE(status.st_mode)
            if stat.S_ISDIR(status.st_mode) and not mode & 0o200:  # its `..` changes
                os.chmod(thing, mode | 0o200)
                rights.callback(_give_back, new, into, mode)
        # the plan saw that nothing has this name; rename(2) would replace it
        if _exists(new, into):
            raise Untidy(f"/{new}: it changed while it was looked at")
        os.rename(name, new, src_dir_fd=parent, dst_dir_fd=into)


def _exists(name: str, parent: int) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _give_back(name: str, parent: int, mode: int) -> None:
    with held(name, parent) as (thing, status):
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(thing, mode)


def _unpack(edit: Edit, name: str, parent: int, most: int) -> None:
    """Compare a compressed file with its neighbour, or write its content there; then remove it."""
    suffix, new = posixpath.splitext(name)[1], posixpath.basename(edit.to)
    try:
        with opened(name, parent) as packed, _READERS[suffix](packed) as content:
            pieces = _pieces(content, edit.path, most)
            if edit.action is Action.SAME:
                _compare(pieces, new, parent, edit)
            else:
                _write(pieces, new, parent, os.fstat(packed.fileno()))
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise Untidy(f"/{edit.path}: it cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise Untidy(f"/{edit.path}: it cannot be unpacked: {error}") from error
    os.unlink(name, dir_fd=parent)


def _pieces(content: IO[bytes], path: str, most: int) -> Iterator[bytes]:
    size = 0
    while data := content.read(_CHUNK):
        size += len(data)
        if most and size > most:
            raise Untidy(f"/{path}: unpacked it has more than {most >> 20} MiB (limits.installed_mib)")
        yield data


def _compare(pieces: Iterator[bytes], new: str, parent: int, edit: Edit) -> None:
    with opened(new, parent) as other:
        if all(other.read(len(data)) == data for data in pieces) and not other.read(1):
            return
    raise Untidy(f"both /{edit.path} and /{edit.to} are installed, with different contents")


def _write(pieces: Iterator[bytes], new: str, parent: int, like: os.stat_result) -> None:
    with os.fdopen(os.open(new, _CREATE, 0o600, dir_fd=parent), "wb") as file:
        for data in pieces:
            file.write(data)
        file.flush()
        os.fchmod(file.fileno(), stat.S_IMODE(like.st_mode) & 0o777)
        os.utime(file.fileno(), ns=(like.st_atime_ns, like.st_mtime_ns))


@contextlib.contextmanager
def _writable(folder: int) -> Iterator[None]:
    """Let the owner of an open directory write to it for a time."""
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    if mode & 0o700 == 0o700:
        yield
        return
    os.chmod(f"/proc/self/fd/{folder}", mode | 0o700)
    try:
        yield
    finally:
        os.chmod(f"/proc/self/fd/{folder}", mode)


@contextlib.contextmanager
def unlocked(destdir: Path, paths: Iterable[str]) -> Iterator[None]:
    """Let the owner write to files and to their directories for a time; every mode is what it was afterwards.

    A program that writes to a file takes its set-user-id bit, so all modes are given again. Raises OSError.
    """
    todo = tuple(paths)
    folders = {folder for path in todo if (folder := posixpath.dirname(path))}
    modes: dict[str, int] = {}
    try:
        with Below(destdir) as at:
            for path in (*sorted(folders), *todo):
                parent, name = at.place(path)
                with _named(destdir, path), held(name, parent) as (thing, status):
                    modes[path] = stat.S_IMODE(status.st_mode)
                    if not stat.S_ISLNK(status.st_mode):
                        os.chmod(thing, modes[path] | (0o700 if path in folders else 0o600))
        yield
    finally:
        with Below(destdir) as at:
            for path in reversed(modes):
                parent, name = at.place(path)
                _give_back(name, parent, modes[path])


def sizes(destdir: Path, paths: Iterable[str]) -> dict[str, int]:
    """The sizes of files. Raises OSError."""
    with Below(destdir) as at:
        found = {}
        for path in paths:
            parent, name = at.place(path)
            found[path] = os.stat(name, dir_fd=parent, follow_symlinks=False).st_size
        return found
