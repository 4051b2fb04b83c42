"""What is read of ELF files: of a real one, of small ones made here, and of damaged ones."""

from __future__ import annotations

import hashlib
import io
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from xsrc.store.elf import MAGIC, Elf, Role, read

SHELL = Path("/bin/sh").read_bytes()


def elf(**tags: list[str] | str) -> bytes:
    """A 64-bit file of one PT_DYNAMIC and one PT_LOAD segment; `soname`, `needed`, `runpath` and `rpath` as tags."""
    names = {"needed": 1, "soname": 14, "rpath": 15, "runpath": 29}
    strings, entries = b"\0", []
    for name, values in tags.items():
        for value in [values] if isinstance(values, str) else values:
            entries.append((names[name], len(strings)))
            strings += value.encode() + b"\0"
    at = 64 + 2 * 56
    dynamic_size = 16 * (len(entries) + 3)
    entries += [(5, at + dynamic_size), (10, len(strings)), (0, 0)]
    dynamic = b"".join(struct.pack("<qQ", *entry) for entry in entries)
    body = dynamic + strings
    header = MAGIC + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 4, 0, 0, 0, at + len(body), at + len(body), 1)
    segment = struct.pack("<IIQQQQQQ", 2, 4, at, at, at, len(dynamic), len(dynamic), 8)
    return header + load + segment + body


def of(data: bytes) -> Elf | None:
    return read(io.BytesIO(data))


def test_the_shell_of_this_machine() -> None:
    found = of(SHELL)
    assert found is not None
    if b"/ld-" in SHELL:  # linked dynamically
        assert any(name.startswith("libc.") for name in found.needed)
        assert "/ld-" in found.interpreter


def test_names_of_a_library() -> None:
    data = elf(soname="libz.so.1", needed=["libc.so.6", "libm.so.6"], runpath="$ORIGIN/../lib:/usr/lib")
    assert of(data) == Elf("libz.so.1", ("libc.so.6", "libm.so.6"), ("$ORIGIN/../lib", "/usr/lib"), "")


def test_rpath_is_a_runpath_too() -> None:
    found = of(elf(rpath="/opt/lib"))
    assert found is not None
    assert found.runpath == ("/opt/lib",)


def test_a_library_without_names() -> None:
    assert of(elf()) == Elf()


def test_what_is_no_elf_file() -> None:
    assert of(b"") is None
    assert of(b"#!/bin/sh\n") is None
    assert of(MAGIC) is None


@pytest.mark.parametrize("length", [5, 16, 63, 64, 100, 300, 1000])
def test_files_that_are_cut_off_raise_nothing(length: int) -> None:
    of(SHELL[:length])
    of(elf(needed=["libc.so.6"])[:length])


def test_damaged_files_raise_nothing() -> None:
    dice = random.Random(20260101)
    small = elf(soname="liba.so", needed=["libc.so.6"], runpath="/usr/lib")
    for _ in range(400):
        data = bytearray(small)
        for _ in range(dice.randint(1, 8)):
            data[dice.randrange(4, len(data))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        of(bytes(data))


LIBRARIES = sorted(Path("/usr/lib").glob("*-linux-gnu*/lib[bcmz]*.so.?"))[:25]
KINDS = {
    "STT_NOTYPE": 0,
    "STT_OBJECT": 1,
    "STT_FUNC": 2,
    "STT_COMMON": 5,
    "STT_TLS": 6,
    "STT_LOOS": 2,
    "STT_GNU_IFUNC": 2,
}


def exported(path: Path) -> tuple[tuple[str, ...], str, set[str], set[str]]:
    """What pyelftools reads of a library by its section headers.

    The names it needs, the digest of what it exports, its symbols for others, and those that it wants of others.
    """
    with path.open("rb") as stream:
        file: Any = ELFFile(stream)
        dynamic: Any = next(s for s in file.iter_segments() if isinstance(s, DynamicSegment))
        tags = list(dynamic.iter_tags())
        needed = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
        versions: dict[int, str] = {}
        marks = file.get_section_by_name(".gnu.version")
        if (defined := file.get_section_by_name(".gnu.version_d")) is not None:
            versions = {one["vd_ndx"]: next(iter(names)).name for one, names in defined.iter_versions()}
        wanted = {}
        if (needs := file.get_section_by_name(".gnu.version_r")) is not None:
            wanted = {one["vna_other"]: one.name for _, names in needs.iter_versions() for one in names}
        rows, symbols, imports = [], set(), set()
        for number, symbol in enumerate(file.get_section_by_name(".dynsym").iter_symbols()):
            seen = symbol["st_other"]["visibility"] in ("STV_DEFAULT", "STV_PROTECTED")
            mark: Any = marks.get_symbol(number)["ndx"] if marks is not None else 1
            mark = {"VER_NDX_LOCAL": 0, "VER_NDX_GLOBAL": 1}.get(mark, mark)
            if symbol["st_shndx"] == "SHN_UNDEF" and symbol["st_info"]["bind"] == "STB_GLOBAL":
                imports.add(f"{symbol.name}@{wanted[mark]}" if mark in wanted else symbol.name)
            if symbol["st_shndx"] == "SHN_UNDEF" or symbol["st_info"]["bind"] == "STB_LOCAL" or not seen:
                continue
            symbols |= {symbol.name} | ({f"{symbol.name}@{versions[mark & 0x7FFF]}"} if mark & 0x7FFF > 1 else set())
            kind = KINDS[symbol["st_info"]["type"]]
            name = f"{symbol.name}{'@' if mark & 0x8000 else '@@'}{versions.get(mark & 0x7FFF, '')}"
            rows.append(f"{name} {kind} {symbol['st_size'] if kind in (1, 5, 6) else 0}\n".encode())
    return needed, hashlib.sha256(b"".join(sorted(rows))).hexdigest()[:32], symbols, imports


@pytest.mark.skipif(not LIBRARIES, reason="this machine keeps its libraries elsewhere")
@pytest.mark.parametrize("path", LIBRARIES, ids=[path.name for path in LIBRARIES])
def test_libraries_of_this_machine_as_another_reader_sees_them(path: Path) -> None:
    found = of(path.read_bytes())
    assert found is not None and found.role is Role.LIBRARY
    assert (found.needed, found.exports, {*found.symbols}, {*found.imports}) == exported(path)
