"""What a person sees: steps, notes and errors on stderr, answers on stdout; meaning here, looks here, nowhere else.

This is the door to the terminal. What passes it may come from a build, an archive, a template or another user, so
everything is made visible here (xsrc/model/visible.py), and no caller has to remember it.
"""

from __future__ import annotations

import io
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol, TextIO

from xsrc.model.visible import visible, visible_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live


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
    """Seconds to its expected end, where any are known."""


class Ui(Protocol):
    """What a verb may say."""

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

    >>> seconds(0.4), seconds(4.26), seconds(125), seconds(7300)
    ('0.4 s', '4.3 s', '2 min 05 s', '2 h 01 min')
    """
    if duration < 60:
        return f"{duration:.1f} s"
    minutes, rest = divmod(int(duration), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def dumps(value: Any) -> str:
    """A value as every --json prints it: exact for programs, and safe on a terminal, for it is plain ASCII."""
    return json.dumps(value, indent=2, default=str)


class PlainUi:
    """One line for each thing said; no colour."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.out, self.err = out, err

    def _line(self, text: str) -> None:
        self.out.flush()  # in one log, what was said before stands before
        print(visible(text), file=self.err, flush=True)

    def step(self, package: str, phase: str) -> None:
        """A phase of a package begins; only where that is not shown in place."""
        self._line(f"{package}: {phase}")

    def detail(self, text: str) -> None:
        """How far the phase is; only where it can be shown in place."""

    def run(self, progress: Progress | None) -> None:
        """How far a run is (None: it is over); only where it can be shown in place."""

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self._line(text)

    def warn(self, text: str) -> None:
        """Something that may be wrong."""
        self._line(f"warning: {text}")

    def error(self, lines: Iterable[str]) -> None:
        """What went wrong."""
        for line in lines:
            self._line(line)

    def output(self, text: str) -> None:
        """A line of what was asked for."""
        print(visible(text), file=self.out)

    def json(self, value: Any) -> None:
        """What was asked for, for a program."""
        print(dumps(value), file=self.out)

    def contents(self, file: IO[bytes]) -> None:
        """A file that was asked for: safe on a terminal, byte for byte in a pipe or a file. Raises OSError."""
        if self.out.isatty():
            for line in io.TextIOWrapper(file, encoding="utf-8", errors="replace"):
                self.output(line.rstrip("\n"))
        else:
            self.out.flush()
            shutil.copyfileobj(file, self.out.buffer)

    def stream(self, data: bytes) -> None:
        """What a build says, as it says it."""
        self.err.write(visible_text(data.decode(errors="replace")))
        self.err.flush()

    def close(self) -> None:
        """Nothing more will be said."""
        self.out.flush()


_STYLES = {"error:": "bold red", "warning:": "bold yellow", "  hint:": "bold"}
"""How the first word of a line is shown where there is colour."""


class LiveUi(PlainUi):
    """On a terminal: colour, and a table in place of what runs, with how far all of it is."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(out, err)
        from rich.console import Console

        self.console = Console(file=err, highlight=False, soft_wrap=True, emoji=False)
        self.live: Live | None = None

    def _line(self, text: str) -> None:
        from rich.text import Text

        line = visible(text)
        styled = Text(line)  # not markup: whatever the text says, only the word below is styled
        for word, style in _STYLES.items():
            if line.startswith(word) or (word == "error:" and ": error:" in line):
                start = line.index(word)
                styled.stylize(style, start + len(word) - len(word.lstrip()), start + len(word))
                break
        self.console.print(styled)

    def step(self, package: str, phase: str) -> None:
        """Nothing: it is in the table."""

    def run(self, progress: Progress | None) -> None:
        if progress is None:
            if self.live is not None:
                self.live.update("")
                self.live.stop()
                self.live = None
            return
        if self.live is None:
            from rich.live import Live

            # it is drawn when it is told to be: a thread of its own would not outlive a fork
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        self.live.update(table(progress, self.console), refresh=True)

    def output(self, text: str) -> None:
        self.run(None)
        super().output(text)

    def json(self, value: Any) -> None:
        self.run(None)
        super().json(value)

    def contents(self, file: IO[bytes]) -> None:
        self.run(None)
        super().contents(file)

    def stream(self, data: bytes) -> None:
        self.console.out(visible_text(data.decode(errors="replace")), end="")

    def close(self) -> None:
        self.run(None)
        self.out.flush()


def table(progress: Progress, console: Console) -> RenderableType:
    """What runs, a line each, as many as fit; below it the counts and the expected end."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 2))
    shown = progress.rows[: max(1, console.height - 3)]
    for row in shown:
        took = seconds(max(0.0, time.time() - row.began))
        package, phase, detail = visible(row.package), visible(row.phase), visible(row.detail)
        rows.add_row(Text(package, style="bold cyan"), Text(phase), Text(took, justify="right"), Text(detail))
    words = [f"and {len(progress.rows) - len(shown)} more"] * (len(progress.rows) > len(shown))
    if progress.total > 1:
        words += [f"{count} {state}" for state, count in progress.counts.items() if count]
        words += [f"about {seconds(progress.left)} left"] if progress.left is not None else []
    return Group(rows, Text(", ".join(words), style="dim")) if words else rows


class WorkerUi:
    """The user interface of a worker: its process's parent says what it has to say."""

    def __init__(self, say: Callable[[str, Any], None]) -> None:
        self.say = say

    def step(self, package: str, phase: str) -> None:
        self.say("phase", phase)

    def detail(self, text: str) -> None:
        self.say("detail", text)

    def run(self, progress: Progress | None) -> None:
        """Nothing: a worker runs one package."""

    def note(self, text: str) -> None:
        self.say("note", text)

    def warn(self, text: str) -> None:
        self.say("warn", text)

    def error(self, lines: Iterable[str]) -> None:
        self.say("error", list(lines))

    def output(self, text: str) -> None:
        self.say("output", text)

    def json(self, value: Any) -> None:
        for line in dumps(value).split("\n"):
            self.output(line)

    def contents(self, file: IO[bytes]) -> None:
        for line in io.TextIOWrapper(file, encoding="utf-8", errors="replace"):
            self.output(line.rstrip("\n"))

    def stream(self, data: bytes) -> None:
        self.say("stream", data.decode(errors="replace"))

    def close(self) -> None:
        """Nothing: the worker's end says it."""


def for_streams(live: bool) -> Ui:
    """The user interface of this process's own streams."""
    return LiveUi(sys.stdout, sys.stderr) if live else PlainUi(sys.stdout, sys.stderr)
