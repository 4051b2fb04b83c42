"""Reads the needs of the files of a sealed destdir; follows no link, runs nothing, and keeps to its limits.

A build can leave any bytes. A damaged file needs nothing. Beyond a limit, a file is refused or left unread.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from xsrc.core.errors import BuildFailed
from xsrc.store import elf
from xsrc.store.elf import Role
from xsrc.store.needs import (
    LIMIT,
    LONGEST,
    Need,
    Needs,
    Want,
    interpreter,
    perl_needs,
    pkg_config_needs,
    python_needs,
)
from xsrc.unix.walk import Item, Walk, held

MOST = 1 << 14
"""Different things that the files of one package may ask for."""
SEARCHED = 256 << 20
"""Bytes of a package in which names are looked for."""

_CHUNK = 1 << 20
_PROSE = re.compile(r"usr/share/(?:man|info|doc|gtk-doc|help|locale|licenses)/")
_EXAMPLE = re.compile(r"(?:^|/)(?:tests?|testing|examples?|demos?)/")
_PYTHON_FOLDER = re.compile(r"usr/lib(?:64)?/python3[^/]*/")
_PC_FOLDER = re.compile(r"usr/(?:lib|lib64|share)/pkgconfig/[^/]+\.pc")
_WORD = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.:+-]*")


def needs(destdir: Path, paths: Collection[str]) -> Needs:
    """The needs of the files at `paths`, in order. Raises BuildFailed if there are too many, and OSError."""
    found: dict[tuple[Want, str], Need] = {}
    static = False
    for item, data, file in _files(destdir, paths):
        if data[:4] == elf.MAGIC:
            read = elf.read(file)
            asked = [(Want.SONAME, name) for name in read.needed] if read else []
            static |= bool(read and read.role is Role.PROGRAM and not read.needed and not read.interpreter)
        else:
            asked = list(_text_needs(item, data, file))
        for want, name in dict.fromkeys(asked):
            key = want, "".join(c if c.isprintable() else "?" for c in name[:LONGEST])
            one = found.get(key) or Need(*key, item.path, 0)
            found[key] = one._replace(files=one.files + 1)
        if len(found) > MOST:
            raise BuildFailed(f"{destdir.name}: /{item.path}: its files ask for more than {MOST} things")
    return Needs(tuple(found.values()), static)


def named(destdir: Path, paths: Collection[str], words: Collection[str]) -> set[str]:
    """Those of `words` that the files at `paths` contain as separate words, programs too; prose is not read.

    If there is too much to search, return all of them. Raises OSError.
    """
    wanted = {word.encode(): word for word in words}
    found: set[str] = set()
    left = SEARCHED
    for _, data, file in _files(destdir, paths):
        window = data
        while window and len(found) < len(wanted):
            texts = {form for text in _WORD.findall(window) for form in (text, text.rstrip(b".:+-"))}
            found |= {wanted[text] for text in texts & wanted.keys()}
            if not (data := file.read(_CHUNK)):
                break
            window = window[-LONGEST:] + data
            if (left := left - len(data)) < 0:
                return set(words)
    return found


def _files(destdir: Path, paths: Collection[str]) -> Iterator[tuple[Item, bytes, IO[bytes]]]:
    """Each regular file at `paths` that is no prose, with how it begins, open; one that nobody may read is left out."""
    with Walk(destdir) as at:
        for item in at.items():
            if not stat.S_ISREG(item.status.st_mode) or item.path not in paths or _PROSE.match(item.path):
                continue
            with held(item.name, item.parent) as (thing, status):
                if not os.path.samestat(status, item.status) or not os.access(thing, os.R_OK):
                    continue
                with os.fdopen(os.open(thing, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                    yield item, file.read(4096), file


def _text_needs(item: Item, data: bytes, file: IO[bytes]) -> Iterator[tuple[Want, str]]:
    """What a text asks for."""
    path = item.path
    program = interpreter(data) if data[:2] == b"#!" and item.status.st_mode & 0o111 else ""
    if _EXAMPLE.search(path):
        return
    if program:
        yield Want.PROGRAM, program
    language = program.rpartition("/")[2]
    library = bool(_PYTHON_FOLDER.match(path) and path.endswith(".py"))
    if library and not program:
        yield Want.PROGRAM, "python3"
    reader: Callable[[bytes], Iterator[tuple[Want, str]]] | None = None
    if library or language.startswith("python"):
        reader = partial(python_needs, own=sys.stdlib_module_names)
    elif path.endswith(".pm") or language.startswith("perl"):
        reader = perl_needs
    elif _PC_FOLDER.fullmatch(path):
        reader = pkg_config_needs
    if reader is not None and item.status.st_size <= LIMIT:
        yield from reader(data + file.read(LIMIT - len(data)))
