"""Joins a sandbox to the terminals of its user: it gets terminals and pipes of its own, never one of theirs.

Whoever holds a terminal can read what is typed there, change its modes and draw on it. So each of the three standard
streams that is a terminal is replaced. A stream that is none is passed on as it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import termios
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType

from xsrc.core.command import Command
from xsrc.unix.process import Process, end, spawn

_INPUT, _OUTPUT, _ERROR = 0, 1, 2
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_CHUNK = 1 << 16
_AGAIN = 0.2
"""Seconds until the keyboard is looked at again, while it is another program's."""


@dataclass
class _Route:
    """Bytes on their way from one descriptor to another."""

    source: int
    target: int
    shared: bool = False
    """Whether the source is a terminal that other programs of the same pipeline read too."""
    waiting: bytes = b""

    def read(self) -> bool:
        """Read the bytes that have come; False at the end."""
        try:
            self.waiting = os.read(self.source, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # EIO: the last process on the other side has ended (pty(7))
            return False
        return bool(self.waiting)

    def write(self) -> bool:
        """Pass on as much as fits; False if nobody reads it."""
        try:
            self.waiting = self.waiting[os.write(self.target, self.waiting[: select.PIPE_BUF]) :]
        except BlockingIOError:
            return True
        except OSError:
            return False
        return True


@dataclass
class _Joint:
    """The connection between the streams of a command and those of this process."""

    given: dict[str, int] = field(default_factory=dict)
    """The streams of the command that replace ours, by name; they are its own once it runs."""
    routes: list[_Route] = field(default_factory=list)
    masters: dict[int, int] = field(default_factory=dict)
    """Our side of each terminal that was made, with the user's descriptor that it replaces."""
    ours: set[int] = field(default_factory=set)
    """Descriptors to close."""

    def close(self, *descriptors: int) -> None:
        """Close those of the descriptors that are still ours."""
        for descriptor in self.ours.intersection(descriptors):
            self.ours.remove(descriptor)
            os.close(descriptor)

    def resize(self) -> None:
        """Give the terminals of the command the size of the user's."""
        for master, outer in self.masters.items():
            with contextlib.suppress(OSError):
                fcntl.ioctl(master, termios.TIOCSWINSZ, fcntl.ioctl(outer, termios.TIOCGWINSZ, b"\0" * 8))

    def drop(self, route: _Route) -> None:
        """Forget a route that has come to its end; the reader of a pipe has to see that."""
        self.routes.remove(route)
        if route.target not in self.masters:
            self.close(route.target)


def run_joined(command: Command, whole: bool) -> int:
    """Run a command with terminals of its own; return its exit code, 128+n when signal n ended it.

    With `whole`, standard input and output are terminals: the command gets one in their place, for job control, and
    every key that is pressed. Otherwise lines that are typed reach it by a pipe, and what it writes to a terminal goes
    through another one. The user's terminal has its former modes when this returns, raises or is ended by a signal.
    Raises HostError if the command cannot start.
    """
    try:
        with contextlib.ExitStack() as stack:
            joint = _Joint()
            stack.callback(lambda: joint.close(*joint.ours))
            stack.enter_context(_signals(joint))
            _replace(joint, whole)
            joint.resize()
            if whole:
                stack.enter_context(_modes_kept())
            streams = {name: joint.given.get(name) for name in ("stdin", "stdout", "stderr")}
            process = stack.enter_context(_running(spawn(command, start_new_session=True, **streams)))
            joint.close(*joint.given.values())
            if whole:
                tty.setraw(_INPUT, termios.TCSADRAIN)  # what was typed ahead is kept
            _carry(joint, process)
            code = process.wait()
    except _Ended as error:
        signal.signal(error.number, signal.SIG_DFL)
        os.kill(os.getpid(), error.number)
        raise
    return code if code >= 0 else 128 - code


class _Ended(BaseException):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def _signals(joint: _Joint) -> Iterator[None]:
    """Let signals that end this process end it in order, and pass on changes of the terminal's size."""

    def ending(number: int, frame: FrameType | None) -> None:
        for each in _ENDING:  # one is enough: another one may not cut the tidying short
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt if number == signal.SIGINT else _Ended(number)

    def resized(number: int, frame: FrameType | None) -> None:
        joint.resize()

    old = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGWINCH)}
    for number in _ENDING:
        if old[number] != signal.SIG_IGN:  # nohup(1)
            signal.signal(number, ending)
    signal.signal(signal.SIGWINCH, resized)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _modes_kept() -> Iterator[None]:
    """Put the modes of the user's terminal back at the end."""
    before = termios.tcgetattr(_INPUT)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(_INPUT, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _running(process: Process) -> Iterator[Process]:
    """A process that does not outlive an exception."""
    try:
        yield process
    except BaseException:
        end(process)
        raise


def _replace(joint: _Joint, whole: bool) -> None:
    """Replace those of the three streams that are terminals."""
    keyboard = os.fstat(_INPUT).st_rdev if whole else None
    slaves: dict[int, int] = {}
    for name, outer in (("stdout", _OUTPUT), ("stderr", _ERROR)):
        if not os.isatty(outer):
            continue
        device = os.fstat(outer).st_rdev
        if device not in slaves:  # two streams to one terminal stay on one, or their lines would change places
            master, slaves[device] = pty.openpty()
            joint.ours |= {master, slaves[device]}
            joint.masters[master] = outer
            joint.routes.append(_Route(master, outer))
            os.set_blocking(master, False)
            if device != keyboard:
                _raw_output(slaves[device])
        joint.given[name] = slaves[device]
    if whole:
        joint.given["stdin"] = joint.given["stdout"]
        joint.routes.append(_Route(_INPUT, next(iter(joint.masters))))
    elif os.isatty(_INPUT):
        joint.given["stdin"], target = os.pipe()
        joint.ours |= {joint.given["stdin"], target}
        joint.routes.append(_Route(_INPUT, target, shared=True))


def _raw_output(slave: int) -> None:
    """Let a terminal pass output unchanged: the user's own terminal, which is not raw, converts it."""
    modes = termios.tcgetattr(slave)
    modes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, modes)


def _is_ours(terminal: int) -> bool:
    """Whether input on a shared terminal is for us.

    It is not for a job in the background, which would be stopped. It is not while a pager has the terminal out of
    line mode.
    """
    try:
        lines = termios.tcgetattr(terminal)[3] & termios.ICANON
        return bool(lines) and os.tcgetpgrp(terminal) == os.getpgrp()
    except (termios.error, OSError):  # it is gone, or it controls none of our jobs
        return True


def _carry(joint: _Joint, process: Process) -> None:
    """Carry bytes until the process has ended and all its output is shown."""
    ended = os.pidfd_open(process.pid)
    joint.ours.add(ended)
    watched = [ended]
    while watched or any(route.source in joint.masters for route in joint.routes):
        idle = [route for route in joint.routes if not route.waiting]
        theirs = [route for route in idle if route.shared and not _is_ours(route.source)]
        readable = {route.source: route for route in idle if route not in theirs}
        writable = {route.target: route for route in joint.routes if route.waiting}
        patience = _AGAIN if theirs else None
        ready, free, _ = select.select([*watched, *readable], [*writable], [], patience)
        if ended in ready:
            watched = []
        for route in [readable[source] for source in ready if source in readable]:
            if not route.read():
                joint.drop(route)
        for route in [writable[target] for target in free]:
            if not route.write():
                joint.drop(route)
