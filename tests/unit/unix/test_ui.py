"""What a person sees: answers on one stream, everything else on the other, and no looks where there is no terminal."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from xsrc.core.errors import HostError
from xsrc.core.ui import Progress, Row, Ui, seconds
from xsrc.unix import ui as module
from xsrc.unix.ui import LiveUi, PlainUi, WorkerUi, table


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
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
    ui.detail("half")
    ui.close()
    assert out.getvalue() == "answer\n"
    assert err.getvalue() == "note\nwarning: careful\nerror: bad\n  hint: mend it\nbuilt\n\ufffd"


def test_steps_are_told_where_nothing_is_shown_in_place() -> None:
    out, err = streams()
    ui = PlainUi(out, err)
    ui.step("dash-1_1", "configure")
    ui.run(Progress((Row("dash-1_1", "configure", 0.0),)))
    ui.run(None)
    assert (out.getvalue(), err.getvalue()) == ("", "dash-1_1: configure\n")
    out, err = streams()
    LiveUi(out, err).step("dash-1_1", "configure")
    assert (out.getvalue(), err.getvalue()) == ("", "")


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


def drawn(progress: Progress, *, height: int = 20) -> list[str]:
    err = io.StringIO()
    console = Console(file=err, width=100, height=height, highlight=False, emoji=False, _environ={})
    console.print(table(progress, console))
    return [line.rstrip() for line in err.getvalue().splitlines()]


def test_the_table_says_packages_phases_times_and_counts(clock: Clock) -> None:
    rows = (Row("dash-1_1", "build", 40.0), Row("[x]-2_1", "fetch", 99.5, "3 of 9 KiB"))
    assert drawn(Progress(rows[:1], {"running": 1}, 1, 5.0)) == ["dash-1_1  build  1 min 00 s"]
    assert drawn(Progress(rows, {"waiting": 3, "running": 2, "built": 0}, 5, 62)) == [
        "dash-1_1  build  1 min 00 s",
        "[x]-2_1   fetch       0.5 s  3 of 9 KiB",
        "3 waiting, 2 running, about 1 min 02 s left",
    ]


def test_a_table_is_never_higher_than_the_terminal(clock: Clock) -> None:
    rows = tuple(Row(f"p{number}-1_1", "build", 99.0) for number in range(30))
    lines = drawn(Progress(rows, {"running": 30}, 30), height=10)
    assert len(lines) == 8
    assert lines[-1] == "and 23 more, 30 running"


def test_what_is_live_is_gone_when_an_answer_comes() -> None:
    out, err = streams()
    ui = LiveUi(out, err)
    ui.run(Progress((Row("dash-1_1", "build", 0.0),)))
    assert ui.live
    ui.output("answer")
    assert not ui.live
    assert out.getvalue() == "answer\n"


def test_a_worker_says_everything_to_its_parent() -> None:
    said: list[tuple[str, object]] = []
    ui = WorkerUi(lambda word, value: said.append((word, value)))
    ui.step("dash-1_1", "build")
    ui.detail("1 of 2 KiB")
    ui.run(None)
    ui.note("n")
    ui.warn("w")
    ui.error(iter(["e"]))
    ui.output("o")
    ui.stream(b"a\xff\n")
    ui.close()
    assert said == [
        ("phase", "build"),
        ("detail", "1 of 2 KiB"),
        ("note", "n"),
        ("warn", "w"),
        ("error", ["e"]),
        ("output", "o"),
        ("stream", "a\ufffd\n"),
    ]


HOSTILE = "\x1b]52;c;Yg==\x07\x1b]0;t\x07\x1b[2J\x9b31m\x7f\r\b\u202e\u2066\u200f\u061c\u2028\ufeff\udcff"
SHOWN = r"\x1b]52;c;Yg==\x07\x1b]0;t\x07\x1b[2J\x9b31m\x7f\x0d\x08\u202e\u2066\u200f\u061c\u2028\ufeff\xff"


class Terminal(io.TextIOWrapper):
    """A stream that says that it is a terminal, and keeps what it is given."""

    def __init__(self, terminal: bool = True) -> None:
        self.kept = io.BytesIO()
        self.terminal = terminal
        super().__init__(self.kept, encoding="utf-8", errors="surrogatepass", newline="")

    def isatty(self) -> bool:
        return self.terminal

    def text(self) -> str:
        self.flush()
        return self.kept.getvalue().decode(errors="surrogatepass")


OURS = re.compile(r"\x1b\[(?:(?:0|1(?:;\d\d)?|2)m|\?25[lh]|2K|1A)|\r(?=\x1b)|\r(?=\n)")
"""How rich colours a word, and draws and removes the table."""


def say_all(ui: Ui, text: str) -> None:
    """Everything that an interface can be asked to say, each with a hostile text in it."""
    ui.step(f"p{text}", f"b{text}")
    ui.detail(text)
    ui.run(Progress((Row(f"p{text}", f"b{text}", 0.0, f"d{text}"),)))
    ui.run(None)
    ui.note(text)
    ui.warn(text)
    ui.error([text, f"error: {text}", f"  hint: {text}", f"x: error: {text}"])
    ui.output(text)
    ui.json({text: [text]})
    ui.contents(io.BytesIO(text.encode(errors="surrogateescape")))
    ui.stream(text.encode(errors="surrogatepass"))
    ui.close()


@pytest.mark.parametrize("kind", [PlainUi, LiveUi])
def test_nothing_that_is_said_steers_a_terminal(kind: type[PlainUi]) -> None:
    out, err = Terminal(), Terminal()
    say_all(kind(out, err), HOSTILE)
    said = out.text() + OURS.sub("", err.text())
    assert not [sign for sign in said if not sign.isprintable() and sign != "\n"]
    assert "\ufeff" not in said
    assert err.text().count(SHOWN) >= 6
    assert out.text().splitlines()[0] == SHOWN


@given(st.text(), st.sampled_from([PlainUi, LiveUi]))
def test_whatever_is_said(text: str, kind: type[PlainUi]) -> None:
    out, err = Terminal(), Terminal()
    say_all(kind(out, err), text)
    said = out.text() + OURS.sub("", err.text())
    assert not set(said) & set(map(chr, (*range(9), *range(11, 32), *range(0x7F, 0xA0), *range(0x202A, 0x202F))))


def test_colours_of_a_build_are_not_obeyed_and_ours_stay() -> None:
    out, err = streams()
    ui = LiveUi(out, err)
    ui.console = Console(file=err, highlight=False, soft_wrap=True, force_terminal=True, color_system="standard")
    ui.error(["error: \x1b[8mx[red]y"])
    ui.stream(b"\x1b[31mz\n")
    assert err.getvalue() == "\x1b[1;31merror:\x1b[0m \\x1b[8mx[red]y\n\\x1b[31mz\n"


@pytest.mark.parametrize("kind", [PlainUi, LiveUi])
def test_one_thing_said_is_one_line(kind: type[PlainUi]) -> None:
    """A name with a line end in it forges neither a line of xsrc's nor a row of a list."""
    out, err = streams()
    ui = kind(out, err)
    ui.note("a\nhint: b")
    ui.warn("a\nhint: b")
    ui.error(["a\nhint: b"])
    ui.output("a\n/usr/b")
    ui.close()
    assert out.getvalue() == "a\\x0a/usr/b\n"
    assert err.getvalue() == "a\\x0ahint: b\nwarning: a\\x0ahint: b\na\\x0ahint: b\n"


def test_json_is_exact_and_plain_ascii() -> None:
    out, err = streams()
    value: Any = {"é\x7f\u202e": [HOSTILE, 1, None]}
    PlainUi(out, err).json(value)
    assert out.getvalue().isascii()
    assert "\x7f" not in out.getvalue()
    assert json.loads(out.getvalue()) == value


def test_a_file_that_is_asked_for_goes_to_a_pipe_byte_for_byte_and_to_a_terminal_line_by_line() -> None:
    data = b"a\x1b[2J\r\n\xff 10%\r20%\nend"
    pipe = Terminal(terminal=False)
    PlainUi(pipe, io.StringIO()).contents(io.BytesIO(data))
    pipe.flush()
    assert pipe.kept.getvalue() == data
    terminal = Terminal()
    LiveUi(terminal, io.StringIO()).contents(io.BytesIO(data))
    assert terminal.text() == "a\\x1b[2J\n\ufffd 10%\n20%\nend\n"


def test_signs_fit_the_encoding_of_a_terminal() -> None:
    latin = io.TextIOWrapper(io.BytesIO(), encoding="iso-8859-1", errors="backslashreplace")
    ui = PlainUi(latin, latin)
    ui.output("├─ ü 東")
    ui.note("└─ …")
    ui.close()
    assert latin.buffer.getvalue() == b"|- \xfc \\u6771\n`- ...\n"


def test_a_full_output_is_told_once_and_then_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        ui = PlainUi(full, io.StringIO())
        ui.output("answer")
        with pytest.raises(HostError, match="standard output: No space left on device"):
            ui.note("note")
        ui.output("more")
        ui.close()
