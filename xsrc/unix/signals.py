"""Signals that end or stop a command: as flags that a loop reads, so that none comes at a bad moment."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType

from xsrc.unix.descendants import families

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
CAUGHT = (*ENDING, signal.SIGTSTP)


class Signals:
    """The signals that have come and were not read yet."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._pause = False

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal; this is a handler."""
        if number == signal.SIGTSTP:
            self._pause = True
        else:
            self._ends.append(number)

    def end(self) -> int:
        """The oldest signal that asks for the end and was not read yet, 0 for none."""
        return self._ends.pop(0) if self._ends else 0

    def pause(self) -> bool:
        """Whether Ctrl-Z was pressed since this was asked last."""
        pause, self._pause = self._pause, False
        return pause


@contextlib.contextmanager
def caught() -> Iterator[Signals]:
    """Catch signals inside the block; one that was not read has its usual effect after the block.

    What is ignored, as by nohup(1), stays so.
    """
    signals = Signals()
    old = {number: signal.getsignal(number) for number in CAUGHT}
    for number, former in old.items():
        if former != signal.SIG_IGN:
            signal.signal(number, signals.note)
    try:
        yield signals
    finally:
        for number, former in old.items():
            signal.signal(number, former)
        if unread := signals.end():
            os.kill(os.getpid(), unread)


def usual() -> None:
    """Let signals have their usual effects in a new process; Ctrl-C raises KeyboardInterrupt."""
    for number in CAUGHT:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pause(roots: Iterable[int]) -> None:
    """Stop `roots` with all that run below them, then this process as Ctrl-Z does; let all go on when it does."""
    stopped: dict[int, None] = {}
    roots = tuple(roots)
    while fresh := [one.pid for family in families(roots) for one in family if one.alive and one.pid not in stopped]:
        for pid in fresh:  # meanwhile, they may have started others
            _send(pid, signal.SIGSTOP)
            stopped[pid] = None
    own = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, own)
    for pid in reversed(stopped):
        _send(pid, signal.SIGCONT)


@contextlib.contextmanager
def pausing(root: int) -> Iterator[None]:
    """Let Ctrl-Z inside the block also stop what runs below a process in a session of its own."""
    default = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
    )
    if default:
        signal.signal(signal.SIGTSTP, lambda number, frame: pause([root]))
    try:
        yield
    finally:
        if default:
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
