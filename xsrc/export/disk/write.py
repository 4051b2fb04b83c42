"""Writes a binary package as a stream: whatever its size is, a few MiB of it are in memory.

One thread reads files and another compresses. Both see the same bytes in the same pieces, so equal builds have equal
packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import zstandard

from xsrc.core.errors import BuildFailed
from xsrc.export import tar
from xsrc.store.manifest import Entry, Kind
from xsrc.unix.files import Below, replacing
from xsrc.unix.walk import held

LEVEL = 9
_CHUNK = 1 << 18
_WAITING = 8
"""Pieces that are read and not compressed yet."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CAPABILITY = "security.capability"


@dataclass(frozen=True)
class Head:
    """A member that is about the package: it comes before all of its files, with no time."""

    name: str
    data: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Content:
    """The files of a sealed destdir."""

    what: str
    """What messages call it."""
    folder: Path
    entries: tuple[Entry, ...]
    """Each with the mode that it has in the archive."""
    sources: Mapping[str, Path] = field(default_factory=dict)
    """Where files are that are not in the folder."""
    folders: bool = False
    """Whether folders are members too; a package of xbps has none."""


def write(target: Path, heads: Iterable[Head], content: Content) -> None:
    """Put a package in the place of `target` in one step; a later crash of the machine cannot empty it.

    Raises BuildFailed if a file is not the one that was built, and OSError.
    """
    with replacing(target, durable=True) as file, _Packed(file) as packed:
        for head in heads:
            packed.write(tar.header(f"./{head.name}", mode=head.mode, size=len(head.data)))
            packed.write(head.data + tar.padding(len(head.data)))
        for piece in _members(content):
            packed.write(piece)
        packed.write(tar.END)


def _members(content: Content) -> Iterator[bytes]:
    firsts: dict[int, str] = {}
    with Below(content.folder) as at:
        for entry in content.entries:
            name = f"./{entry.path}"
            if entry.kind is Kind.DIR and content.folders:
                yield tar.header(name, tar.FOLDER, entry.mode, mtime=_time(at, content, entry))
            elif entry.kind is Kind.LINK:
                yield tar.header(name, tar.LINK, 0o777, mtime=_time(at, content, entry), target=entry.target)
            elif entry.kind is Kind.FILE:
                first = firsts.setdefault(entry.inode, name) if entry.inode else name
                file = _Sealed(at, content, entry)
                try:
                    if first != name:
                        yield tar.header(name, tar.HARD_LINK, entry.mode, mtime=file.mtime, target=first)
                        continue
                    head = tar.header(name, tar.FILE, entry.mode, entry.size, file.mtime, more=file.attributes())
                    if entry.size <= _CHUNK:
                        yield b"".join((head, *file.pieces(), tar.padding(entry.size)))
                        continue
                    yield head
                    yield from file.pieces()
                    yield tar.padding(entry.size)
                finally:
                    file.close()


def _time(at: Below, content: Content, entry: Entry) -> int:
    if content.sources:  # links to what is elsewhere are nowhere themselves
        return 0
    parent, name = at.place(entry.path)
    return int(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mtime)


class _Sealed:
    """A file of a destdir that must be the one of its manifest."""

    def __init__(self, at: Below, content: Content, entry: Entry) -> None:
        self.content, self.entry = content, entry
        source = content.sources.get(entry.path)
        try:
            self.descriptor = os.open(source, _READ) if source else _opened(*at.place(entry.path))
        except FileNotFoundError:
            raise self.other() from None
        status = os.fstat(self.descriptor)
        self.mtime = int(status.st_mtime)
        if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
            self.close()
            raise self.other()

    def close(self) -> None:
        os.close(self.descriptor)

    def attributes(self) -> dict[str, bytes]:
        """Its capabilities, as a pax record."""
        with contextlib.suppress(OSError):  # a file system without attributes
            if _CAPABILITY in os.listxattr(self.descriptor):
                return {f"SCHILY.xattr.{_CAPABILITY}": os.getxattr(self.descriptor, _CAPABILITY)}
        return {}

    def pieces(self) -> Iterator[bytes]:
        """Its content. Raises BuildFailed at the end if it is another one."""
        digest, left = hashlib.sha256(), self.entry.size
        while left and (data := os.read(self.descriptor, min(_CHUNK, left))):
            digest.update(data)
            left -= len(data)
            yield data
        if left or digest.hexdigest() != self.entry.sha256:
            raise self.other()

    def other(self) -> BuildFailed:
        """The error for a damaged destdir."""
        name = self.content.what.rpartition("-")[0]
        return BuildFailed(
            f"{self.content.what}: /{self.entry.path} is not the file that was built",
            hint=f"xsrc verify says what else is wrong; xsrc build -f {name} builds it again",
        )


def _opened(parent: int, name: str) -> int:
    """Open a file, also one that was sealed as nobody's to read; its mode is what it was when this returns."""
    try:
        return os.open(name, _READ, dir_fd=parent)
    except PermissionError:
        with held(name, parent) as (thing, status):
            os.chmod(thing, 0o400)
            try:
                return os.open(thing, _READ & ~os.O_NOFOLLOW)
            finally:
                os.chmod(thing, stat.S_IMODE(status.st_mode))


class _Packed:
    """A stream that a thread of its own compresses to a file; it is whole when its `with` ends without an error."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.parts: list[bytes] = []
        self.size = 0
        self.queue: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._compress, daemon=True)

    def __enter__(self) -> _Packed:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._put()
        self.queue.put(None)
        self.thread.join()
        if kind is None and self.error is not None:
            raise self.error

    def write(self, data: bytes) -> None:
        """Add data; raise an error of the thread."""
        self.parts.append(data)
        self.size += len(data)
        if self.size >= _CHUNK:
            self._put()

    def _put(self) -> None:
        if self.error is not None:
            raise self.error
        data, self.parts, self.size = b"".join(self.parts), [], 0
        self.queue.put(data)

    def _compress(self) -> None:
        try:
            with zstandard.ZstdCompressor(level=LEVEL).stream_writer(self.file, closefd=False) as packed:
                while (data := self.queue.get()) is not None:
                    packed.write(data)
        except BaseException as error:
            self.error = error
            while self.queue.get() is not None:
                pass
