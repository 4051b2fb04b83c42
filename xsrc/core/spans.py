"""Finds the position of a key in a TOML text; tomllib reports positions only for syntax errors.

The text is known to be valid TOML 1.0 (tomllib has read it), so the scanner only has to walk, not to judge.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field

from xsrc.core.errors import Span

KeyPath = tuple[str | int, ...]
"""The keys, and the indices in arrays, that lead to a value."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}\s#]+(?: [0-9][^,\]}\s#]*)?")
_SPACE = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_QUOTES = ('"""', "'''", '"', "'")


@dataclass
class _Scanner:
    text: str
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    counts: dict[KeyPath, int] = field(default_factory=dict)
    at: int = 0

    def skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self.text, self.at)
        assert found is not None
        self.at = found.end()

    def string(self) -> str:
        quote = next(q for q in _QUOTES if self.text.startswith(q, self.at))
        start = self.at = self.at + len(quote)
        while not self.text.startswith(quote, self.at):
            self.at += 2 if quote[0] == '"' and self.text[self.at] == "\\" else 1
        end = self.at
        self.at += len(quote)
        # a multi-line string may end in up to two quotes of its own
        while len(quote) == 3 and self.text.startswith(quote[0], self.at):
            self.at += 1
        return self.text[start:end]

    def key(self) -> list[tuple[str, int, int]]:
        parts = []
        while True:
            self.skip(_SPACE)
            start = self.at
            if self.text[self.at] in "\"'":
                name = self.string()
                if "\\" in name and self.text[start] == '"':
                    name = tomllib.loads(f"k = {self.text[start : self.at]}")["k"]
            else:
                found = _BARE.match(self.text, self.at)
                assert found is not None
                name, self.at = found.group(), found.end()
            parts.append((name, start, self.at))
            self.skip(_SPACE)
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def element(self, prefix: KeyPath) -> KeyPath:
        """The path of `prefix`, entered in its last element where it is an array of tables."""
        path: KeyPath = ()
        for part in prefix:
            path = (*path, part)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def pair(self, prefix: KeyPath) -> None:
        path = prefix
        for name, start, end in self.key():
            path = (*path, name)
            self.places.setdefault(path, (start, end))
        self.at += 1  # the equals sign
        self.skip(_SPACE)
        start = self.at
        self.value(path)
        self.places[(*path, "=")] = (start, self.at)

    def value(self, path: KeyPath) -> None:
        first = self.text[self.at]
        if first in "\"'":
            self.string()
        elif first == "[":
            self.at += 1
            for index in range(len(self.text)):
                self.skip(_VOID)
                if self.text[self.at] == "]":
                    break
                start = self.at
                self.value((*path, index))
                self.places[(*path, index)] = (start, self.at)
                self.skip(_VOID)
                if self.text[self.at] == ",":
                    self.at += 1
            self.at += 1
        elif first == "{":
            self.at += 1
            self.skip(_VOID)
            while self.text[self.at] != "}":
                self.pair(path)
                self.skip(_VOID)
                if self.text[self.at] == ",":
                    self.at += 1
                    self.skip(_VOID)
            self.at += 1
        else:
            found = _SCALAR.match(self.text, self.at)
            assert found is not None
            self.at = found.end()

    def document(self) -> None:
        table: KeyPath = ()
        while True:
            self.skip(_VOID)
            if self.at >= len(self.text):
                return
            if self.text[self.at] != "[":
                self.pair(table)
                continue
            array = self.text.startswith("[[", self.at)
            self.at += 2 if array else 1
            parts = self.key()
            self.at += 2 if array else 1
            names = tuple(name for name, _, _ in parts)
            if array:
                base = (*self.element(names[:-1]), names[-1])
                self.counts[base] = self.counts.get(base, 0) + 1
                table = (*base, self.counts[base] - 1)
                self.places.setdefault(base, parts[-1][1:])
            else:
                table = self.element(names)
                for depth, (_, start, end) in enumerate(parts, 1):
                    self.places.setdefault(self.element(names[:depth]), (start, end))
            self.places[table] = parts[-1][1:]


def places(text: str) -> dict[KeyPath, tuple[int, int]]:
    """Start and end offset of every key, element and value of a valid TOML text.

    A key is found by its path; the value of it by the path with "=" at its end.

    >>> places('a = 1')[('a',)], places('[[d]]\\nu = ["x"]')[('d', 0, 'u', 0)]
    ((0, 1), (11, 14))
    """
    scanner = _Scanner(text.replace("\r\n", "\n"))
    scanner.document()
    return scanner.places


def span_at(file: str, text: str, start: int, end: int) -> Span:
    """The span of offsets in `text`, cut at the end of its first line."""
    line = text.count("\n", 0, start) + 1
    begin = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", start)
    content = text[begin : len(text) if stop < 0 else stop]
    length = min(end, begin + len(content)) - start
    return Span(file, line, start - begin + 1, max(1, length), content)


def span_of(
    file: str, text: str, path: KeyPath, found: Mapping[KeyPath, tuple[int, int]] | None = None, *, value: bool = False
) -> Span:
    """The span of the key (or its value) at `path`, or of its nearest parent that has a place.

    `found` is the result of `places` for the text, if known.
    """
    text = text.replace("\r\n", "\n")
    found = places(text) if found is None else found
    if value and (*path, "=") in found:
        return span_at(file, text, *found[(*path, "=")])
    while path:
        if path in found:
            return span_at(file, text, *found[path])
        path = path[:-1]
    return span_at(file, text, 0, len(text.split("\n", 1)[0]))


def syntax_span(file: str, text: str, message: str) -> Span:
    """The span of a syntax error, from the words of tomllib's message (source: CPython, tomllib/_parser.py)."""
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    lines = text.replace("\r\n", "\n").split("\n")
    if found is None:
        return Span(file, len(lines), len(lines[-1]) + 1, 1, lines[-1])
    line, column = int(found[1]), int(found[2])
    return Span(file, line, column, 1, lines[line - 1] if line <= len(lines) else "")
