"""Finds what a built package needs at run time, by the libraries that its files need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xsrc.store.elf import Elf, lacking
from xsrc.store.link import Link, packed, unpacked


@dataclass(frozen=True)
class Provider:
    """A package in the build root whose libraries files can be linked with."""

    pkgver: str
    build: str = ""
    """Which build; "" if it is made by the same build."""
    exports: Mapping[str, bytes] = field(default_factory=dict)
    """The symbols of its libraries by soname, packed."""


def run_depends(
    declared: Iterable[str], requires: Iterable[str], provides: Iterable[str], closure: Mapping[str, Iterable[str]]
) -> tuple[str, ...]:
    """Names of packages: the declared patterns, then those that provide a needed soname.

    `closure` has the sonames of each package in the build root. A soname that neither they nor the package itself
    provide comes from the base.
    """
    givers = first_givers(closure)
    found = (givers[soname] for soname in sorted(set(requires) - set(provides)) if soname in givers)
    return tuple(dict.fromkeys((*declared, *found)))


def first_givers(closure: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """For each soname, the first package by name that has it; `closure` has the sonames of each."""
    givers: dict[str, str] = {}
    for name in sorted(closure):
        for soname in closure[name]:
            givers.setdefault(soname, name)
    return givers


def exports(elves: Mapping[str, Elf], provides: Iterable[str]) -> dict[str, bytes]:
    """The symbols of a package's libraries, packed, by the names of `provides`; nothing for one that says none.

    `elves` are its files by path. A library without a soname has the name of its file.
    """
    found: dict[str, set[str]] = {}
    for path, elf in elves.items():
        found.setdefault(elf.soname or path.rpartition("/")[2], set()).update(elf.symbols)
    return {name: packed(found[name]) if found.get(name) else b"" for name in sorted(provides)}


def links(elves: Mapping[str, Elf], own: Iterable[str], providers: Mapping[str, Provider]) -> dict[str, Link]:
    """By soname, what files are linked with; `elves` by path, `own` are the sonames of the package itself.

    A soname that no provider has comes from the base. If several have it, the first by name counts.
    """
    asking: dict[str, list[str]] = {}
    for path in sorted(elves):
        for soname in elves[path].needed:
            asking.setdefault(soname, []).append(path)
    givers = first_givers({name: one.exports for name, one in providers.items()})
    result = {}
    for soname in sorted(asking.keys() & givers.keys() - set(own)):
        giver, paths = providers[givers[soname]], asking[soname]
        offered = frozenset(unpacked(giver.exports[soname]))
        wanted = {symbol for path in paths for symbol in elves[path].imports}
        used = wanted.difference(lacking(wanted, offered))
        result[soname] = Link(giver.pkgver, giver.build, paths[0], packed(used))
    return result
