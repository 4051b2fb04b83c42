"""The only door to processes: an exact environment, output to a sink, a session of its own that can be killed whole."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import prctl
from plumbum import local
from plumbum.machines.local import LocalCommand

from xsrc.core.command import Command
from xsrc.core.errors import HostError
from xsrc.core.settings import Limits
from xsrc.unix.signals import pausing

Process = subprocess.Popen[bytes]
Sink = Callable[[bytes], object]
Feed = Callable[[IO[bytes]], None]
Interrupt = Callable[[Process], bool]
"""Interrupts the programs that a process runs; says whether all of them have ended by themselves."""


@dataclass(frozen=True)
class Result:
    """The result of a short command; `code` is its exit code, or minus the signal that ended it."""

    code: int
    out: str
    err: str


def spawn(command: Command, **streams: Any) -> Process:
    """Start a command with exactly its environment; raises HostError when there is no such program."""
    # plumbum lays env= over a copy of os.environ taken when it was imported: that copy is emptied first
    local.env.clear()
    program = LocalCommand(command.argv[0])
    words, env = list(command.argv[1:]), dict(command.env)
    more = {"cwd": str(command.cwd or "/"), "pass_fds": command.fds, **streams}
    try:
        return cast(Process, program.popen(words, env=env, **more))
    except FileNotFoundError as error:
        raise HostError(f"{command.argv[0]}: no such program", hint="xsrc doctor") from error
    except PermissionError as error:
        raise HostError(f"{command.argv[0]}: not allowed to run it", hint="xsrc doctor") from error
    except subprocess.SubprocessError as error:  # what has to be done before could not be done
        raise HostError(f"{command.argv[0]}: could not be started within its limits", hint="xsrc doctor") from error


@contextlib.contextmanager
def _started(command: Command, interrupt: Interrupt | None = None, **streams: Any) -> Iterator[Process]:
    process = spawn(command, start_new_session=True, **streams)
    try:
        with pausing(process.pid):
            yield process
    except KeyboardInterrupt as error:
        quiet = interrupt(process) if interrupt else False
        end(process)
        if quiet:
            raise Quiet from error
        raise
    except BaseException:
        end(process)
        raise
    finally:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def end(process: Process) -> None:
    """End a process and the rest of its session; SIGTERM comes first, so that a helper ends its sandbox."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(2)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-process.pid, 0)[0]:  # orphans that were adopted; they have been killed
            pass


class Quiet(KeyboardInterrupt):
    """An interrupt after which the programs of a command have ended by themselves."""


def adopt_orphans() -> None:
    """Become the parent of processes that a killed helper leaves behind, so that `end` finds them (prctl(2))."""
    prctl.set_child_subreaper(1)


def no_privileges() -> None:
    """Let this process and all that it starts gain no privileges (prctl(2), PR_SET_NO_NEW_PRIVS)."""
    prctl.set_no_new_privs(1)


def bounded(seconds: int = 0, memory: int = 0, file: int | None = None) -> Callable[[], None]:
    """A function that takes all privileges from a new process and sets the limits of setrlimit(2).

    The limits are seconds of processor time, bytes of address space and, where `file` is given, bytes of each file that
    it writes. 0 seconds and 0 bytes of memory mean no limit.
    """

    def before() -> None:
        no_privileges()
        for limit, value in (
            (resource.RLIMIT_CPU, seconds or None),
            (resource.RLIMIT_AS, memory or None),
            (resource.RLIMIT_FSIZE, file),
            (resource.RLIMIT_CORE, 0),
        ):
            hard = resource.getrlimit(limit)[1]
            if value is not None:
                most = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(limit, (most, most))

    return before


def capture(command: Command, text: str = "", before: Callable[[], None] = no_privileges) -> Result:
    """Run a short command with `text` as its input and no way to new privileges; its output is kept in memory.

    `before` is called in the new process, before it becomes the command. Raises HostError if it cannot start.
    """
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _started(command, None, **streams, preexec_fn=before) as process:
        out, err = process.communicate(text.encode())
    return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


class LimitReached(Exception):
    """A command used more than it may; it has been ended. The text says what it did, and which limit forbids it."""


@dataclass(frozen=True)
class Watch:
    """How long a command may run and be silent, in seconds, and how much it may say, in bytes; 0 means no limit."""

    seconds: float = 0
    silent: float = 0
    size: int = 0

    @classmethod
    def of(cls, limits: Limits, seconds: float = 0) -> Watch:
        """The limits of one command; `seconds` is how long it may run if they do not say."""
        return cls(limits.seconds or seconds, limits.silent_seconds, limits.log_mib << 20)

    def patience(self, begun: float, heard: float, now: float) -> float | None:
        """How long to wait for its next output. Raises LimitReached."""
        if self.seconds and now - begun >= self.seconds:
            raise LimitReached(f"it ran for {self.seconds:g} seconds (limits.seconds)")
        if self.silent and now - heard >= self.silent:
            raise LimitReached(f"it said nothing for {self.silent:g} seconds (limits.silent_seconds)")
        ends = [begun + self.seconds] if self.seconds else []
        if self.silent:
            ends.append(heard + self.silent)
        return min(ends) - now if ends else None


def stream(
    command: Command,
    sink: Sink,
    feed: Feed | None = None,
    watch: Watch = Watch(),
    before: Callable[[], None] | None = None,
    interrupt: Interrupt | None = None,
) -> int:
    """Run a command and pass its output to `sink` as it comes; `feed` writes its input, if any.

    `before` is called in the new process, before it becomes the command. `interrupt` is called on Ctrl-C, before the
    command is ended; if all programs end by themselves, Quiet is raised.
    The command gets pipes and /dev/null, never this terminal. Return its exit code, or minus the signal that ended it.
    Raises HostError if the command cannot start, and LimitReached if it uses more than `watch` allows. An exception of
    `feed` or `sink`, KeyboardInterrupt included, ends the command and is raised again.
    """
    stdin = subprocess.PIPE if feed else subprocess.DEVNULL
    streams = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with _started(command, interrupt, **streams, preexec_fn=before) as process:
        out = process.stdout
        assert out is not None
        if feed is None:
            _drain(out, sink, watch)
            return process.wait()
        trouble: list[BaseException] = []

        def listen() -> None:
            try:
                _drain(out, sink, Watch())
            except BaseException as error:
                trouble.append(error)
                end(process)  # nobody reads what it says: it would wait, and `feed` for it

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        assert process.stdin is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # the command's exit code says more
                feed(process.stdin)
                process.stdin.close()
            code = process.wait()
        except BaseException:
            end(process)  # which ends what the listener waits for
            listener.join()
            raise
        listener.join()
        if trouble:
            raise trouble[0]
        return code


_LOOK = 1.0
"""Seconds between two looks at the clock, where it counts."""


def _drain(out: IO[bytes], sink: Sink, watch: Watch) -> None:
    begun = heard = time.monotonic()
    size = 0
    while True:
        looked = time.monotonic()
        patience = watch.patience(begun, heard, looked)
        wait = patience if patience is None else min(patience, _LOOK)
        ready = select.select([out], [], [], wait)[0]
        if wait is not None and (stopped := time.monotonic() - looked - wait) > _LOOK:
            begun, heard = begun + stopped, heard + stopped  # this process was stopped, and so was the command
        if not ready:
            continue
        if not (data := os.read(out.fileno(), 1 << 16)):
            return
        heard = time.monotonic()
        size += len(data)
        if watch.size and size > watch.size:
            raise LimitReached(f"it said more than {watch.size >> 20} MiB (limits.log_mib)")
        sink(data)
