"""Which paths of a destdir go to which subpackage: the first one in the order of the template takes a path."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import cache

from xsrc.model.interface import joined
from xsrc.model.manifest import Entry, Kind, Manifest
from xsrc.model.package import Package, Subpackage
from xsrc.model.schema import Problem, shown
from xsrc.model.tomlspan import Path

PRESETS: Mapping[str, tuple[str, ...]] = {
    "devel": (
        *("usr/include", "usr/lib/*.a", "usr/lib/*.o", "usr/lib/pkgconfig", "usr/lib/cmake", "usr/lib/qt*/mkspecs"),
        *("usr/share/pkgconfig", "usr/share/cmake", "usr/share/aclocal", "usr/share/vala", "usr/share/gir-1.0"),
        *("usr/bin/*-config", "usr/share/man/man1/*-config.1", "usr/share/man/man[23]", "usr/share/man/*/man[23]"),
    ),
    "libs": ("usr/lib/*.so.*",),
    "doc": ("usr/share/doc", "usr/share/info", "usr/share/gtk-doc", "usr/share/devhelp", "usr/share/html"),
    "man": ("usr/share/man",),
    "progs": (
        *("usr/bin", "usr/sbin", "usr/share/man/man[18]", "usr/share/man/*/man[18]"),
        *("usr/share/bash-completion", "usr/share/zsh", "usr/share/fish"),
    ),
}
"""What a preset takes. Of `usr/lib/*.so`, what programs are linked by is `devel`'s, and a library itself is `libs`'."""

_LINKED_BY = "usr/lib/*.so"
_HOPS = 40
_SIGN = re.compile(r"\[!?\]?[^\]/]*\]|.", re.DOTALL)


def split(
    package: Package, entries: Iterable[Entry], libraries: Container[str]
) -> tuple[dict[str, tuple[Entry, ...]], list[Problem]]:
    """The entries of each subpackage and of the package itself, by name; and what is wrong with the globs.

    `libraries` are the paths of ELF files. Each part has the directories that its paths are in; one that holds nothing
    belongs to who takes it, and else to the package.
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
    """Which of the entries a subpackage takes."""
    takers = [_taker(preset, libraries) for preset in part.presets] + [_glob(glob) for glob in part.files]
    leaves = [_glob(glob) for glob in part.but]
    return [e for e in entries if any(takes(e) for takes in takers) and not any(keeps(e) for keeps in leaves)]


def _idle(
    part: Subpackage, entries: Iterable[Entry], libraries: Container[str], taken: Mapping[str, str]
) -> Iterator[Problem]:
    """What of a subpackage's globs and presets stands for nothing that is left."""
    left, gone = tuple(entries), [Entry(path, Kind.FILE) for path in taken]
    globs = [(("files", index), glob, _glob(glob)) for index, glob in enumerate(part.files)]
    globs += [(("except", index), glob, _glob(glob)) for index, glob in enumerate(part.but)]
    presets = [(("preset",), preset, _taker(preset, libraries)) for preset in part.presets]
    path: Path
    for path, word, takes in (*globs, *presets):
        if word.startswith("?") or any(map(takes, left)):
            continue
        where = ("subpackages", part.name, *path)
        other = next((taken[entry.path] for entry in gone if takes(entry)), None)
        why = f"{other} has taken all that it matches" if other else "it matches nothing that is installed"
        yield where, f'{shown(where)}: "{word}": {why}', "a ? in front of a glob lets it match nothing"


def _taker(preset: str, libraries: Container[str]) -> Callable[[Entry], bool]:
    """What a preset takes."""
    globs = [_glob(glob) for glob in PRESETS[preset]]
    linked_by = _glob(_LINKED_BY)

    def takes(entry: Entry) -> bool:
        if preset in ("devel", "libs") and linked_by(entry):
            return (entry.path in libraries) is (preset == "libs")
        return any(glob(entry) for glob in globs)

    return takes


def _glob(glob: str) -> Callable[[Entry], bool]:
    """Whether a glob means a path or a directory that it is in."""
    pattern = _pattern(glob)
    return lambda entry: pattern.match(entry.path) is not None


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    """A glob as sh reads it, where no sign stands for a slash; a name `**` is any number of directories.

    No glob takes long: what follows a `*` or `**` is looked for once, and the first place where it fits is kept (an
    atomic group). A later place could only leave less for the rest of the glob.

    >>> [bool(_pattern("usr/lib/*.so").match(path)) for path in ("usr/lib/a.so", "usr/lib/a.so/b", "usr/lib/a/b.so")]
    [True, True, False]
    >>> bool(_pattern("usr/**/man3").match("usr/share/man/man3/x.3")), bool(_pattern("usr/**/a").match("usr/a"))
    (True, True)
    """
    *names, last = glob.removeprefix("?").strip("/").split("/")
    runs: list[list[str]] = [[]]
    for name in names:
        if name == "**":
            runs.append([])
        else:
            runs[-1].append(f"{_name(name)}/")
    runs[-1].append(_name(last) + r"(?=/|\Z)")
    first, *later = ("".join(run) for run in runs)
    try:
        return re.compile(first + "".join(f"(?>(?:[^/]+/)*?{run})" for run in later) + r"(?:/.*)?\Z", re.DOTALL)
    except re.error:  # [z-a]
        return re.compile(re.escape(glob) + r"(?:/.*)?\Z")


def _name(glob: str) -> str:
    """The regular expression of one name of a glob."""
    parts = [""]
    for sign in _SIGN.findall(glob):
        match sign:
            case "*":
                parts.append("")
            case "?":
                parts[-1] += "[^/]"
            case _ if len(sign) > 2:
                signs = re.sub(r"([\\[&~|^])", r"\\\1", sign[1:-1])
                parts[-1] += "(?!/)" + (f"[^{signs[1:]}]" if signs[0] == "!" else f"[{signs}]")
            case _:
                parts[-1] += re.escape(sign)
    first, *later = parts
    if not later:
        return first
    *middle, last = later
    return first + "".join(f"(?>[^/]*?{part})" for part in middle if part) + f"[^/]*{last}(?=/|\\Z)"


def _own_inodes(parts: Mapping[str, tuple[Entry, ...]], main: str) -> dict[str, tuple[Entry, ...]]:
    """The parts, where what has names in several of them is one file in `main` only, and else one for each name."""
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
    """A part with the directories that its paths are in, hard links numbered from 1."""
    found: dict[str, Entry] = {}
    numbers: dict[int, int] = {0: 0}
    for entry in part:
        found[entry.path] = entry._replace(inode=numbers.setdefault(entry.inode, len(numbers)))
        path = entry.path
        while (path := path.rpartition("/")[0]) and path not in found:
            found[path] = folders[path]
    return sorted(found.values())


def together(parts: Iterable[Iterable[Entry]]) -> Manifest:
    """Parts as one manifest again, but that no file has names in several of them."""
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
        for _ in range(_HOPS if ".so" in path.rpartition("/")[2] else 0):
            if at not in targets:
                break
            at = joined(at, targets[at])
            if (owner := owners.get(at, owners[path])) != owners[path]:
                found[owners[path]].add(owner)
    return found
