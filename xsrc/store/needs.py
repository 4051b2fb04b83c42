"""The needs of the files of a built package, independent of its template, and what texts of each kind ask for."""

from __future__ import annotations

import ast
import enum
import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

LIMIT = 1 << 20
"""Bytes of a text that are read; a longer one asks for nothing."""
LONGEST = 256
"""Of a name: characters to report, bytes to search for."""


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


def interpreter(data: bytes) -> str:
    r"""What the first line of a script is run by; through env(1), the word that is looked up.

    >>> interpreter(b"#! /usr/bin/perl -w\n"), interpreter(b"#!/usr/bin/env -S A=1 python3 -P\n")
    ('/usr/bin/perl', 'python3')
    """
    words = data[2:].partition(b"\n")[0].decode(errors="replace").split()
    if words and words[0].rpartition("/")[2] == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return words[0] if words else ""


def python_needs(data: bytes, own: Collection[str]) -> Iterator[tuple[Want, str]]:
    """The modules that a module always imports: not in a function, not under a condition, not where it may fail.

    Modules of Python's `own` library do not count.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(data).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in body:
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        for name in names:
            if (top := name.partition(".")[0]) and top not in own:
                yield Want.PYTHON, top


_USE = re.compile(r"use\s+([A-Za-z_]\w*(?:::\w+)*)[\s;]")


def perl_needs(data: bytes) -> Iterator[tuple[Want, str]]:
    """What lines that begin with `use` name, without their documentation."""
    pod = False
    for line in data.decode(errors="replace").splitlines():
        if line.startswith(("__END__", "__DATA__")):
            return
        if line.startswith("=") and line[1:2].isalpha():
            pod = not line.startswith("=cut")
        elif not pod and (hit := _USE.match(line)) and not re.fullmatch(r"v\d+", hit[1]):
            yield Want.PERL, hit[1]


_REQUIRES = re.compile(r"^Requires(?:\.private)?[ \t]*:(.*)", re.MULTILINE)
_VARIABLE = re.compile(r"^([A-Za-z0-9_.]+)[ \t]*=[ \t]*(.*)$", re.MULTILINE)


def pkg_config_needs(data: bytes) -> Iterator[tuple[Want, str]]:
    """The modules of Requires and Requires.private, without the versions that they want."""
    text = data.decode(errors="replace").replace("\\\n", " ")
    variables = {name: value[:LONGEST] for name, value in _VARIABLE.findall(text)}
    for line in _REQUIRES.findall(text):
        plain = re.sub(r"\$\{([^{}$]*)\}", lambda hit: variables.get(hit[1], ""), line)[:LIMIT]
        for name in re.sub(r"[<>=!]+\s*[^\s,]+", " ", plain).replace(",", " ").split():
            yield Want.PC, name
