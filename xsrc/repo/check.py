"""Finds what is wrong with the packages of an index as a whole; pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xsrc.core.pkgver import Pattern, PkgVer

Entries = Mapping[str, Mapping[str, Any]]
"""By name, the index entries of all packages."""


def unmet(entries: Entries) -> Iterator[str]:
    """A line for each need that no package of the index meets: packages, then libraries."""
    sonames = {soname for entry in entries.values() for soname in entry.get("shlib-provides", ())}
    offers: dict[str, list[PkgVer]] = {}
    for entry in entries.values():
        for text in (entry["pkgver"], *entry.get("provides", ())):
            with contextlib.suppress(ValueError):
                offers.setdefault(PkgVer.parse(text).name, []).append(PkgVer.parse(text))
    for name, entry in sorted(entries.items()):
        for text in entry.get("run_depends", ()):
            if not any(meets(text, one) for one in offers.get(_name(text), ())):
                yield f"{entry['pkgver']}: needs {text}, and no package of the index is that"
        for soname in entry.get("shlib-requires", ()):
            if soname not in sonames:
                yield f"{name}: needs the library {soname}, and no package of the index has it"


def _name(text: str) -> str:
    with contextlib.suppress(ValueError):
        return PkgVer.parse(text).name
    return Pattern.parse(text).name


def meets(text: str, pkgver: PkgVer) -> bool:
    """Whether a package meets a pattern of xbps.

    >>> [meets(text, PkgVer("foo", "1.0", 1)) for text in ("foo>=0", "foo-1.0_1", "foo-1.0_2", "foo<1", "fo>=0")]
    [True, True, False, False, False]
    """
    with contextlib.suppress(ValueError):
        return PkgVer.parse(text) == pkgver
    return Pattern.parse(text).matches(pkgver)


def shared_paths(paths: Iterable[tuple[str, str]], entries: Entries) -> Iterator[str]:
    """A line for each path that two packages have, unless they refuse each other or one replaces the other.

    `paths` are pairs of a path, of no directory, and the name of its package.
    """
    owners: dict[str, str] = {}
    for path, name in paths:
        other = owners.setdefault(path, name)
        if other != name and not (_apart(entries[other], entries[name]) or _apart(entries[name], entries[other])):
            yield f"{path}: both {entries[other]['pkgver']} and {entries[name]['pkgver']} have it"


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    names = [PkgVer.parse(text) for text in (other["pkgver"], *other.get("provides", ()))]
    return any(meets(text, name) for key in ("conflicts", "replaces") for text in one.get(key, ()) for name in names)


def gone(entries: Entries, names: frozenset[str]) -> Iterator[str]:
    """A line for each package whose template is not in the tree any more; packages of bases have none."""
    for entry in entries.values():
        template = str(entry.get("sourcepkg", entry["pkgver"])).rpartition("-")[0]
        if template not in names and not template.startswith("base-libs-"):
            yield f"{entry['pkgver']}: its template {template} is gone"
