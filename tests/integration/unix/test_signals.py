"""Signals as flags, and Ctrl-Z for what runs in sessions of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.kit import look
from xsrc.core.command import Command
from xsrc.unix.process import LimitReached, Watch, stream
from xsrc.unix.signals import caught, usual

ROOT = Path(__file__).resolve().parents[3]


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_signals_are_read_one_by_one_and_what_was_not_read_has_its_effect() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it starts behind it ignore it
    with pytest.raises(KeyboardInterrupt), caught() as signals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGINT):
            os.kill(os.getpid(), number)
        assert signals.pause() and not signals.pause()
        assert [signals.end(), signals.end()] == [signal.SIGINT, signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_what_nohup_ignores_stays_ignored() -> None:
    old = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with caught() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert signals.end() == 0
        usual()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, old)


def test_ctrl_z_stops_a_command_in_a_session_of_its_own() -> None:
    """https://github.com/ninja-build/ninja/issues/1044: the shell said "Stopped", and the work went on."""
    word = f"9{os.getpid()}77"
    script = f'sh -c "sleep {word}; :"; :'
    program = (
        "from xsrc.core.command import Command; from xsrc.unix.process import stream\n"
        f"stream(Command(('/bin/sh', '-c', {script!r}), {{'PATH': '/usr/bin:/bin'}}), lambda data: None)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, process_group=0)
    try:
        look.until(lambda: any(line.startswith("sleep") for line in look.processes(word).values()), "it runs")
        below = [pid for pid, line in look.processes(word).items() if pid != process.pid]
        assert len(below) == 3
        process.send_signal(signal.SIGTSTP)
        look.until(lambda: state_of(process.pid) == "T", "it has stopped", 10)
        assert {state_of(pid) for pid in below} == {"T"}
        process.send_signal(signal.SIGCONT)
        look.until(lambda: {state_of(pid) for pid in (process.pid, *below)} == {"S"}, "it goes on", 10)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    look.until(lambda: not look.processes(word), "it is gone", 10)


def test_the_time_that_a_command_was_stopped_does_not_count() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            argv = ("/bin/sh", "-c", "sleep 1; echo a; sleep 2")
            os._exit(stream(Command(argv, {"PATH": "/usr/bin:/bin"}), lambda data: None, watch=Watch(7, 4)))
        except LimitReached:
            os._exit(9)
    time.sleep(0.5)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(5)
    os.kill(pid, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
