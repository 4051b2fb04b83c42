"""A build on a terminal: Ctrl-Z, Ctrl-C and signals leave cursor, journal and processes right."""

from __future__ import annotations

import os
import shlex
import signal
import time
import uuid
from pathlib import Path

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.many import children, history
from tests.e2e.kit.site import Site
from tests.e2e.kit.tty import Terminal, xsrc


def sleeper(site: Site, *names: str, head: str = "") -> str:
    """Packages that wait for a file; gives the word by which a process of each is known."""
    word = f"9{uuid.uuid4().int % 10**12}"
    for name in names:
        site.script(name, do_build=f"{head}sleep {word} &\n: >asleep\nwhile [ ! -e go ]; do sleep 0.1; done\nkill $!\n")
    return word


def asleep(site: Site, *names: str) -> None:
    look.until(lambda: all((site.work(f"{n}-1.0") / "wrksrc/asleep").exists() for n in names), "they sleep")


def states(word: str) -> set[str]:
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in look.processes(word)}


def test_ctrl_z_stops_a_build_and_fg_lets_it_go_on(site: Site) -> None:
    """https://github.com/ninja-build/ninja/issues/1044: the shell said "Stopped", and the phase ran on."""
    word = sleeper(site, "hang")
    terminal = Terminal(site, "bash", "--norc", "-i")
    with people.ended(terminal.running):
        terminal.type(shlex.join(map(str, xsrc(site, "build", "hang"))) + "; echo code=$?\n")
        asleep(site, "hang")
        terminal.type("\x1a")
        terminal.until("Stopped", 20)
        assert terminal.cursor
        assert states(word) == states("xsrc build hang") == states(str(site.masterdir)) == {"T"}
        terminal.type("fg\n")
        look.until(lambda: "T" not in states(word) | states("xsrc build hang"), "it goes on", 20)
        site.land.run("touch", site.work("hang-1.0") / "wrksrc/go").ok()
        terminal.until("hang-1.0_1: built")
        terminal.type("exit\n")
        terminal.end()
    assert terminal.cursor and history(site.masterdir).of("built") == ["hang"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP])
def test_a_signal_says_what_it_ended(site: Site, number: signal.Signals) -> None:
    word = sleeper(site, "hang")
    terminal = Terminal(site, *xsrc(site, "build", "hang"))
    with people.ended(terminal.running):
        asleep(site, "hang")
        (pid,) = children(terminal.running.process.pid)
        os.kill(pid, number)
        assert terminal.end() == 128 + number, terminal.shown
    assert f"hang-1.0_1: ended by {number.name} in build" in terminal.shown
    assert terminal.cursor and terminal.shown.endswith("\n")
    look.gone(word)
    run = history(site.masterdir)
    assert (run.state, run.of("interrupted")) == ("interrupted", ["hang"])


def test_three_interrupts_leave_nothing_running_in_the_report(site: Site) -> None:
    """The worker was killed, which was called a failure, and the others ran for ever in the report."""
    word = sleeper(site, "one", "two", head="trap '' INT TERM\n")
    with people.ended(site.start("build", "-j2", "one", "two")) as running:
        asleep(site, "one", "two")
        for _ in range(3):
            running.signal(signal.SIGINT)
            time.sleep(0.4)
        result = running.wait().ended(130, "interrupted: one-1.0_1 in build, two-1.0_1 in build")
    assert "signal 9" not in result.err
    look.gone(word)
    run = history(site.masterdir)
    assert (run.state, run.of("interrupted")) == ("interrupted", ["one", "two"])
    assert 'data-state="running"' not in (site.masterdir / "var/db/xsrc/report/index.html").read_text()
