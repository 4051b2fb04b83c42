"""What a person sees: steps, notes and errors on stderr, answers on stdout. No other module decides how they look.

All output goes through here. It may come from a build, an archive, a template or another user, so this module makes
all text visible (xsrc/core/visible.py), and no caller has to remember that.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TextIO

from xsrc.core.errors import HostError
from xsrc.core.ui import Progress, Ui, dumps, left_words, seconds
from xsrc.core.visible import visible, visible_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live


_DRAWN = str.maketrans(
    {"├": "|", "└": "`", "─": "-", "│": "|", "…": "...", "→": "->", "✓": "+", "✗": "x", "–": "-", "“": '"', "”": '"'}
)
"""How signs that we use are shown where the encoding of a terminal does not have them."""


def fitting(text: str, stream: TextIO) -> str:
    """A text with signs that a stream can show; the stream itself escapes the rest."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if text.isascii() or encoding.lower() in ("utf-8", "utf8"):
        return text
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_DRAWN)
    return text


def mute(stream: TextIO) -> None:
    """Let a stream that cannot be written lead nowhere, so that what it still holds disturbs nobody at the end."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, stream.fileno())
    os.close(null)
    stream.flush()


class PlainUi:
    """One line for each thing said; no colour."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.out, self.err = out, err
        self.said = False
        """Whether anything was said."""

    def _line(self, text: str) -> None:
        self.said = True
        with self._answering():
            self.out.flush()  # in one log, earlier output comes first
        with self._unheard():
            print(fitting(visible(text), self.err), file=self.err, flush=True)

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        """Write to standard output. If its reader has gone, nothing more is written. Raises HostError if it is full."""
        try:
            yield
        except OSError as error:
            mute(self.out)
            if not isinstance(error, BrokenPipeError):
                raise HostError(f"standard output: {error.strerror}", hint="make room where the output goes") from error

    @contextlib.contextmanager
    def _unheard(self) -> Iterator[None]:
        """Write to standard error. If its terminal has gone, the work goes on without messages."""
        try:
            yield
        except OSError:
            mute(self.err)

    def step(self, package: str, phase: str) -> None:
        """A phase of a package begins; print it unless a table shows it."""
        self._line(f"{package}: {phase}")

    def detail(self, text: str) -> None:
        """The progress of the phase; only a table shows it."""

    def run(self, progress: Progress | None) -> None:
        """The progress of a run (None: it is over); only a table shows it."""

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
        """A line of the answer. Raises HostError."""
        self.said = True
        with self._answering():
            print(fitting(visible(text), self.out), file=self.out)

    def json(self, value: Any) -> None:
        """The answer, for a program. Raises HostError."""
        self.said = True
        with self._answering():
            print(dumps(value), file=self.out)

    def contents(self, file: IO[bytes]) -> None:
        """A file as the answer: safe on a terminal, byte for byte elsewhere. Raises OSError and HostError."""
        self.said = True
        if self.out.isatty():
            for line in io.TextIOWrapper(file, encoding="utf-8", errors="replace"):
                self.output(line.rstrip("\n"))
        else:
            while data := file.read(1 << 16):  # a log that is followed comes in parts
                going = False
                with self._answering():
                    self.out.flush()
                    self.out.buffer.write(data)
                    self.out.buffer.flush()
                    going = True
                if not going:  # nobody reads on
                    break

    def stream(self, data: bytes) -> None:
        """The output of a build, as it comes."""
        with self._unheard():
            self.err.write(visible_text(data.decode(errors="replace")))
            self.err.flush()

    def close(self) -> None:
        """Nothing more will be said. Raises HostError if standard output cannot be written."""
        with self._answering():
            self.out.flush()


_STYLES = {"error:": "bold red", "warning:": "bold yellow", "  hint:": "bold"}
"""How the first word of a line is shown where there is colour."""


class LiveUi(PlainUi):
    """On a terminal: colour, and a live table of the running packages and of the progress of the run."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(out, err)
        from rich.console import Console

        self.console = Console(file=err, highlight=False, soft_wrap=True, emoji=False)
        self.live: Live | None = None

    def _line(self, text: str) -> None:
        from rich.text import Text

        self.said = True
        line = fitting(visible(text), self.err)
        styled = Text(line)  # not markup: whatever the text says, only the word below is styled
        for word, style in _STYLES.items():
            if line.startswith(word) or (word == "error:" and ": error:" in line):
                start = line.index(word)
                styled.stylize(style, start + len(word) - len(word.lstrip()), start + len(word))
                break
        with self._unheard():
            self.console.print(styled)

    def step(self, package: str, phase: str) -> None:
        """Nothing: it is in the table."""

    def run(self, progress: Progress | None) -> None:
        with self._unheard():
            self._draw(progress)

    def _draw(self, progress: Progress | None) -> None:
        if progress is None:
            if self.live is not None:
                self.live.update("")
                self.live.stop()
                self.live = None
            return
        if self.live is None:
            from rich.live import Live

            # it is drawn on request: a thread of its own would not outlive a fork
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
        with self._unheard():
            self.console.out(visible_text(data.decode(errors="replace")), end="")

    def close(self) -> None:
        self.run(None)
        super().close()


def table(progress: Progress, console: Console) -> RenderableType:
    """The running packages, a line each, as many as fit; below them the counts and the expected end."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 2))
    shown = progress.rows[: max(1, console.height - 3)]
    for row in shown:
        took = seconds(max(0.0, time.time() - row.began))
        package, phase, detail = visible(row.package), visible(row.phase), visible(row.detail)
        rows.add_row(Text(package, style="bold cyan"), Text(phase), Text(took, justify="right"), Text(detail))
    more = len(progress.rows) - len(shown)
    words = [f"and {more} more"] if more else []
    if progress.total > 1:
        words += [f"{count} {state}" for state, count in progress.counts.items() if count]
        words += [left_words(progress.left, progress.unknown)] if progress.left is not None else []
    return Group(rows, Text(", ".join(words), style="dim")) if words else rows


class WorkerUi:
    """The user interface of a worker: the parent process shows its messages."""

    said = True

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
