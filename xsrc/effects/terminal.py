"""Gives a sandbox a terminal of its own, so that nothing inside can type into the user's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import termios
import tty
from types import FrameType

from xsrc.effects.proc import spawn
from xsrc.model.command import Command

_INPUT, _OUTPUT = 0, 1


def run_on_terminal(command: Command) -> int:
    """Run a command on a new pseudo-terminal joined to this process's own; gives its exit code, 128+n by signal n."""
    master, slave = pty.openpty()
    _copy_size(master)
    before = termios.tcgetattr(_INPUT)
    process = spawn(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)

    def resized(number: int, frame: FrameType | None) -> None:
        _copy_size(master)

    old = signal.signal(signal.SIGWINCH, resized)
    try:
        tty.setraw(_INPUT, termios.TCSADRAIN)  # what was typed ahead is kept
        _join(master)
    finally:
        termios.tcsetattr(_INPUT, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, old)
        os.close(master)
    code = process.wait()
    return code if code >= 0 else 128 - code


def _copy_size(master: int) -> None:
    with contextlib.suppress(OSError):
        fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(_OUTPUT, termios.TIOCGWINSZ, b"\0" * 8))


def _join(master: int) -> None:
    """Copy both ways until the other side closes the terminal."""
    watched = [master, _INPUT]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if master in ready:
            try:
                data = os.read(master, 1 << 16)
            except OSError:  # EIO: the last process on the terminal has ended (pty(7))
                return
            if not data:
                return
            os.write(_OUTPUT, data)
        if _INPUT in ready:
            data = os.read(_INPUT, 1 << 12)
            if data:
                os.write(master, data)
            else:
                watched.remove(_INPUT)
