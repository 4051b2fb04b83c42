"""Reads the destdir of a build; never follows a link, whatever a build planted.

Every step goes by `walk`; names are never joined to paths that the kernel would resolve again.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import posixpath
import re
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from xsrc.core.errors import BuildFailed
from xsrc.core.layout import BUILDDIR, DESTDIRS
from xsrc.core.paths import CONTROLS, is_ours
from xsrc.core.settings import Limits
from xsrc.store import elf, loader
from xsrc.store.digest import libraries
from xsrc.store.disk.seal import BEYOND, Links
from xsrc.store.manifest import FILES, PROPS, Entry, Kind, Manifest, kept_mode
from xsrc.unix.walk import Item, Walk, changed, held

_LEAK = re.compile(rf"/(?:{DESTDIRS}|{BUILDDIR})/[!#-&(-9;-~]{{0,200}}".encode())
_ARCHIVE = b"!<ar"
"""The first bytes of a static library."""
_DEBUG = b".debug_"
"""The names of sections with debugging data begin with it."""
LEAKS = "build-path"
"""The key of `[lint] ignore` for the reason why files of a package may hold paths of its build."""
_LISTS = (FILES, PROPS, f".{PROPS}")
"""Files at the top of a destdir that are written next; a link there would lead the writer away."""
_CHUNK = 1 << 20
_ZEROS = bytes(_CHUNK)
_OVERLAP = 32
"""Bytes that are looked at twice, so that nothing is missed between two pieces."""
_USUAL = Limits()
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_LINKED = re.compile(r"usr/lib/(lib[^/]+\.so(?:\.[^/]*)?)")
"""Where the linker looks, and what it takes for a library."""


@dataclass(frozen=True)
class Scan:
    """A destdir as it was found."""

    manifest: Manifest
    requires: tuple[str, ...]
    """Sonames that its files need and no library of its own has."""
    provides: tuple[str, ...]
    """Sonames of its own libraries where the loader looks; where one has none, the names that it is found by."""
    private: tuple[str, ...] = ()
    """Sonames of its other libraries."""
    placed: tuple[str, ...] = ()
    """Programs that ask for their own place: through a link they would find their destdir, without neighbours."""
    elves: Mapping[str, elf.Elf] = field(default_factory=dict)
    """Its ELF files, by path."""
    searched: tuple[str, ...] = ()
    """Folders where its own files make the loader look."""
    closed: Mapping[str, int] = field(default_factory=dict)
    """Paths that others than their owner could write, with this mode; the manifest has them without this right."""

    def of(self, entries: Iterable[Entry]) -> Scan:
        """The same of some of its paths."""
        manifest = Manifest.of(entries)
        elves = {e.path: self.elves[e.path] for e in manifest.entries if e.path in self.elves}
        placed = tuple(path for path in self.placed if path in elves)
        return Scan(manifest, *_sonames(manifest.entries, elves, self.searched), placed, elves, self.searched)


def scan(
    destdir: Path,
    limits: Limits = _USUAL,
    what: str = "",
    open_modes: Iterable[tuple[str, int]] = (),
    *,
    leaks: bool = False,
) -> Scan:
    """The manifest of a destdir and the libraries that it needs and provides; messages call it `what`.

    Only the owner may write a file of a package, except with the modes of `open_modes`, each for a glob. With `leaks`,
    its files may hold paths of its own build, but search no libraries there.

    Raises BuildFailed that names every path which no package may have: devices, FIFOs, sockets, names that are not
    UTF-8, links and strings that lead into a build's own directories. Raises BuildFailed for the first path that is too
    long, changes meanwhile, or exceeds `limits`. Raises OSError.
    """
    entries: list[Entry] = []
    files, links = _Files(what or destdir.name, limits), Links()
    placed, bad, searched = list[str](), list[str](), list[str]()
    elves: dict[str, elf.Elf] = {}
    closed: dict[str, int] = {}
    with Walk(destdir) as at:
        for item in at.items():
            if item.name == ".":
                continue
            mode = stat.S_IMODE(item.status.st_mode)
            links.see(item)
            files.see(item)
            if problem := _unwritable(item.path, "name"):
                bad.append(f"  /{item.path!a}: {problem}")
                continue
            if is_ours(item.path) or item.path.partition("/")[0] in _LISTS:
                bad.append(f"  /{item.path}: a place of xsrc itself")
            if not stat.S_ISLNK(item.status.st_mode) and (kept := kept_mode(item.path, mode, open_modes)) != mode:
                closed[item.path], mode = mode, kept
            if stat.S_ISDIR(item.status.st_mode):
                entries.append(Entry(item.path, Kind.DIR, mode))
            elif stat.S_ISLNK(item.status.st_mode):
                target = os.readlink(item.name, dir_fd=item.parent)
                entries.append(Entry(item.path, Kind.LINK, 0o777, target=target))
                bad += _link_faults(item.path, target)
            elif stat.S_ISREG(item.status.st_mode):
                digest, leak, found, asks = files.read(item)
                bad += _leaks(item.path, "" if leaks else leak, found)
                if found and any(_unwritable(name, "name") for name in (found.soname, *found.needed)):
                    bad.append(f"  /{item.path}: it names a library in characters that no property list can hold")
                elif found:
                    elves[item.path] = found
                    placed += [item.path] if found.interpreter and (asks or found.from_origin) else []
                searched += _configured(item)
                inode = item.status.st_ino if item.status.st_nlink > 1 else 0
                entries.append(Entry(item.path, Kind.FILE, mode, item.status.st_size, digest, inode=inode))
            else:
                bad.append(f"  /{item.path}: neither a file, a link nor a directory")
    bad += [f"  /{path!a}: {BEYOND}" for path in links.beyond()]
    if bad:
        raise _refused(what or destdir.name, bad)
    manifest = Manifest.of(_numbered(entries))
    return Scan(manifest, *_sonames(manifest.entries, elves, searched), tuple(placed), elves, tuple(searched), closed)


def _configured(item: Item) -> tuple[str, ...]:
    """The folders where a file of a package makes the loader look."""
    if not loader.CONFIG.fullmatch(item.path) or item.status.st_size > _CHUNK:
        return ()
    with open_item(item) as file:
        return loader.configured(file.read())


def _link_faults(path: str, target: str) -> Iterator[str]:
    """Why no package may have a link."""
    end = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).replace("//", "/")
    if problem := _unwritable(target, "text"):
        yield f"  /{path}: a link to {target!a}: {problem}"
    elif _LEAK.match(os.fsencode(f"{end}/")):
        yield f"  /{path}: a link to {target}, which is nowhere but in its own build"


def _leaks(path: str, leak: str, found: elf.Elf | None) -> Iterator[str]:
    """Why no package may have a file that names places of its own build."""
    lost = [folder for folder in (found.runpath if found else ()) if _LEAK.match(os.fsencode(f"{folder}/"))]
    if lost:
        yield f"  /{path}: its RUNPATH leads to {lost[0]}, which is nowhere but in its own build"
    elif leak:
        yield f"  /{path}: holds the string {leak}, a path of its own build"


def _refused(what: str, bad: Iterable[str]) -> BuildFailed:
    """The error that names every path which no package may have."""
    hint = "mend it in [phases] post_install, or leave it out by [install] remove"
    if any("holds the string" in line for line in bad):
        hint += f'; if the string does no harm, give the reason: [lint] ignore = {{ {LEAKS} = "…" }}'
    return BuildFailed(f"{what}: what it installed cannot be a package", detail=bad, hint=hint)


def _sonames(
    entries: Iterable[Entry], elves: Mapping[str, elf.Elf], searched: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The needs of a package, its offers, and the libraries that only its own files find.

    If a library has no soname, the linker records the name by which it found the library (ld(1), -soname).
    """
    entries = tuple(entries)
    provides = set(loader.public(entries, elves, searched))
    bare = [at for at, found in libraries(entries, elves) if found.role is elf.Role.LIBRARY and not found.soname]
    provides.update(name[1] for name in map(_LINKED.fullmatch, bare) if name)
    private = {found.soname for found in elves.values()} - {"", *provides}
    requires = {soname for found in elves.values() for soname in found.needed} - provides - private
    return tuple(sorted(requires)), tuple(sorted(provides)), tuple(sorted(private))


def _unwritable(text: str, what: str) -> str:
    """Why a text cannot be in a manifest; empty if it can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"its {what} is not UTF-8"
    return f"a character in its {what} that no property list can hold" if CONTROLS.search(text) else ""


def _numbered(entries: list[Entry]) -> Iterator[Entry]:
    """Inodes as small numbers in order of appearance, so that equal trees have equal manifests."""
    numbers: dict[int, int] = {}
    for entry in sorted(entries):
        yield entry._replace(inode=numbers.setdefault(entry.inode, len(numbers) + 1)) if entry.inode else entry


_Read = tuple[str, str, elf.Elf | None, bool]
"""A file's sha256, a path of its build that it contains, its ELF data, and whether it asks for its own place."""


class _Files:
    """Reads the files of one destdir, each once however many names it has, as far as the limits go."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name, self.limits = name, limits
        self.count = self.bytes = 0
        self.known: dict[tuple[int, int], _Read] = {}

    def see(self, item: Item) -> None:
        """Count one path; raises BuildFailed for the first that is beyond a limit, before it is read."""
        status, limits = item.status, self.limits
        self.count += 1
        if limits.installed_members and self.count > limits.installed_members:
            raise self.beyond(item, f"{limits.installed_members} paths (limits.installed_members)")
        if stat.S_ISREG(status.st_mode) and (status.st_dev, status.st_ino) not in self.known:
            self.bytes += status.st_size
            if limits.installed_mib and self.bytes > limits.installed_mib << 20:
                raise self.beyond(item, f"{limits.installed_mib} MiB, with holes (limits.installed_mib)")

    def beyond(self, item: Item, most: str) -> BuildFailed:
        size = f", a file of {item.status.st_size >> 20} MiB" if stat.S_ISREG(item.status.st_mode) else ""
        return BuildFailed(
            f"{self.name}: with /{item.path}{size}, it has more than {most}",
            hint="leave it out by [install] remove, or raise the limit in ~/.config/xsrc/config.toml: [limits]",
        )

    def read(self, item: Item) -> _Read:
        """What one file is; raises BuildFailed when it changes meanwhile."""
        inode = item.status.st_dev, item.status.st_ino
        if item.status.st_nlink == 1:
            return _file(item)
        if inode not in self.known:
            self.known[inode] = _file(item)
        return self.known[inode]


def _file(item: Item) -> _Read:
    with open_item(item) as file:
        status = os.fstat(file.fileno())
        digest = hashlib.sha256()
        leak, tail, head, size, asks = "", b"", b"", 0, False
        for data in _pieces(file.fileno(), item.status.st_size):
            head = head or data[:4]
            size += len(data)
            digest.update(data)
            window = tail + data
            leak = leak or _leak(window)
            asks = asks or (head == elf.MAGIC and b"/proc/self/exe" in window)
            tail = data[-_OVERLAP:]
        found = None
        if head == elf.MAGIC or (leak and head == _ARCHIVE):
            file.seek(0)
            reader = io.BufferedReader(file)
            found = elf.read(reader)
            if leak:
                leak = _leak_in_use(reader, leak)
            reader.detach()  # else it closes the file
        now = os.fstat(file.fileno())
        if not size == item.status.st_size == now.st_size or _times(now) != _times(status):
            raise changed(f"/{item.path}")
        return digest.hexdigest(), leak, found, asks


def _leak(data: bytes) -> str:
    """The first path of a build in these bytes."""
    hit = _LEAK.search(data) if b"/pkg-" in data else None
    return hit[0].decode("ascii") if hit else ""


def _leak_in_use(file: IO[bytes], leak: str) -> str:
    """A path of its build in what a process has in memory of an ELF file; debugging data may name their sources."""
    parts = elf.loaded(file)
    if not parts:
        file.seek(0)
        return "" if any(_DEBUG in data for data in iter(lambda: file.read(_CHUNK), b"")) else leak
    for at, size in parts:
        file.seek(at)
        rest, tail = size, b""
        while rest > 0 and (data := file.read(min(rest, _CHUNK))):
            if found := _leak(tail + data):
                return found
            rest, tail = rest - len(data), data[-_OVERLAP:]
    return ""


def _pieces(descriptor: int, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a file, piece by piece; the holes of a sparse file are not read (lseek(2))."""
    at = 0
    while at < size:
        data = min(size, _next(descriptor, at, os.SEEK_DATA, size))
        for start in range(at, data, _CHUNK):
            yield _ZEROS[: data - start]
        at = data
        end = min(size, _next(descriptor, data, os.SEEK_HOLE, size))
        while at < end:
            piece = os.pread(descriptor, min(_CHUNK, end - at), at)
            if not piece:  # it was cut meanwhile
                return
            yield piece
            at += len(piece)


def _next(descriptor: int, at: int, kind: int, size: int) -> int:
    """Where the next data, or the next hole, of a file begin; `size` where there is none."""
    try:
        return os.lseek(descriptor, at, kind) if at < size else size
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        if error.errno == errno.EINVAL:  # a file system that knows no holes
            return at if kind == os.SEEK_DATA else size
        raise


def _times(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_ctime_ns


def open_item(item: Item) -> io.FileIO:
    """The very file that was looked at, to be read; its mode does not matter. Raises BuildFailed and OSError."""
    try:
        descriptor = os.open(item.name, _READ | os.O_NOFOLLOW, dir_fd=item.parent)
    except PermissionError:
        descriptor = _unlocked(item)
    if not os.path.samestat(os.fstat(descriptor), item.status):
        os.close(descriptor)
        raise changed(f"/{item.path}")
    return io.FileIO(descriptor)


def _unlocked(item: Item) -> int:
    """Open a file whose owner may not read it; its mode is what it was when this returns."""
    with held(item.name, item.parent) as (thing, status):
        if not os.path.samestat(status, item.status):
            raise changed(f"/{item.path}")
        os.chmod(thing, 0o600)
        try:
            return os.open(thing, _READ)
        finally:
            os.chmod(thing, stat.S_IMODE(item.status.st_mode))
