"""What a person sees: steps, notes and errors on stderr, answers on stdout; meaning here, looks here, nowhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.live import Live


class Ui(Protocol):
    """What a verb may say."""

    def step(self, package: str, phase: str) -> None: ...
    def progress(self, text: str) -> None: ...
    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def error(self, lines: Iterable[str]) -> None: ...
    def output(self, text: str) -> None: ...
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


class PlainUi:
    """One line for each thing said; no colour."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.out, self.err = out, err
        self._step: tuple[str, float] | None = None

    def _line(self, text: str) -> None:
        print(text, file=self.err, flush=True)

    def step(self, package: str, phase: str) -> None:
        """A phase of a package begins (an empty phase: the package is done)."""
        self._finish()
        if phase:
            self._step = (f"{package}: {phase}", time.monotonic())
            self._line(f"{package}: {phase}")

    def _finish(self) -> None:
        if self._step and (took := time.monotonic() - self._step[1]) >= 1:
            self._line(f"{self._step[0]}: {seconds(took)}")
        self._step = None

    def progress(self, text: str) -> None:
        """How far the step is; only where it can be shown in place."""

    def note(self, text: str) -> None:
        """Something worth knowing."""
        self._line(text)

    def warn(self, text: str) -> None:
        """Something that may be wrong."""
        self._line(f"warning: {text}")

    def error(self, lines: Iterable[str]) -> None:
        """What went wrong."""
        self._step = None
        for line in lines:
            self._line(line)

    def output(self, text: str) -> None:
        """What was asked for."""
        print(text, file=self.out)

    def stream(self, data: bytes) -> None:
        """What a build says, as it says it."""
        self.err.write(data.decode(errors="replace"))
        self.err.flush()

    def close(self) -> None:
        """Nothing more will be said."""
        self._finish()
        self.out.flush()


class LiveUi(PlainUi):
    """On a terminal: colour, and one line in place that says package, phase and time."""

    def __init__(self, out: TextIO, err: TextIO) -> None:
        super().__init__(out, err)
        from rich.console import Console

        self.console = Console(file=err, highlight=False, soft_wrap=True, emoji=False)
        self.live: Live | None = None
        self.detail = ""

    def __rich__(self) -> str:
        if self._step is None:
            return ""
        from rich.markup import escape

        name, start = self._step
        return f"[bold cyan]{escape(name)}[/]  {seconds(time.monotonic() - start)}  {escape(self.detail)}"

    def _line(self, text: str) -> None:
        from rich.markup import escape

        styled = escape(text)
        if text.startswith("error") or ": error:" in text:
            styled = styled.replace("error:", "[bold red]error:[/]", 1)
        elif text.startswith("warning:"):
            styled = styled.replace("warning:", "[bold yellow]warning:[/]", 1)
        elif text.startswith("  hint:"):
            styled = styled.replace("hint:", "[bold]hint:[/]", 1)
        self.console.print(styled)

    def step(self, package: str, phase: str) -> None:
        self._finish()
        self.detail = ""
        if phase:
            self._step = (f"{package}: {phase}", time.monotonic())
            if self.live is None:
                from rich.live import Live

                self.live = Live(get_renderable=self.__rich__, console=self.console, refresh_per_second=4)
                self.live.start()
            self.live.refresh()
        else:
            self._stop()

    def progress(self, text: str) -> None:
        self.detail = text

    def error(self, lines: Iterable[str]) -> None:
        self._stop()
        super().error(lines)

    def output(self, text: str) -> None:
        self._stop()
        super().output(text)

    def _stop(self) -> None:
        if self.live is not None:
            self._step = None
            self.live.transient = True
            self.live.stop()
            self.live = None

    def close(self) -> None:
        self._finish()
        self._stop()
        self.out.flush()


def for_streams(live: bool) -> Ui:
    """The user interface of this process's own streams."""
    return LiveUi(sys.stdout, sys.stderr) if live else PlainUi(sys.stdout, sys.stderr)
