"""Finds the run-time libraries of a base, as its roots show them."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from xsrc.core.base import Base
from xsrc.core.layout import merged_path
from xsrc.export.base_libs import RELEASE, BaseFiles, is_licence_of, is_runtime, package_name, release_of
from xsrc.store import elf
from xsrc.store.manifest import Entry, Kind
from xsrc.unix import files

_LARGEST = 1 << 16
_HOPS = 8


def shown(base: Base) -> dict[str, Path]:
    """The paths in the directories of libraries, each with its place on this machine. Raises OSError."""
    return {path: place for directory in base.libdirs for path, place in _directory(base, directory)}


def _directory(base: Base, directory: str) -> Iterator[tuple[str, Path]]:
    """The paths of a directory, each in the first layer that has it; a whiteout hides those below it."""
    seen: set[str] = set()
    for inside, layers in base.layers.items():
        for layer in layers if f"{directory}/".startswith(f"{inside}/") else ():
            folder = layer / directory[len(inside) + 1 :]
            for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
                if name not in seen:
                    seen.add(name)
                    if not stat.S_ISCHR((folder / name).lstat().st_mode):
                        yield f"{directory}/{name}", folder / name


def version(base: Base, paths: Mapping[str, Path]) -> str:
    """The version of the libraries: the release of the base, then the time of the newest of them. Raises OSError."""
    times = [place.stat().st_mtime for path, place in paths.items() if _is_root(path)]
    try:
        release = release_of(files.read(base.root / RELEASE, _LARGEST).decode(errors="replace"))
    except OSError:
        release = "0"
    return f"{release}.{datetime.fromtimestamp(max(times, default=0), UTC):%Y%m%d.%H%M}"


def _is_root(path: str) -> bool:
    return is_runtime(path.rpartition("/")[2])


def libraries(base: Base, paths: Mapping[str, Path]) -> tuple[BaseFiles, dict[str, Path]]:
    """The run-time libraries, all that they need, and their licences; with the place of each file. Raises OSError."""
    entries: dict[str, Entry] = {}
    sources: dict[str, Path] = {}
    named = {path.rpartition("/")[2]: path for path in reversed([*paths])}
    todo = sorted(path for path in paths if _is_root(path))
    sonames: set[str] = set()
    for path in todo:  # which grows meanwhile
        chain, real, place = _followed(path, paths)
        read = _read(place)
        if read is None or path in sources:
            continue
        sonames.add(read.soname or path.rpartition("/")[2])
        entries |= {link.path: link for link in chain}
        entries[real], sources[real] = _file(real, place), place
        todo += [named[name] for name in read.needed if name in named and named[name] not in entries]
    for path, place in _licences(base):
        entries[path], sources[path] = _file(path, place), place
    for path in [*entries]:
        above = path
        while above := above.rpartition("/")[0]:
            entries.setdefault(above, Entry(above, Kind.DIR))
    return BaseFiles(tuple(sorted(entries.values())), tuple(sorted(sonames))), sources


def _followed(path: str, paths: Mapping[str, Path]) -> tuple[list[Entry], str, Path]:
    """The links on the way from a path to its file, the path of the file, and its place."""
    links: list[Entry] = []
    place = paths[path]
    while place.is_symlink() and len(links) < _HOPS:
        target = str(place.readlink())
        links.append(Entry(path, Kind.LINK, 0o777, target=target))
        path = merged_path(posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)))[1:]
        place = paths.get(path, Path("/nonexistent"))
    return links, path, place


def _read(place: Path) -> elf.Elf | None:
    try:
        with files.opened(place) as file:
            return elf.read(file)
    except OSError:
        return None


def _file(path: str, place: Path) -> Entry:
    with files.opened(place) as file:
        digest = hashlib.sha256(file.read()).hexdigest()
        status = os.fstat(file.fileno())
    return Entry(path, Kind.FILE, 0o755 if status.st_mode & 0o100 else 0o644, status.st_size, digest)


def _licences(base: Base) -> Iterator[tuple[str, Path]]:
    folder = base.root / "usr/share/doc"
    for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
        place = folder / name / "copyright"
        if is_licence_of(name) and not (folder / name).is_symlink() and place.is_file() and not place.is_symlink():
            yield f"usr/share/licenses/{package_name(base.name)}/{name}", place
