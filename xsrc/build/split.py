"""Divides the paths of a destdir among subpackages: the first one in the order of the template takes a path."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping

from xsrc.core.globs import within
from xsrc.core.schema import Problem, shown
from xsrc.core.spans import KeyPath
from xsrc.store.digest import HOPS, joined
from xsrc.store.manifest import Entry, Kind, Manifest
from xsrc.tree.package import Package, Subpackage

PRESETS: Mapping[str, tuple[str, ...]] = {
    "devel": (
        "usr/include",
        "usr/lib/*.a",
        "usr/lib/*.o",
        "usr/lib/pkgconfig",
        "usr/lib/cmake",
        "usr/lib/qt*/mkspecs",
        "usr/share/pkgconfig",
        "usr/share/cmake",
        "usr/share/aclocal",
        "usr/share/vala",
        "usr/share/gir-1.0",
        "usr/bin/*-config",
        "usr/share/man/man1/*-config.1",
        "usr/share/man/man[23]",
        "usr/share/man/*/man[23]",
    ),
    "libs": ("usr/lib/*.so.*",),
    "doc": ("usr/share/doc", "usr/share/info", "usr/share/gtk-doc", "usr/share/devhelp", "usr/share/html"),
    "man": ("usr/share/man",),
    "progs": (
        "usr/bin",
        "usr/sbin",
        "usr/share/man/man[18]",
        "usr/share/man/*/man[18]",
        "usr/share/bash-completion",
        "usr/share/zsh",
        "usr/share/fish",
    ),
}
"""The globs of presets. Of `usr/lib/*.so`, names for linking belong to `devel`, and libraries to `libs`."""

_LINKED_BY = "usr/lib/*.so"


def split(
    package: Package, entries: Iterable[Entry], libraries: Container[str]
) -> tuple[dict[str, tuple[Entry, ...]], list[Problem]]:
    """The entries of each subpackage and of the package itself, by name; and problems of the globs.

    `libraries` are the paths of ELF files. Each part has the directories of its paths. An empty directory belongs to
    the part whose globs match it, or else to the package.
    """
    every = sorted(entries)
    inner = {path.rpartition("/")[0] for path, *_ in every}
    left = [entry for entry in every if entry.kind is not Kind.DIR or entry.path not in inner]
    taken: dict[str, str] = {}
    parts: dict[str, tuple[Entry, ...]] = {}
    problems: list[Problem] = []
    for part in package.subpackages:
        mine = _mine(part, left, libraries)
        problems += _idle(part, left, libraries, taken)
        taken |= {entry.path: part.name for entry in mine}
        left = [entry for entry in left if entry.path not in taken]
        parts[part.name] = tuple(mine)
    parts[package.name] = tuple(left)
    folders = {entry.path: entry for entry in every if entry.kind is Kind.DIR}
    return {name: tuple(_whole(part, folders)) for name, part in _own_inodes(parts, package.name).items()}, problems


def _mine(part: Subpackage, entries: Iterable[Entry], libraries: Container[str]) -> list[Entry]:
    """The entries that a subpackage takes."""
    takers = [_taker(preset, libraries) for preset in part.presets] + [_glob(glob) for glob in part.files]
    leaves = [_glob(glob) for glob in part.but]
    return [e for e in entries if any(takes(e) for takes in takers) and not any(keeps(e) for keeps in leaves)]


def _idle(
    part: Subpackage, entries: Iterable[Entry], libraries: Container[str], taken: Mapping[str, str]
) -> Iterator[Problem]:
    """The globs and presets of a subpackage that match no remaining path."""
    left, gone = tuple(entries), [Entry(path, Kind.FILE) for path in taken]
    globs = [(("files", index), glob, _glob(glob)) for index, glob in enumerate(part.files)]
    globs += [(("except", index), glob, _glob(glob)) for index, glob in enumerate(part.but)]
    presets = [(("preset",), preset, _taker(preset, libraries)) for preset in part.presets]
    path: KeyPath
    for path, word, takes in (*globs, *presets):
        if word.startswith("?") or any(map(takes, left)):
            continue
        where = ("subpackages", part.name, *path)
        other = next((taken[entry.path] for entry in gone if takes(entry)), None)
        why = f"{other} has taken all that it matches" if other else "it matches nothing that is installed"
        yield where, f'{shown(where)}: "{word}": {why}', "a ? in front of a glob lets it match nothing"


def _taker(preset: str, libraries: Container[str]) -> Callable[[Entry], bool]:
    """The test of a preset for its paths."""
    globs = [_glob(glob) for glob in PRESETS[preset]]
    linked_by = _glob(_LINKED_BY)

    def takes(entry: Entry) -> bool:
        if preset in ("devel", "libs") and linked_by(entry):
            return (entry.path in libraries) is (preset == "libs")
        return any(glob(entry) for glob in globs)

    return takes


def _glob(glob: str) -> Callable[[Entry], bool]:
    """Whether a glob means a path or a directory that it is in."""
    pattern = within(glob)
    return lambda entry: pattern.match(entry.path) is not None


def _own_inodes(parts: Mapping[str, tuple[Entry, ...]], main: str) -> dict[str, tuple[Entry, ...]]:
    """The parts; a file with names in several parts is one file in `main`, and a separate file for each other name."""
    holders: dict[int, list[str]] = {}
    for name, entries in parts.items():
        for entry in entries:
            if entry.inode:
                holders.setdefault(entry.inode, []).append(name)

    def whole(inode: int, name: str) -> bool:
        names = holders.get(inode, [])
        return names.count(name) == len(names) or (name == main and names.count(main) > 1)

    return {
        name: tuple(entry if whole(entry.inode, name) else entry._replace(inode=0) for entry in entries)
        for name, entries in parts.items()
    }


def _whole(part: Iterable[Entry], folders: Mapping[str, Entry]) -> list[Entry]:
    """A part with the directories of its paths, and hard links numbered from 1."""
    found: dict[str, Entry] = {}
    numbers: dict[int, int] = {0: 0}
    for entry in part:
        found[entry.path] = entry._replace(inode=numbers.setdefault(entry.inode, len(numbers)))
        path = entry.path
        while (path := path.rpartition("/")[0]) and path not in found:
            found[path] = folders[path]
    return sorted(found.values())


def together(parts: Iterable[Iterable[Entry]]) -> Manifest:
    """All parts as one manifest, in which no file has names in several parts."""
    found: dict[str, Entry] = {}
    numbers: dict[tuple[int, int], int] = {}
    for number, part in enumerate(parts):
        for entry in part:
            inode = numbers.setdefault((number, entry.inode), len(numbers) + 1) if entry.inode else 0
            found[entry.path] = entry._replace(inode=inode)
    return Manifest.of(found.values())


def linking(parts: Mapping[str, tuple[Entry, ...]]) -> dict[str, set[str]]:
    """By name, the parts that its links to shared libraries lead into."""
    owners = {e.path: name for name, entries in parts.items() for e in entries if e.kind is not Kind.DIR}
    targets = {e.path: e.target for entries in parts.values() for e in entries if e.kind is Kind.LINK}
    found: dict[str, set[str]] = {name: set() for name in parts}
    for path in targets:
        at = path
        for _ in range(HOPS if ".so" in path.rpartition("/")[2] else 0):
            if at not in targets:
                break
            at = joined(at, targets[at])
            if (owner := owners.get(at, owners[path])) != owners[path]:
                found[owners[path]].add(owner)
    return found
