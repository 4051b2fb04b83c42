"""What a person sees: answers on one stream, everything else on the other, and no looks where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from xsrc import ui as module
from xsrc.ui import LiveUi, PlainUi, seconds


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def streams() -> tuple[io.StringIO, io.StringIO]:
    return io.StringIO(), io.StringIO()


@pytest.mark.parametrize(
    ("duration", "want"),
    [(0, "0.0 s"), (0.94, "0.9 s"), (59.9, "59.9 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (3600, "1 h 00 min")],
)
def test_seconds(duration: float, want: str) -> None:
    assert seconds(duration) == want


def test_answers_on_stdout_everything_else_on_stderr() -> None:
    out, err = streams()
    ui = PlainUi(out, err)
    ui.output("answer")
    ui.note("note")
    ui.warn("careful")
    ui.error(["error: bad", "  hint: mend it"])
    ui.stream(b"built\n\xff")
    ui.progress("half")
    ui.close()
    assert out.getvalue() == "answer\n"
    assert err.getvalue() == "note\nwarning: careful\nerror: bad\n  hint: mend it\nbuilt\n\ufffd"


def test_steps_are_told_with_their_time_from_a_second_on(clock: Clock) -> None:
    out, err = streams()
    ui = PlainUi(out, err)
    ui.step("dash-1_1", "configure")
    clock.now += 0.99
    ui.step("dash-1_1", "build")
    clock.now += 61
    ui.step("", "")
    ui.step("", "")
    assert err.getvalue().splitlines() == ["dash-1_1: configure", "dash-1_1: build", "dash-1_1: build: 1 min 01 s"]
    assert out.getvalue() == ""


def test_a_step_of_exactly_a_second_is_told(clock: Clock) -> None:
    out, err = streams()
    ui = PlainUi(out, err)
    ui.step("dash-1_1", "build")
    clock.now += 1
    ui.step("", "")
    assert err.getvalue().splitlines()[-1] == "dash-1_1: build: 1.0 s"


def test_a_step_that_failed_has_no_time(clock: Clock) -> None:
    out, err = streams()
    ui = PlainUi(out, err)
    ui.step("dash-1_1", "build")
    clock.now += 5
    ui.error(["error: failed"])
    ui.close()
    assert err.getvalue().splitlines() == ["dash-1_1: build", "error: failed"]


def test_close_tells_the_time_of_the_last_step(clock: Clock) -> None:
    out, err = streams()
    ui = PlainUi(out, err)
    ui.step("dash-1_1", "build")
    clock.now += 5
    ui.close()
    assert err.getvalue().splitlines()[-1] == "dash-1_1: build: 5.0 s"


def test_live_lines_are_printed_as_they_are() -> None:
    out, err = streams()
    ui = LiveUi(out, err)
    ui.note("templates/x/template.toml:100:3: error: [bold]x[/bold] :smile: \\[a]")
    ui.note("  hint: see [b]")
    ui.warn("x")
    ui.output("[answer]")
    ui.close()
    assert err.getvalue().splitlines() == [
        "templates/x/template.toml:100:3: error: [bold]x[/bold] :smile: \\[a]",
        "  hint: see [b]",
        "warning: x",
    ]
    assert out.getvalue() == "[answer]\n"


@pytest.mark.parametrize(
    ("line", "coloured"),
    [
        ("error: no error: here", "\x1b[1;31merror:\x1b[0m no error: here"),
        ("f:1:2: error: want error: x", "f:1:2: \x1b[1;31merror:\x1b[0m want error: x"),
        ("warning: a warning: b", "\x1b[1;33mwarning:\x1b[0m a warning: b"),
        ("  hint: a hint: b", "  \x1b[1mhint:\x1b[0m a hint: b"),
        ("note: an [red]error[/red]", "note: an [red]error[/red]"),
    ],
)
def test_the_first_word_of_a_kind_is_coloured_on_a_terminal(line: str, coloured: str) -> None:
    out, err = streams()
    ui = LiveUi(out, err)
    ui.console = Console(
        file=err,
        highlight=False,
        soft_wrap=True,
        emoji=False,
        force_terminal=True,
        color_system="standard",
        _environ={},
    )
    ui.note(line)
    assert err.getvalue() == coloured + "\n"


def test_a_long_line_is_not_broken() -> None:
    out, err = streams()
    LiveUi(out, err).note("x" * 300)
    assert err.getvalue() == "x" * 300 + "\n"


def test_the_live_line_says_package_phase_and_time(clock: Clock) -> None:
    ui = LiveUi(*streams())
    assert ui.__rich__() == ""
    ui._step = ("dash-1_1: build [x]", 40.0)
    ui.progress("3 of 9 KiB")
    assert ui.__rich__() == "[bold cyan]dash-1_1: build \\[x][/]  1 min 00 s  3 of 9 KiB"
