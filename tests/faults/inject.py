"""Runs a function in a child process and decides, before each system call that changes anything, what becomes of it.

The child hands its parent the listener of a seccomp filter (seccomp_unotify(2)); the kernel holds each call of the
filter until the parent has answered: let it be carried out, let it fail with an errno, or kill the child before it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import functools
import os
import select
import signal
import socket
import struct
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.calls import AT, FD, HERE, Call, listen

GO, KILL = 0, -1
"""What `decide` may answer beside an errno."""
LIMIT = 60.0
"""Seconds without a call after which a child is taken to hang."""

_RECV, _SEND = 0xC0502100, 0xC0182101
_QUESTION = struct.Struct("=QII iI Q 6Q")
_ANSWER = struct.Struct("=Qq iI")
_CONTINUE = 1
_AT_FDCWD = -100


@dataclass(frozen=True)
class Point:
    """A call that is about to change something below the root that is watched."""

    number: int
    """Of this run, from 1."""
    pid: int = field(compare=False)
    call: str
    place: str
    """Relative to the root."""
    allocates: bool = field(compare=False)
    """Whether a full disk would refuse it."""

    def __str__(self) -> str:
        return f"{self.number}: {self.call} {self.place}"


Decide = Callable[[Point], int]


@dataclass
class Outcome:
    """How a child ended, what it said, and the points that it came to."""

    code: int
    """The exit code; minus the signal where one ended it."""
    said: str
    points: list[Point]
    hung: bool = False
    peak: int = 0
    """The most memory that it used, in KiB; what it has from its parent is counted in."""

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


def nothing(point: Point) -> int:
    """Let every call be carried out."""
    return GO


class Run:
    """A function that is run in a child; `decide` is asked before each call that changes something below root.

    With `decide` None nobody asks anything. The child's own children are let alone; standard output and error are
    kept, and count as no change.
    """

    def __init__(self, function: Callable[[], int], root: Path, decide: Decide | None = nothing) -> None:
        assert HERE is not None, "no table of system calls for this machine"
        self._said = os.memfd_create("said", os.MFD_CLOEXEC)
        self._watch: _Watch | None = None
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.pid = _fork()
        if self.pid == 0:
            ours.close()
            _child(function, its if decide else None, self._said)
        its.close()
        with ours:
            if decide:
                _, descriptors, _, _ = socket.recv_fds(ours, 16, 1)
                if not descriptors:
                    os.waitpid(self.pid, 0)
                    raise RuntimeError(f"the child could not be put under a filter: {self.said}")
                self._watch = _Watch(self.pid, root, decide, descriptors[0])
                ours.send(b"!")

    @property
    def said(self) -> str:
        """What it has said so far."""
        return os.pread(self._said, 1 << 24, 0).decode(errors="replace")

    def end(self) -> Outcome:
        """Wait for its end, and answer what is asked until then."""
        try:
            if self._watch:
                outcome = self._watch.end()
            else:
                _, status, used = os.wait4(self.pid, 0)
                outcome = Outcome(os.waitstatus_to_exitcode(status), "", [], peak=used.ru_maxrss)
            outcome.said = self.said
            return outcome
        finally:
            os.close(self._said)


def run(function: Callable[[], int], root: Path, decide: Decide | None = nothing) -> Outcome:
    """Run a function in a child to its end."""
    return Run(function, root, decide).end()


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _child(function: Callable[[], int], its: socket.socket | None, said: int) -> None:
    """What the child does; never returns."""
    code = 125
    try:
        os.dup2(said, 1)
        os.dup2(said, 2)
        # what an earlier run has left in the buffers is not ours to say
        sys.stdout, sys.stderr = (os.fdopen(os.dup(n), "w", 1, errors="backslashreplace") for n in (1, 2))
        if its:
            listener = listen(HERE)  # type: ignore[arg-type]
            socket.send_fds(its, [b"!"], [listener])
            os.close(listener)
            its.recv(1)  # until the parent can see what it needs
            its.close()
        code = function()
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


class _Watch:
    """The parent's side of one run."""

    def __init__(self, pid: int, root: Path, decide: Decide, listener: int) -> None:
        self.pid, self.decide, self.listener = pid, decide, listener
        self.root = os.fspath(root)
        self.points: list[Point] = []
        self.mine = {pid: True}
        self.pidfd = os.pidfd_open(pid)
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)

    def end(self) -> Outcome:
        """Answer until the child, and every child that it left, is gone."""
        code: int | None = None
        hung = heard_out = False
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        poll.register(self.pidfd, select.POLLIN)
        try:
            while True:
                events = dict(poll.poll(LIMIT * 1000))
                if not events:
                    hung = True
                    if code is not None:  # a child of the child's, which nobody waits for
                        break
                    os.kill(self.pid, signal.SIGKILL)
                if self.pidfd in events:
                    code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                    poll.unregister(self.pidfd)
                if events.get(self.listener, 0) & select.POLLIN:
                    self._answer()
                elif events.get(self.listener, 0) & select.POLLHUP:
                    if code is not None:
                        break
                    poll.unregister(self.listener)  # nobody is left to ask; the end of the child is still to come
                    heard_out = True
                if heard_out and code is not None:
                    break
        finally:
            for descriptor in (self.listener, self.pidfd, self.memory):
                os.close(descriptor)
        return Outcome(code if code is not None else -1, "", self.points, hung)

    def _answer(self) -> None:
        buffer = bytearray(_QUESTION.size)
        try:
            fcntl.ioctl(self.listener, _RECV, buffer)
        except OSError as error:
            if error.errno == errno.ENOENT:  # it was killed meanwhile
                return
            raise
        asked, pid, _, number, _, _, *arguments = _QUESTION.unpack(buffer)
        answer = GO
        if self._is_main(pid):
            point = self._point(HERE.numbers[number], arguments)  # type: ignore[union-attr]
            if point is not None:
                self.points.append(point)
                answer = self.decide(point)
        if answer == KILL:
            os.kill(self.pid, signal.SIGKILL)
            return
        reply = _ANSWER.pack(asked, 0, -answer, 0) if answer else _ANSWER.pack(asked, 0, 0, _CONTINUE)
        with contextlib.suppress(FileNotFoundError):
            fcntl.ioctl(self.listener, _SEND, bytearray(reply))

    def _is_main(self, pid: int) -> bool:
        """Whether a thread is one of the child itself, not of a process that it started."""
        if pid not in self.mine:
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                return False
            self.mine[pid] = f"\nTgid:\t{self.pid}\n" in status
        return self.mine[pid]

    def _point(self, call: Call, arguments: list[int]) -> Point | None:
        for kind, first, second in call.places:
            place = self._place(kind, arguments[first], arguments[second])
            if place == self.root or place.startswith(self.root + "/"):
                shown = place[len(self.root) + 1 :]
                return Point(len(self.points) + 1, self.pid, call.name, shown, self._allocates(call, arguments, place))
        return None

    def _place(self, kind: str, first: int, second: int) -> str:
        if kind == FD:
            return self._descriptor(first)
        name = self._string(second if kind == AT else first)
        if name.startswith(own := "/proc/self/fd/"):
            return self._descriptor(int(name.removeprefix(own)))
        if name.startswith("/"):
            return os.path.normpath(name)
        folder = "cwd" if kind != AT or ctypes.c_int(first).value == _AT_FDCWD else f"fd/{first & 0xFFFFFFFF}"
        return os.path.normpath(f"{self._link(folder)}/{name}")

    def _allocates(self, call: Call, arguments: list[int], place: str) -> bool:
        if not call.allocates:
            return False
        if call.name.startswith(("open", "creat", "rename")):
            return not os.path.lexists(place)
        return True

    def _descriptor(self, number: int) -> str:
        return self._link(f"fd/{number & 0xFFFFFFFF}")

    def _link(self, what: str) -> str:
        try:
            return os.readlink(f"/proc/{self.pid}/{what}")  # noqa: PTH115
        except OSError:
            return ""

    def _string(self, address: int) -> str:
        try:
            return os.fsdecode(os.pread(self.memory, 4096, address).partition(b"\0")[0])
        except OSError:
            return ""


@functools.cache
def missing() -> str | None:
    """Why nothing can be injected here, or None."""
    if HERE is None:
        return f"no table of system calls for {os.uname().machine}"
    try:
        done = run(lambda: 0, Path("/nonexistent"))
    except (OSError, RuntimeError) as error:
        return f"the kernel does not let a process be watched: {str(error).strip().splitlines()[-1]}"
    return None if done.code == 0 else f"a watched process ended with {done.code}: {done.said}"
