"""The needs of the files of a built package, independent of its template."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple


class Want(enum.StrEnum):
    """What kind of thing a file asks for."""

    SONAME = "library"
    PROGRAM = "interpreter"
    PC = "pkg-config module"
    PYTHON = "Python module"
    PERL = "Perl module"


class Need(NamedTuple):
    """One thing that files of a package ask for."""

    want: Want
    name: str
    """A soname; a program as `#!` names it; a module."""
    path: str
    """The first file that does."""
    files: int = 1
    """How many do."""


@dataclass(frozen=True)
class Needs:
    """All that the files of one package ask for."""

    needs: tuple[Need, ...] = ()
    static: bool = False
    """Whether a program among them holds its libraries in itself."""
