"""Where the loader of a root looks for libraries, as ld.so(8) says: search paths in files, then the usual folders."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from xsrc.store.digest import joined, libraries
from xsrc.store.elf import Elf
from xsrc.store.manifest import Entry, Kind

USUAL = ("usr/lib",)
"""The folders that every root searches; /lib leads there."""
CONFIG = re.compile(r"etc/ld\.so\.conf\.d/[^/]+\.conf")
"""Files of packages that name further folders, a line each."""
_LIB = re.compile(r"\$(?:LIB|\{LIB\})")
_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})")


class Unfound(NamedTuple):
    """A library of a package that the loader does not find for one of its files."""

    path: str
    """The program, or the library, that needs it."""
    soname: str
    place: str
    """Where it is."""


def configured(data: bytes) -> tuple[str, ...]:
    """The folders that a file of ld.so.conf.d names.

    >>> configured(b"# ours\\n/usr/lib/x/\\n/lib/y\\ninclude z\\n")
    ('usr/lib/x', 'usr/lib/y')
    """
    lines = (line.partition("#")[0].strip() for line in data.decode(errors="replace").splitlines())
    return tuple(_place("", line) for line in lines if line.startswith("/"))


def public(entries: Iterable[Entry], elves: Mapping[str, Elf], searched: Collection[str] = ()) -> frozenset[str]:
    """The sonames that the loader finds for every program: those of libraries in its own folders."""
    folders = {*USUAL, *searched}
    return frozenset(elf.soname for path, elf in libraries(entries, elves) if _folder(path) in folders) - {""}


def unfound(entries: Iterable[Entry], elves: Mapping[str, Elf], searched: Collection[str] = ()) -> Iterator[Unfound]:
    """Libraries of a package that the loader does not find for the package's own files.

    It is certain for programs, and for libraries in the folders of the loader. What is in another folder may be loaded
    by a program that has loaded its needs before.
    """
    entries, folders = tuple(entries), {*USUAL, *searched}
    links = {entry.path: entry.target for entry in entries if entry.kind is Kind.LINK}
    there = {entry.path for entry in entries if entry.kind is not Kind.DIR}
    found = public(entries, elves, searched)
    homes = {path.rpartition("/")[2]: path for path in sorted(there)}
    homes |= {elf.soname: path for path, elf in sorted(elves.items()) if elf.soname}
    for path, elf in sorted(elves.items()):
        if not elf.interpreter and _folder(path) not in folders:
            continue
        ways = {*folders, *(_followed(_place(path, word), links) for word in elf.runpath if word)}
        for soname in elf.needed:
            if soname in homes and soname not in found and not any(f"{way}/{soname}" in there for way in ways):
                yield Unfound(path, soname, homes[soname])


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _place(path: str, word: str) -> str:
    """The folder that a word of a search path means, for a file at `path`; /lib is below /usr."""
    word = _LIB.sub("lib", _ORIGIN.sub(f"/{_folder(path)}", word))
    place = joined("x", word)
    return f"usr/{place}" if re.match(r"lib(?:64|32)?(?:/|$)", place) else place


def _followed(folder: str, links: Mapping[str, str]) -> str:
    """A folder, reached through the links of the package."""
    place = ""
    for part in folder.split("/"):
        place = f"{place}/{part}".lstrip("/")
        for _ in range(len(links)):
            if place not in links:
                break
            place = joined(place, links[place])
    return place
