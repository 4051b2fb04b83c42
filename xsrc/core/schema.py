"""Describes what a TOML table may hold and reports every problem of one; templates, styles and settings share it."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, islice
from typing import Any, Protocol

from xsrc.core import spans
from xsrc.core.errors import Diagnostic, Span
from xsrc.core.spans import KeyPath
from xsrc.core.visible import visible

Problem = tuple[KeyPath, str, str | None]

BOM = "\ufeff"
"""What some editors write at the beginning of a text in UTF-8."""

MOST_PROBLEMS = 100
"""Problems that are listed of one text. Nobody reads more, and a hint for each costs time."""
_LONGEST_WORD = 64
_MOST_WORDS = 1000
"""Words longer than the one, and word lists longer than the other, are not searched whole for a misspelling."""


class Shape(Protocol):
    """A kind of value: `want` in words, and the problems of a value of it."""

    @property
    def want(self) -> str: ...

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]: ...


def quoted(text: str) -> str:
    """A text in quotes, with nothing in it that a terminal would obey."""
    return visible(json.dumps(text, ensure_ascii=False))


def shown(path: KeyPath) -> str:
    """`("distfiles", 0, "sha256")` as `distfiles[0].sha256`."""
    words = ""
    for part in path:
        name = part if isinstance(part, int) or part.isprintable() else quoted(part)
        words += f"[{name}]" if isinstance(part, int) else f".{name}" if words else str(name)
    return words


def found(value: object) -> str:
    """A value in the words of an error message."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value if len(value) <= 40 else f"{value[:37]}…")
        case int():
            return str(value) if abs(value) < 1 << 64 else "a number beyond all use"
        case float():
            return str(value)
        case list():
            return "a list"
        case dict():
            return "a table"
    return f"a {type(value).__name__}"


def wrong(path: KeyPath, want: str, got: object) -> Problem:
    """The problem "want …, got …" at `path`."""
    return path, f"{shown(path)}: want {want}, got {found(got)}", None


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The hint "did you mean …?" for a misspelt word, if one is near enough."""
    if len(word) > _LONGEST_WORD:
        return None
    near = difflib.get_close_matches(word, list(islice(known, _MOST_WORDS)), n=3, cutoff=0.6)
    return "did you mean " + " or ".join(near) + "?" if near else None


@dataclass(frozen=True)
class Text:
    """A string; `pattern` must match the whole of it."""

    want: str = "a string"
    pattern: str = r"(?s:.*)"
    longest: int | None = None

    @cached_property
    def _fits(self) -> Callable[[str], object]:
        return re.compile(self.pattern).fullmatch

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, str) or self._fits(value) is None:
            yield wrong(path, self.want, value)
        elif "\0" in value:  # no program could be given it
            yield path, f"{shown(path)}: want no NUL character, got {found(value)}", None
        elif self.longest is not None and len(value) > self.longest:
            yield path, f"{shown(path)}: want at most {self.longest} characters, got {len(value)}", None


def _hidden(value: str, path: KeyPath) -> Iterator[Problem]:
    if visible(value) != value:
        yield path, f"{shown(path)}: want one line without control characters, got {found(value)}", None


@dataclass(frozen=True)
class Line(Text):
    """A line that people read, in lists and on terminals: it holds no control characters and hides nothing."""

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        bad = list(super().problems(value, path))
        yield from bad or (_hidden(value, path) if isinstance(value, str) else ())


@dataclass(frozen=True)
class Checked:
    """A string in which `fault` finds no fault."""

    want: str
    fault: Callable[[str], str]
    """Return why a text is refused, or ""."""

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield wrong(path, self.want, value)
        elif why := self.fault(value):
            yield path, f"{shown(path)}: want {self.want}, got {found(value)}: {why}", None


@dataclass(frozen=True)
class Balanced(Text):
    """A string whose parentheses belong together."""

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        bad = list(super().problems(value, path))
        if not bad and isinstance(value, str):
            depths = list(accumulate({"(": 1, ")": -1}.get(letter, 0) for letter in value))
            if min(depths, default=0) < 0 or depths[-1:] not in ([], [0]):
                bad = [wrong(path, self.want, value)]
        yield from bad


@dataclass(frozen=True)
class Hex:
    """A string of exactly `digits` hexadecimal digits."""

    digits: int

    @property
    def want(self) -> str:
        return f"{self.digits} hex digits"

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield wrong(path, self.want, value)
        elif bad := sorted(set(re.findall(r"[^0-9a-f]", value))):
            yield path, f"{shown(path)}: want {self.want} in lower case, got {''.join(bad)[:8]!r} among them", None
        elif len(value) != self.digits:
            yield path, f"{shown(path)}: want {self.want}, got {len(value)}", None


@dataclass(frozen=True)
class Number:
    """A whole number."""

    least: int = 0
    most: int = 2**31 - 1
    """What a C int holds: revisions and counts end up in one."""

    @property
    def want(self) -> str:
        return f"a whole number from {self.least} on"

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, int) or isinstance(value, bool) or value < self.least:
            yield wrong(path, self.want, value)
        elif value > self.most:
            yield path, f"{shown(path)}: want at most {self.most}, got {found(value)}", None


@dataclass(frozen=True)
class Flag:
    """true or false, and a reason (a string) where `reason` is set."""

    reason: bool = False

    @property
    def want(self) -> str:
        return "true, false or the reason as a string" if self.reason else "true or false"

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, bool) and not (self.reason and isinstance(value, str) and value):
            yield wrong(path, self.want, value)
        elif isinstance(value, str):
            yield from _hidden(value, path)


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def want(self) -> str:
        return "one of " + ", ".join(self.words)

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, str) or value not in self.words:
            near = nearest(value, self.words) if isinstance(value, str) else None
            place, message, hint = wrong(path, self.want, value)
            yield place, message, near or hint


@dataclass(frozen=True)
class Either:
    """One of several kinds."""

    kinds: tuple[Shape, ...]

    @property
    def want(self) -> str:
        return " or ".join(kind.want for kind in self.kinds)

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        answers = [list(kind.problems(value, path)) for kind in self.kinds]
        if all(answers):
            pairs = zip(self.kinds, answers, strict=True)
            closer = [answer for kind, answer in pairs if answer[0] != wrong(path, kind.want, value)]
            yield from closer[0] if closer else [wrong(path, self.want, value)]


@dataclass(frozen=True)
class List:
    """A list of values of one kind."""

    of: Shape = field(default_factory=Text)
    least: int = 0
    unique: bool = False

    @property
    def want(self) -> str:
        return f"a list, each {self.of.want}"

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield wrong(path, self.want, value)
            return
        if len(value) < self.least:
            yield path, f"{shown(path)}: want at least {self.least} of them, got {len(value)}", None
        seen: set[str] = set()
        for index, item in enumerate(value):
            yield from self.of.problems(item, (*path, index))
            if self.unique and isinstance(item, str):
                if item in seen:
                    yield (*path, index), f"{shown((*path, index))}: {found(item)} is there twice", None
                seen.add(item)


@dataclass(frozen=True)
class Map:
    """A table with names of one's own and values of one kind."""

    of: Shape = field(default_factory=Text)
    name: Shape = field(default_factory=Text)

    @property
    def want(self) -> str:
        return f"a table, each value {self.of.want}"

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield wrong(path, self.want, value)
            return
        for name, item in value.items():
            for _, message, hint in self.name.problems(name, ()):
                yield (*path, name), f"{shown((*path, name))}: {message.removeprefix(': ')}", hint
            yield from self.of.problems(item, (*path, name))


@dataclass(frozen=True)
class Table:
    """A table with known keys."""

    keys: Mapping[str, Shape]
    required: tuple[str, ...] = ()

    @property
    def want(self) -> str:
        return "a table"

    def problems(self, value: object, path: KeyPath) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield wrong(path, self.want, value)
            return
        for name, item in value.items():
            if name in self.keys:
                yield from self.keys[name].problems(item, (*path, name))
            else:
                yield (*path, name), f"{shown((*path, name))}: unknown key", nearest(name, self.keys)
        for name in self.required:
            if name not in value:
                yield path, f"{shown((*path, name))}: missing", None


def read(
    file: str,
    text: str,
    kind: Shape,
    across: Callable[[dict[str, Any], set[str | int]], Iterable[Problem]] = lambda raw, bad: (),
) -> tuple[dict[str, Any], list[Diagnostic]]:
    """The table of a TOML text and its first MOST_PROBLEMS problems; the table is empty when the text is not TOML.

    `across` finds problems between keys. It gets the table and the top keys that are already wrong.
    """
    try:
        raw = tomllib.loads(text)
        problems = list(islice(kind.problems(raw, ()), MOST_PROBLEMS + 1))
        if len(problems) <= MOST_PROBLEMS:
            problems += islice(
                across(raw, {path[0] for path, _, _ in problems if path}), MOST_PROBLEMS + 1 - len(problems)
            )
        located = locate(file, text, problems[:MOST_PROBLEMS])
        if len(problems) > MOST_PROBLEMS:
            located.append(Diagnostic(Span(file), f"it has more than {MOST_PROBLEMS} problems; the rest is not listed"))
        return raw, located
    except RecursionError:
        return {}, [Diagnostic(Span(file), "not valid TOML: nested too deeply")]
    except ValueError as error:  # of tomllib, or of int() for more digits than Python reads
        syntax = isinstance(error, tomllib.TOMLDecodeError)
        span = spans.syntax_span(file, text, str(error)) if syntax else Span(file)
        message = re.sub(r" \(at .*\)$", "", str(error))
        odd, hint = _odd(file, span)
        return {}, [Diagnostic(span, f"not valid TOML: {message[:1].lower()}{message[1:]}{odd}", hint)]


def _odd(file: str, span: Span) -> tuple[str, str | None]:
    """The name of the character at a syntax error if a reader may not see it, or take it for another; and a hint."""
    char = span.text[span.column - 1 : span.column]
    if not char or char.isascii():
        return "", None
    name = f" at the character U+{ord(char):04X} {unicodedata.name(char, '')}".rstrip()
    if char != BOM:
        return name, None
    hint = rf"save it as UTF-8 without BOM: sed -i '1s/^\xef\xbb\xbf//' {file}"
    return f"{name}, an invisible byte order mark (BOM)", hint


def locate(file: str, text: str, problems: Iterable[Problem]) -> list[Diagnostic]:
    """The problems with their places in the text, in the order of the text."""
    listed = list(problems)
    found = spans.places(text) if listed else {}
    located = [Diagnostic(spans.span_of(file, text, path, found), message, hint) for path, message, hint in listed]
    return sorted(located, key=lambda d: d.span)
