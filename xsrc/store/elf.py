"""Reads an ELF file: the names that it provides and needs, where it searches for them, and its symbols.

It reads the program headers, as the loader does. A build can leave any bytes, so each table, and all names together,
have a limit. A file beyond a limit counts as damaged.
"""

from __future__ import annotations

import enum
import hashlib
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

MAGIC = b"\x7fELF"
LIMIT = 32 << 20
"""Bytes of the table of names, and of all names that are read of it together."""
MOST = 1 << 18
"""Rows of any other table."""


class Role(enum.Enum):
    """How others use an ELF file."""

    PROGRAM = enum.auto()
    """They run it."""
    LIBRARY = enum.auto()
    """They load it, or link against it."""
    OTHER = enum.auto()
    """They copy from it, as from an object file, or nobody can tell."""


@dataclass(frozen=True)
class Elf:
    """The dynamic section, as far as packages care."""

    soname: str = ""
    needed: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interpreter: str = ""
    role: Role = Role.OTHER
    exports: str = ""
    """Of a library: a digest of the symbols that others can use, with versions, kinds and the sizes of variables."""
    symbols: frozenset[str] = frozenset()
    """Of a library: the symbols that others can use, each as `name`, as `name@version`, or as both."""
    imports: frozenset[str] = frozenset()
    """The symbols that others have to define: `name`, or `name@version`; no weak ones."""

    @property
    def from_origin(self) -> bool:
        """Whether it looks for libraries from its own place, which for a program is that of its file, not of a link."""
        return any("$ORIGIN" in path or "${ORIGIN}" in path for path in self.runpath)


def read(stream: IO[bytes]) -> Elf | None:
    """Read an ELF file; None for a damaged one, an Elf without names for a static one."""
    try:
        file = _File(stream)
        dynamic = file.dynamic()
        role = _role(file, dynamic)
        table = _table(file, dynamic)
        exports = _digest(table) if role is Role.LIBRARY else ""
        return Elf(
            soname=next((file.name(at) for at in dynamic.get(_SONAME, ())), ""),
            needed=tuple(file.name(at) for at in dynamic.get(_NEEDED, ())),
            runpath=tuple(
                path for tag in (_RPATH, _RUNPATH) for at in dynamic.get(tag, ()) for path in file.name(at).split(":")
            ),
            interpreter=file.interpreter,
            role=role if exports or role is not Role.LIBRARY else Role.OTHER,
            exports=exports,
            symbols=frozenset(table.symbols()) if table and exports else frozenset(),
            imports=frozenset(table.imports) if table else frozenset(),
        )
    except (struct.error, ValueError, OverflowError, OSError):
        return None


def loaded(stream: IO[bytes]) -> tuple[tuple[int, int], ...]:
    """Where the parts of an ELF file are that a process has in memory, each with its size: all but debugging data.

    An object file, and a damaged one, has none.
    """
    try:
        return tuple((part.offset, part.size) for part in _File(stream).loads)
    except (struct.error, ValueError, OverflowError, OSError):
        return ()


_EXECUTABLE, _SHARED = 2, 3
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_GNU_HASH, _VERSYM, _FLAGS_1, _VERDEF, _VERDEFNUM = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFD
_VERNEED, _VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_VERSIONS = 0x7FFF
"""The number of a version has 15 bits."""
_PIE = 0x08000000
"""elf(5) and the gABI; DF_1_PIE marks a program that no interpreter starts."""

Dynamic = dict[int, list[int]]


class _Segment(NamedTuple):
    offset: int
    address: int
    size: int


class _File:
    """The headers of an ELF file, and the data at its addresses. Raises ValueError, struct.error or OSError."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        ident = self.data(0, 16)
        if ident[:4] != MAGIC or ident[4] not in (1, 2) or ident[5] not in (1, 2):
            raise ValueError("no ELF file")
        self.wide, self.order = ident[4] == 2, "<>"[ident[5] - 1]
        header = self.unpack("HHIQQQIHHH" if self.wide else "HHIIIIIHHH", 16)
        self.type, table, size, count = header[0], header[4], header[8], header[9]
        form = "IIQQQQQQ" if self.wide else "IIIIIIII"
        self.loads: list[_Segment] = []
        self.tags: _Segment | None = None
        self.interpreter = ""
        self.names = b""
        self.left = LIMIT
        for number in range(count):
            words = self.unpack(form, table + number * size)
            segment = _Segment(*((words[2], words[3], words[5]) if self.wide else (words[1], words[2], words[4])))
            if words[0] == _LOAD:
                self.loads.append(segment)
            elif words[0] == _DYNAMIC:
                self.tags = segment
            elif words[0] == _INTERPRETER:
                self.interpreter = self.data(segment.offset, min(segment.size, 4096)).rstrip(b"\0").decode()

    def data(self, offset: int, size: int) -> bytes:
        if size > LIMIT:
            raise ValueError("too much")
        self.stream.seek(offset)
        data = self.stream.read(size)
        if len(data) != size:
            raise ValueError("cut off")
        return data

    def unpack(self, form: str, offset: int) -> tuple[int, ...]:
        form = self.order + form
        return struct.unpack(form, self.data(offset, struct.calcsize(form)))

    def words(self, form: str, offset: int, count: int) -> Iterator[tuple[int, ...]]:
        """So many equal rows."""
        if count > MOST:
            raise ValueError("too many")
        form = self.order + form
        return struct.iter_unpack(form, self.data(offset, count * struct.calcsize(form)))

    def offset(self, address: int) -> int:
        """The offset in the file of something that is loaded to an address."""
        for load in self.loads:
            if load.address <= address < load.address + load.size:
                return load.offset + address - load.address
        raise ValueError("not loaded")

    def dynamic(self) -> Dynamic:
        """The values of each tag; then names can be read."""
        found: Dynamic = {}
        if self.tags is not None:
            size = 16 if self.wide else 8
            for tag, value in self.words("qQ" if self.wide else "iI", self.tags.offset, self.tags.size // size):
                if tag == 0:
                    break
                found.setdefault(tag, []).append(value)
        if _STRTAB in found and _STRSZ in found:
            self.names = self.data(self.offset(found[_STRTAB][0]), found[_STRSZ][0])
        return found

    def raw_name(self, at: int) -> bytes:
        end = self.names.index(b"\0", at, at + self.left)
        self.left -= end - at
        return self.names[at:end]

    def name(self, at: int) -> str:
        return self.raw_name(at).decode(errors="surrogateescape")


def _role(file: _File, dynamic: Dynamic) -> Role:
    if file.type == _EXECUTABLE:
        return Role.PROGRAM
    if file.type != _SHARED:
        return Role.OTHER
    # some libraries can be run as well: the C library, the loader
    program = file.interpreter or dynamic.get(_FLAGS_1, [0])[0] & _PIE
    return Role.PROGRAM if program and _SONAME not in dynamic else Role.LIBRARY


_OBJECT, _FUNCTION, _COMMON, _TLS, _IFUNC = 1, 2, 5, 6, 10
_SIZED = (_OBJECT, _COMMON, _TLS)
"""Variables: programs hold copies of them, as large as they once were."""
_GLOBAL = 1
_UNVERSIONED = 1
"""The number of the version that means the whole file."""
_BINDINGS = (_GLOBAL, 2, 10)
"""Global, weak and unique."""


class _Table:
    """The dynamic symbols of a file: those that it defines for others, and those that it wants of others."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []
        self.defined: list[tuple[bytes, bytes]] = []
        """Names with their versions, empty if they have none."""
        self.imports: list[str] = []

    def symbols(self) -> Iterator[str]:
        """The names by which others find what is defined: who wants no version gets any (ld.so(8))."""
        for name, version in self.defined:
            yield _text(name)
            if version:
                yield f"{_text(name)}@{_text(version)}"


def _table(file: _File, dynamic: Dynamic) -> _Table | None:
    """The symbols of a file; None if its tables cannot be understood."""
    table = _Table()
    try:
        _read_symbols(file, dynamic, table)
    except (KeyError, struct.error, ValueError, OverflowError):
        return None
    return table


def _digest(table: _Table | None) -> str:
    """The digest of what a library lets others use; "" if its table cannot be understood."""
    if table is None:
        return ""
    digest = hashlib.sha256()
    for row in sorted(table.rows):
        digest.update(row)
    return digest.hexdigest()[:32]


def _read_symbols(file: _File, dynamic: Dynamic, into: _Table) -> None:
    """Read each symbol that is defined here and seen from outside, and each that is wanted."""
    count = _count(file, dynamic)
    if count > MOST:  # before there is anything for each of them: the file says how many, and need not hold them
        raise ValueError("too many")
    table = file.offset(dynamic[_SYMTAB][0])
    versions, wanted = _versions(file, dynamic), _wanted(file, dynamic)
    marks: Iterator[tuple[int, ...]] = iter([(1,)] * count)
    if _VERSYM in dynamic:
        marks = file.words("H", file.offset(dynamic[_VERSYM][0]), count)
    rows = file.words("IBBHQQ" if file.wide else "IIIBBH", table, count)
    for row, (mark,) in zip(rows, marks, strict=True):
        at, info, other, index, size = (*row[:4], row[5]) if file.wide else (row[0], *row[3:], row[2])
        if index == 0:
            if info >> 4 == _GLOBAL and at:
                version = wanted.get(mark & 0x7FFF, b"")
                file.left -= len(version)
                text = _text(file.raw_name(at))
                into.imports.append(f"{text}@{_text(version)}" if version else text)
            continue
        if info >> 4 not in _BINDINGS or other & 3 not in (0, 3):
            continue
        kind = info & 15
        length = size if kind in _SIZED else 0
        version = versions.get(mark & 0x7FFF, b"")
        file.left -= len(version)
        # @ is for who was linked with that version, @@ also for who is linked now
        name, sign = file.raw_name(at), b"@" if mark & 0x8000 else b"@@"
        into.rows.append(b"%b%b%b %d %d\n" % (name, sign, version, _FUNCTION if kind == _IFUNC else kind, length))
        into.defined.append((name, version if mark & 0x7FFF > _UNVERSIONED else b""))


def _text(name: bytes) -> str:
    return name.decode(errors="surrogateescape")


def _count(file: _File, dynamic: Dynamic) -> int:
    """How many dynamic symbols there are: only tables for finding them say so."""
    if _HASH in dynamic:
        return file.unpack("II", file.offset(dynamic[_HASH][0]))[1]
    at = file.offset(dynamic[_GNU_HASH][0])
    buckets, first, bloom, _ = file.unpack("IIII", at)
    at += 16 + bloom * (8 if file.wide else 4)
    last = max((one for (one,) in file.words("I", at, buckets)), default=0)
    if last < first:
        return first
    at += 4 * buckets
    while last - first < MOST and not file.unpack("I", at + 4 * (last - first))[0] & 1:  # so is the end of a chain
        last += 1
    return last + 1


def _versions(file: _File, dynamic: Dynamic) -> dict[int, bytes]:
    """The versions that a library defines, by number."""
    found: dict[int, bytes] = {}
    if _VERDEF in dynamic:
        at = file.offset(dynamic[_VERDEF][0])
        for _ in range(min(dynamic[_VERDEFNUM][0], _VERSIONS)):
            _, _, number, _, _, name, step = file.unpack("HHHHIII", at)
            found[number] = file.raw_name(file.unpack("II", at + name)[0])
            at += step
    return found


def _wanted(file: _File, dynamic: Dynamic) -> dict[int, bytes]:
    """The versions that a file wants of others, by number."""
    found: dict[int, bytes] = {}
    if _VERNEED in dynamic:
        at, left = file.offset(dynamic[_VERNEED][0]), _VERSIONS
        for _ in range(min(dynamic[_VERNEEDNUM][0], _VERSIONS)):
            _, count, _, first, step = file.unpack("HHIII", at)
            one = at + first
            for _ in range(count):
                _, _, number, name, further = file.unpack("IHHII", one)
                found[number & 0x7FFF] = file.raw_name(name)
                one += further
                left -= 1
                if left < 0:
                    raise ValueError("too many")
            at += step
    return found


def lacking(wanted: Iterable[str], offered: Collection[str]) -> list[str]:
    """The symbols of `wanted` that a library does not have, by the symbols that it offers.

    A wanted version matters only if the library has versions (ld.so(8)).

    >>> lacking(["f", "g@V2"], {"f", "f@V1", "g", "g@V1"}), lacking(["g@V2"], {"g"})
    (['g@V2'], [])
    """
    missing = [one for one in wanted if one not in offered]
    if missing and not any("@" in one for one in offered):
        return [one for one in missing if one.partition("@")[0] not in offered]
    return missing
