"""Computes the outcome of a build, the part that dependents can notice, from its manifest and its ELF files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from xsrc.core.outcome import Outcome
from xsrc.store.elf import Elf, Role
from xsrc.store.manifest import Entry, Kind

FORMAT = 2
"""Increase this number when digests are computed differently."""

_PROSE = tuple(f"usr/share/{name}/" for name in ("man", "info", "doc", "gtk-doc", "help", "locale", "licenses"))
"""Files for people, which no build reads."""
HOPS = 40
"""Links that lead to links, at most (path_resolution(7))."""


def outcome(
    entries: Iterable[Entry],
    elves: Mapping[str, Elf],
    rules: Mapping[str, Any],
    run_depends: Iterable[str],
    shlib_requires: Iterable[str],
    shlib_provides: Iterable[str],
) -> Outcome:
    """The outcome of a build, from its manifest, its ELF files by path, and its property list."""
    entries = sorted(entries)
    needs = sorted(run_depends)
    exact = [entries, rules, needs, sorted(shlib_requires), sorted(shlib_provides)]
    read = [_read(entry, elves.get(entry.path)) for entry in entries if not f"{entry.path}/".startswith(_PROSE)]
    names = _names(entries, elves)
    return Outcome(
        _digest(exact), _digest([read, needs, rules.get("alternatives", [])]), _digest(names) if names else ""
    )


def _read(entry: Entry, elf: Elf | None) -> tuple[Any, ...]:
    """What the build of a dependent can read of a path."""
    if entry.kind is not Kind.FILE:
        return entry.path, entry.kind, entry.target
    match elf.role if elf else Role.OTHER:
        case Role.PROGRAM:
            return entry.path, "program"
        case Role.LIBRARY if elf:
            return entry.path, "library", elf.soname, elf.needed, elf.exports
    return entry.path, entry.mode, entry.sha256


def _names(entries: Iterable[Entry], elves: Mapping[str, Elf]) -> list[tuple[str, str]]:
    """Each soname that is provided, with the names that loader and linker find it by; no version of a file's name."""
    found = {(elf.soname, "") for elf in elves.values() if elf.soname}
    for path, elf in libraries(entries, elves):
        name = path.rpartition("/")[2]
        if elf.soname and (name == elf.soname or name.endswith(".so")):
            found.add((elf.soname, name))
    return sorted(found)


def libraries(entries: Iterable[Entry], elves: Mapping[str, Elf]) -> Iterator[tuple[str, Elf]]:
    """Each path with a library's name, and the ELF file that it is or that links of the package lead to."""
    links = {entry.path: entry.target for entry in entries if entry.kind is Kind.LINK}
    for path in (*links, *elves):
        if ".so" in path.rpartition("/")[2] and (elf := elves.get(_followed(path, links))):
            yield path, elf


def _followed(path: str, links: Mapping[str, str]) -> str:
    """Where a path leads to by the links of its own package; folders that are links are not looked through."""
    for _ in range(HOPS):
        if path not in links:
            break
        path = joined(path, links[path])
    return path


def joined(path: str, target: str) -> str:
    """Where a link at a path of a package leads.

    >>> joined("usr/lib/libz.so", "../../usr/lib/libz.so.1")
    'usr/lib/libz.so.1'
    """
    parts: list[str] = []
    for part in (PurePosixPath("/", path).parent / target).parts[1:]:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return "/".join(parts)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps([FORMAT, value], sort_keys=True).encode()).hexdigest()[:32]


def linked_statically(paths: Iterable[str], shlib_provides: Iterable[str], needed: Iterable[str]) -> bool:
    """Whether a dependent may hold code of a package's archives; `needed` are the sonames that its files need.

    It may if it needs no library of a package that has archives, or if an archive has no library beside it.

    >>> linked_statically(["usr/lib/libz.a", "usr/lib/libz.so"], ["libz.so.1"], ["libz.so.1"])
    False
    >>> linked_statically(["usr/lib/libfl.a"], [], []), linked_statically(["usr/include/a.h"], [], [])
    (True, False)
    """
    names = [path.rpartition("/")[2] for path in paths]
    archives = {name.removesuffix(".a") for name in names if name.endswith(".a")}
    libraries = {name.removesuffix(".so") for name in names if name.endswith(".so")}
    return bool(archives and (set(needed).isdisjoint(shlib_provides) or archives - libraries))
