"""Looks at what a build left behind, seals it and removes trees; never follows a link, whatever a build planted.

Every step goes from one directory descriptor to the next with O_NOFOLLOW; names are never joined to paths that the
kernel would resolve again.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from xsrc.errors import BuildFailed
from xsrc.model import elf
from xsrc.model.manifest import METADATA, Entry, Kind, Manifest

_LEAKS = (b"/pkg-destdir/",)
_OURS = ("pkg-destdir/", "pkg-builddir/", "pkg-srcdistdir/", "pkg-binpkgs/", "pkg-template/", "var/db/xsrc/")
_UNWRITABLE = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")
_CHUNK = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Scan:
    """A destdir as it was found."""

    manifest: Manifest
    requires: tuple[str, ...]
    """Sonames that its files need."""
    provides: tuple[str, ...]
    """Sonames of its own libraries."""


@dataclass(frozen=True)
class _Item:
    path: str
    name: str
    parent: int
    """Descriptor of the directory that it stands in; open while the item is looked at."""
    status: os.stat_result


def _walk(top: int, prefix: str = "") -> Iterator[_Item]:
    """Every entry below a directory, each directory before what it holds, in the order of names."""
    for name in sorted(os.listdir(top)):
        path = prefix + name
        status = os.stat(name, dir_fd=top, follow_symlinks=False)
        yield _Item(path, name, top, status)
        if stat.S_ISDIR(status.st_mode):
            try:
                below = os.open(name, _DIRECTORY, dir_fd=top)
            except PermissionError:  # a build may take its own right to look away
                _chmod(name, top, 0o700)
                below = os.open(name, _DIRECTORY, dir_fd=top)
            try:
                yield from _walk(below, path + "/")
            finally:
                os.close(below)


def _chmod(name: str, parent: int, mode: int) -> None:
    """chmod without following a link: through a descriptor that can only be the thing itself (open(2), O_PATH)."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
            os.chmod(f"/proc/self/fd/{descriptor}", mode)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, _DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def scan(destdir: Path) -> Scan:
    """The manifest of a destdir and the libraries that it needs and provides.

    Raises BuildFailed that names every path which no package may have: devices, FIFOs, sockets, names that are not
    UTF-8, links and strings that lead into a build's own directories.
    """
    entries: list[Entry] = []
    requires: set[str] = set()
    provides: set[str] = set()
    bad: list[str] = []
    with _opened(destdir) as top:
        for item in _walk(top):
            if item.path in METADATA:
                continue
            mode = stat.S_IMODE(item.status.st_mode)
            if f"{item.path}/".startswith(_OURS):
                bad.append(f"  /{item.path}: a place of xsrc itself")
            try:
                item.path.encode()
            except UnicodeEncodeError:
                bad.append(f"  /{item.path!a}: its name is not UTF-8")
                continue
            if _UNWRITABLE.search(item.name):
                bad.append(f"  /{item.path!a}: a character in its name that no property list can hold")
                continue
            if stat.S_ISDIR(item.status.st_mode):
                entries.append(Entry(item.path, Kind.DIR, mode))
            elif stat.S_ISLNK(item.status.st_mode):
                target = os.readlink(item.name, dir_fd=item.parent)
                if target.startswith(("/pkg-destdir/", "/pkg-builddir/")):
                    bad.append(f"  /{item.path}: a link to {target}, which is nowhere but in its own build")
                entries.append(Entry(item.path, Kind.LINK, 0o777, target=target))
            elif stat.S_ISREG(item.status.st_mode):
                digest, leak, found = _file(item)
                if leak:
                    bad.append(f"  /{item.path}: holds the string {leak}…, a path of its own build")
                if found:
                    requires.update(found.needed)
                    provides.update({found.soname} - {""})
                inode = item.status.st_ino if item.status.st_nlink > 1 else 0
                entries.append(Entry(item.path, Kind.FILE, mode, item.status.st_size, digest, inode=inode))
            else:
                bad.append(f"  /{item.path}: neither a file, a link nor a directory")
    if bad:
        raise BuildFailed(
            f"{destdir.name.lstrip('.')}: what it installed cannot be a package",
            detail=bad,
            hint="mend it in [phases] post_install, or leave it out by [install] remove",
        )
    return Scan(Manifest.of(_numbered(entries)), tuple(sorted(requires - provides)), tuple(sorted(provides)))


def _numbered(entries: list[Entry]) -> Iterator[Entry]:
    """Inodes as small numbers in order of appearance, so that equal trees have equal manifests."""
    from dataclasses import replace

    numbers: dict[int, int] = {}
    for entry in sorted(entries):
        yield replace(entry, inode=numbers.setdefault(entry.inode, len(numbers) + 1)) if entry.inode else entry


def _file(item: _Item) -> tuple[str, str, elf.Elf | None]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(item.name, flags, dir_fd=item.parent)
    except PermissionError:
        _chmod(item.name, item.parent, 0o600)
        descriptor = os.open(item.name, flags, dir_fd=item.parent)
        _chmod(item.name, item.parent, stat.S_IMODE(item.status.st_mode))
    with io.FileIO(descriptor) as file:
        status = os.fstat(descriptor)
        if not os.path.samestat(status, item.status):
            raise BuildFailed(f"/{item.path}: it changed while it was looked at")
        digest = hashlib.sha256()
        leak, tail, head = "", b"", b""
        while data := file.read(_CHUNK):
            head = head or data[:4]
            digest.update(data)
            window = tail + data
            leak = leak or next((text.decode() for text in _LEAKS if text in window), "")
            tail = data[-32:]
        found = None
        if head == elf.MAGIC:
            file.seek(0)
            found = elf.read(io.BufferedReader(file))
        return digest.hexdigest(), leak, found


def seal(destdir: Path, epoch: int) -> None:
    """Make a destdir read-only and give every file in it a time not later than `epoch` (seconds).

    The directory itself stays writable to its owner until `close` is called.
    """
    with _opened(destdir) as top:
        for item in _walk(top):
            when = min(int(item.status.st_mtime), epoch)
            if stat.S_ISREG(item.status.st_mode):
                _chmod(item.name, item.parent, item.status.st_mode & 0o555)
            if not stat.S_ISDIR(item.status.st_mode):
                os.utime(item.name, (when, when), dir_fd=item.parent, follow_symlinks=False)
        # directories last: a sealed one lets nothing be changed in it
        directories = [(i.path, i.status) for i in _walk(top) if stat.S_ISDIR(i.status.st_mode)]
    for path, status in reversed(directories):
        with _below(destdir, path) as descriptor:
            when = min(int(status.st_mtime), epoch)
            os.utime(descriptor, (when, when))
            os.fchmod(descriptor, status.st_mode & 0o555)


def close(destdir: Path) -> None:
    """The last step of sealing: the top directory too becomes read-only."""
    with _opened(destdir) as top:
        os.fchmod(top, 0o555)


@contextlib.contextmanager
def _below(top: Path, path: str) -> Iterator[int]:
    """A descriptor of a directory below `top`, reached one name at a time."""
    descriptor = os.open(top, _DIRECTORY)
    try:
        for name in path.split("/"):
            further = os.open(name, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = further
        yield descriptor
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> None:
    """Remove a tree whatever its modes are; a missing one is no error."""
    try:
        parent = os.open(path.parent, _DIRECTORY)
    except FileNotFoundError:
        return
    try:
        _remove(path.name, parent)
    finally:
        os.close(parent)


def _remove(name: str, parent: int) -> None:
    try:
        os.unlink(name, dir_fd=parent)
        return
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
    _chmod(name, parent, 0o700)
    directory = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        for entry in os.listdir(directory):
            _remove(entry, directory)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=parent)


_RENAME_EXCHANGE = 2


def replace_tree(new: Path, final: Path) -> None:
    """Put `new` where `final` is, in one step; what stood there before stands where `new` was (renameat2(2))."""
    if not final.is_symlink() and not final.exists():
        os.rename(new, final)
        return
    libc = ctypes.CDLL(None, use_errno=True)
    at = ctypes.c_int(-100)  # AT_FDCWD
    if libc.renameat2(at, os.fsencode(new), at, os.fsencode(final), ctypes.c_uint(_RENAME_EXCHANGE)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(final))
