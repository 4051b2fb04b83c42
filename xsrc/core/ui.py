"""The interface through which commands talk to a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Protocol


@dataclass(frozen=True)
class Row:
    """One package that is being built now."""

    package: str
    phase: str
    began: float
    """When the phase began, in seconds since the epoch."""
    detail: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    rows: tuple[Row, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many packages are in each state."""
    total: int = 0
    left: float | None = None
    """Seconds to its expected end, as far as they are known."""
    unknown: int = 0
    """How many packages have no known time."""


class Ui(Protocol):
    """What a verb may say."""

    @property
    def said(self) -> bool: ...
    def step(self, package: str, phase: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def run(self, progress: Progress | None) -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def error(self, lines: Iterable[str]) -> None: ...
    def output(self, text: str) -> None: ...
    def json(self, value: Any) -> None: ...
    def contents(self, file: IO[bytes]) -> None: ...
    def stream(self, data: bytes) -> None: ...
    def close(self) -> None: ...


def seconds(duration: float) -> str:
    """A duration in words.

    >>> seconds(0.4), seconds(59.97), seconds(125), seconds(7300)
    ('0.4 s', '1 min 00 s', '2 min 05 s', '2 h 01 min')
    """
    if duration < 59.95:
        return f"{max(duration, 0.0):.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def left_words(left: float, unknown: int) -> str:
    """How long it still takes, in words.

    >>> left_words(62, 0), left_words(62, 1), left_words(0, 2)
    ('about 1 min 02 s left', 'at least 1 min 02 s left', 'time left unknown')
    """
    return "time left unknown" if unknown and not left else f"{spent_words(left, unknown)} left"


def spent_words(left: float, unknown: int) -> str:
    """How long something takes of which some parts may be unknown.

    >>> spent_words(4, 0), spent_words(4, 2), spent_words(0, 2)
    ('about 4.0 s', 'at least 4.0 s', 'in a time not known yet')
    """
    if unknown:
        return f"at least {seconds(left)}" if left else "in a time not known yet"
    return f"about {seconds(left)}"


def counted(count: int, one: str, many: str = "") -> str:
    """A number of things in words.

    >>> counted(1, "build"), counted(2, "build"), counted(0, "entry", "entries")
    ('1 build', '2 builds', '0 entries')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"


def dumps(value: Any) -> str:
    """A value as every --json prints it: exact for programs, and safe on a terminal, for it is plain ASCII."""
    return json.dumps(value, indent=2, default=str)
