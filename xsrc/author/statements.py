"""Cuts the text of a template into statements, so that it can be written anew without losing a comment.

The text is known to be valid TOML 1.0; tomllib says where a value ends.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Statement:
    """A key and its value, with the comments that belong to it."""

    key: tuple[str, ...]
    value: str
    """The text of the value, as it was written."""
    note: str = ""
    """The comment behind the value, with its #."""
    above: tuple[str, ...] = ()
    """The lines of comments before it; "" is an empty line between two of them."""

    @property
    def read(self) -> Any:
        """The value."""
        return tomllib.loads(f"x = {self.value}")["x"]


@dataclass(frozen=True)
class Section:
    """A table with its header; the first section of a text has none."""

    path: tuple[str, ...]
    many: bool = False
    """Whether it is an element of a list of tables."""
    note: str = ""
    above: tuple[str, ...] = ()
    statements: tuple[Statement, ...] = ()
    below: tuple[str, ...] = ()
    """Comments after its last statement."""


@dataclass
class _Reader:
    lines: list[str]
    at: int = 0
    comments: list[str] = field(default_factory=list)

    def sections(self) -> Iterator[Section]:
        now, found = Section(()), list[Statement]()
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            if not line or line.startswith("#"):
                self.comments.append(line)
                self.at += 1
            elif line.startswith("["):
                below, above = _parted(self.comments)
                yield replace(now, statements=tuple(found), below=below)
                now, found, self.comments = replace(_header(line), above=above), [], []
                self.at += 1
            else:
                if not found and not now.path:  # what an empty line parts from the first key is of the whole file
                    top, rest = _parted(self.comments)
                    now, self.comments = replace(now, above=top), list(rest)
                found.append(self.statement())
        yield replace(now, statements=tuple(found), below=_trimmed(self.comments))

    def statement(self) -> Statement:
        """The statement that begins at the present line, over as many lines as its value has."""
        above, self.comments = _trimmed(self.comments), []
        first = self.at
        self.at += 1
        while _read(text := "\n".join(self.lines[first : self.at])) is None:
            self.at += 1
        key, rest = _key(text)
        value, note = _noted(rest)
        return Statement(key, value, note, above)


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _header(line: str) -> Section:
    """The section of a header line."""
    many = line.startswith("[[")
    start, path = 2 if many else 1, list[str]()
    for end in range(start, len(line) + 1):  # a quoted key may hold any sign
        note = line[end + start :].strip()
        if line.startswith("]" * start, end) and (not note or note.startswith("#")) and _read(line[: end + start]):
            table: Any = _read(line[: end + start])
            while table and isinstance(table, dict):
                ((name, table),) = table.items()
                path.append(name)
            return Section(tuple(path), many, note)
    raise AssertionError(line)


def _key(text: str) -> tuple[tuple[str, ...], str]:
    """The key of a statement, dots and quotes read, and the text behind its `=`."""
    at = -1
    while True:
        at = text.index("=", at + 1)  # a quoted key may hold one
        if (alone := _read(f"{text[:at]}= 0")) is not None:
            path: list[str] = []
            here: Any = alone
            while isinstance(here, dict):
                ((name, here),) = here.items()
                path.append(name)
            return tuple(path), text[at + 1 :].strip()


def _noted(text: str) -> tuple[str, str]:
    """A value and the comment behind it, apart."""
    whole = _read(f"x = {text}")
    for found in re.finditer("#", text):
        value = text[: found.start()].rstrip()
        if "\n" not in text[found.start() :] and same(_read(f"x = {value}"), whole):
            return value, text[found.start() :].rstrip()
    return text, ""


def _trimmed(lines: list[str]) -> tuple[str, ...]:
    """Comments without empty lines around them, and with one at most between two."""
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    return tuple(text.split("\n")) if text else ()


def _parted(lines: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The comments of the section before a header, and those of the header, which an empty line parts."""
    last = max((at for at, line in enumerate(lines) if not line), default=-1)
    if last == len(lines) - 1:
        return _trimmed(lines), ()
    return _trimmed(lines[: last + 1]), _trimmed(lines[last + 1 :])


def sections(text: str) -> tuple[Section, ...]:
    """The sections of a TOML text, the first of them without a header. Raises nothing for valid TOML."""
    return tuple(_Reader(text.split("\n")).sections())


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, not a number included."""
    return repr(_ordered(one)) == repr(_ordered(other))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((key, _ordered(item)) for key, item in value.items())
    return [_ordered(item) for item in value] if isinstance(value, list) else value
