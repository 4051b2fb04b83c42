"""Tells by its bytes what kind of file a file is: what may be stripped, and what a build tool left behind."""

from __future__ import annotations

import enum
import struct
from typing import IO

from xsrc.store.elf import MAGIC

HEAD = 4096
"""Bytes at the beginning of a file in which its signs are looked for."""
_ARCHIVE, _THIN = b"!<arch>\n", b"!<thin>\n"
_LIBTOOL = b"libtool library file"
_RELOCATABLE, _LINKED = 1, (2, 3)
_NOBITS = 8
_MOST = 1 << 18


class Form(enum.Enum):
    """The kinds of files that the end of an install phase tells apart."""

    OTHER = "another file"
    ARCHIVE = "a static library"
    THIN = "a thin archive, whose members are elsewhere"
    OBJECT = "an object file"
    LINKED = "a program or a library"
    PAYLOAD = "an ELF file with something appended"
    DAMAGED = "a damaged ELF file"
    LIBTOOL = "a libtool archive"


def form(stream: IO[bytes], size: int) -> Form:
    """The form of a file of this size. Raises OSError."""
    stream.seek(0)
    head = stream.read(HEAD)
    if head.startswith(_ARCHIVE):
        return Form.ARCHIVE
    if head.startswith(_THIN):
        return Form.THIN
    if not head.startswith(MAGIC):
        return Form.LIBTOOL if head.startswith(b"#") and _LIBTOOL in head else Form.OTHER
    try:
        kind, end = _elf(stream)
    except (struct.error, ValueError, OverflowError):
        return Form.DAMAGED
    if kind != _RELOCATABLE and kind not in _LINKED:
        return Form.OTHER
    if end != size:
        return Form.PAYLOAD if end < size else Form.DAMAGED
    return Form.OBJECT if kind == _RELOCATABLE else Form.LINKED


def _elf(stream: IO[bytes]) -> tuple[int, int]:
    """The type of an ELF file, and where the last of its headers, segments and sections ends (elf(5))."""
    stream.seek(0)
    ident = stream.read(16)
    if len(ident) != 16 or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        raise ValueError("no ELF file")
    wide, order = ident[4] == 2, "<>"[ident[5] - 1]
    header = order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")
    words = struct.unpack(header, stream.read(struct.calcsize(header)))
    kind, segments, sections = words[0], words[4], words[5]
    segment_size, segment_count, section_size, section_count = words[8:12]
    ends = [16 + struct.calcsize(header), segments + segment_size * segment_count]

    def rows(form: str, table: int, size: int, count: int) -> list[tuple[int, ...]]:
        form = order + form
        if count > _MOST or size < struct.calcsize(form):
            raise ValueError("no table")
        stream.seek(table)
        data = stream.read(size * count)
        return [struct.unpack_from(form, data, number * size) for number in range(count)]

    if segment_count:
        found = rows("IIQQQQ" if wide else "IIIII", segments, segment_size, segment_count)
        ends += [row[2] + row[5] if wide else row[1] + row[4] for row in found]
    if sections:
        # with too many sections for the header, the first of them has their number
        form = "IIQQQQ" if wide else "IIIIII"
        section_count = section_count or rows(form, sections, section_size, 1)[0][5]
        found = rows(form, sections, section_size, section_count)
        ends += [row[4] + row[5] for row in found if row[1] != _NOBITS]
        ends.append(sections + section_size * section_count)
    return kind, max(ends)
