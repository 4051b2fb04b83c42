"""Worker processes: each does one task in a fork of this process, and reports over a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

import prctl

from xsrc.unix.descendants import families
from xsrc.unix.signals import CAUGHT, pause, usual

Send = Callable[[str, Any], None]
"""Sends a word and a value of JSON to the process that began the worker."""

_SAMPLE = 0.5
"""Seconds between two looks at the memory of workers."""


class Event(NamedTuple):
    """One report of a worker, and its time (seconds since the epoch); `END` says how its process ended."""

    task: str
    word: str
    value: Any
    at: float


END = "end"


class End(NamedTuple):
    """How a worker ended."""

    code: int
    """Its exit code, or minus the signal that ended it."""
    peak: int
    """Peak memory in bytes: of it and its descendants at one look, or of its largest process."""


@dataclass
class _Worker:
    task: str
    pid: int
    rest: bytes = b""
    peak: int = 0


class Workers:
    """The workers of one run. This process must have no other threads: a fork copies only the calling thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._workers: dict[int, _Worker] = {}
        self._looked = 0.0

    def __len__(self) -> int:
        return len(self._workers)

    def begin(self, task: str, work: Callable[[Send], None]) -> None:
        """Do `work` in a new process with its own process group; it ends when this process does. Raises OSError."""
        sys.stdout.flush()
        sys.stderr.flush()
        read, write = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        # no signal between the fork and the notes of it, on either side
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
        try:
            pid = os.fork()
            if pid == 0:
                self._run(work, write, parent, mask)
            os.close(write)
            self._workers[read] = _Worker(task, pid)
            self._selector.register(read, selectors.EVENT_READ)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _run(self, work: Callable[[Send], None], write: int, parent: int, mask: Iterable[int]) -> NoReturn:
        code = 70

        def say(word: str, value: Any) -> None:
            line = json.dumps([word, value, time.time()]).encode() + b"\n"
            while line:
                line = line[os.write(write, line) :]

        try:
            os.setpgid(0, 0)
            prctl.set_pdeathsig(signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(code)
            for read in self._workers:
                os.close(read)
            usual()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            work(say)
            code = 0
        except KeyboardInterrupt:
            code = 130
        except BaseException:
            import traceback

            with contextlib.suppress(OSError):
                say("bug", traceback.format_exc())
        finally:
            os._exit(code)

    def events(self, patience: float) -> Iterator[Event]:
        """Wait at most `patience` seconds for reports, and return them; the last one of a worker is its end."""
        for key, _ in self._selector.select(min(patience, _SAMPLE) if self._workers else 0):
            worker = self._workers[key.fd]
            data = os.read(key.fd, 1 << 16)
            lines = (worker.rest + data).split(b"\n")
            worker.rest = lines.pop()
            for line in lines:
                word, value, at = json.loads(line)
                yield Event(worker.task, word, value, at)
            if not data:
                yield self._ended(key.fd)
        self._look()

    def _ended(self, read: int) -> Event:
        worker = self._workers.pop(read)
        self._selector.unregister(read)
        os.close(read)
        _, status, usage = os.wait4(worker.pid, 0)
        peak = max(worker.peak, usage.ru_maxrss << 10)
        return Event(worker.task, END, End(os.waitstatus_to_exitcode(status), peak), time.time())

    def _look(self) -> None:
        """Measure the memory of each worker with its descendants."""
        if not self._workers or time.monotonic() - self._looked < _SAMPLE:
            return
        self._looked = time.monotonic()
        for worker, family in zip(self._workers.values(), families(w.pid for w in self._workers.values()), strict=True):
            worker.peak = max(worker.peak, sum(seen.resident for seen in family))  # what they share counts for each

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Send a signal to every worker itself; each worker ends its own processes."""
        for worker in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, number)

    def pause(self) -> None:
        """Stop every worker with its own processes, and this process, until it is told to go on."""
        pause(worker.pid for worker in self._workers.values())


def memory_free() -> int | None:
    """Bytes of memory that processes can still use without swapping, None if the kernel does not say."""
    with contextlib.suppress(OSError), open("/proc/meminfo", encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    return None
