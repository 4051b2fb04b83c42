"""What an ELF file says about itself: the name it provides, the names it needs, where it looks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Elf:
    """The dynamic section, as far as packages care."""

    soname: str = ""
    needed: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    interpreter: str = ""

    @property
    def from_origin(self) -> bool:
        """Whether it looks for libraries from its own place, which for a program is that of its file, not of a link."""
        return any("$ORIGIN" in path or "${ORIGIN}" in path for path in self.runpath)


def read(stream: IO[bytes]) -> Elf | None:
    """Read an ELF file; None for a damaged one, an Elf without names for a static one."""
    # imported here: most commands look at no ELF file, and the parser costs more than all else they import
    from elftools.common.exceptions import ELFError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    soname, needed, runpath, interpreter = "", [], [], ""
    try:
        for segment in ELFFile(stream).iter_segments():
            if isinstance(segment, InterpSegment):
                interpreter = segment.get_interp_name()
            elif isinstance(segment, DynamicSegment):
                tag: Any
                for tag in segment.iter_tags():
                    match tag.entry.d_tag:
                        case "DT_SONAME":
                            soname = tag.soname
                        case "DT_NEEDED":
                            needed.append(tag.needed)
                        case "DT_RUNPATH":
                            runpath += tag.runpath.split(":")
                        case "DT_RPATH":
                            runpath += tag.rpath.split(":")
    except (ELFError, ValueError, KeyError, AssertionError, UnicodeDecodeError, OverflowError, OSError):
        return None
    return Elf(soname, tuple(needed), tuple(runpath), interpreter)
