"""Enters sandboxes: runs a command in a sandbox, and recognises a refusal of a helper."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xsrc.core.command import Command
from xsrc.core.errors import HostError
from xsrc.sandbox.disk.helpers import Helpers
from xsrc.sandbox.sandbox import Sandbox
from xsrc.unix import process
from xsrc.unix.descendants import families
from xsrc.unix.terminal import run_joined

REFUSED = 125
"""Exit code of a helper's own refusal (SECURITY: R33)."""


def command(helpers: Helpers, sandbox: Sandbox, argv: tuple[str, ...], report: int = 0) -> Command:
    """Return the command that enters a sandbox, for this process to start; its own environment is empty.

    The environment of the sandbox goes as arguments. `report` is the write end of a pipe for the helper's own words.
    """
    words = sandbox.argv(helpers.mount, argv, userns=helpers.userns, parent=os.getpid(), report=report)
    return Command(words, fds=(report,) if report else ())


ENTERED = b"entered\n"
"""The text that the helper writes to its pipe right before it becomes the command."""


@dataclass(frozen=True)
class Entering:
    """A command on its way into a sandbox, with the pipe that the helper has and the command does not.

    A build may end with code 125 and print what it likes: only the pipe says whether a helper refused.
    """

    command: Command
    pipe: int

    def check(self, code: int, output: str = "") -> None:
        """Raise HostError if the helper refused; `code` is its exit code, and it has ended.

        `output` is what was printed. The helper alone can have printed it if the pipe is empty: a helper that reads
        its command line writes there before a command runs.
        """
        if code != REFUSED:
            return
        try:
            report = os.read(self.pipe, 1 << 13)
        except BlockingIOError:
            report = b""
        if report.startswith(ENTERED):
            return
        lines = report.decode(errors="replace").splitlines() or output.splitlines()
        said = next((line for line in reversed(lines) if line.startswith(("xsrc-mount: ", "xsrc-chroot: "))), "")
        if not said or "bad option" in said:  # they know other options than this xsrc
            text = said or f"{self.command.argv[0]} ended with code {code}"
            raise HostError(f"the helpers are of another version: {text}", hint="run helpers/setup in the tree")
        hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
        raise HostError(f"the sandbox could not be entered: {said}", hint="; ".join(hints) or "xsrc doctor")


@contextlib.contextmanager
def entry(helpers: Helpers, sandbox: Sandbox, argv: tuple[str, ...]) -> Iterator[Entering]:
    """Make the command that enters a sandbox, and the pipe on which its helper reports."""
    reading, writing = os.pipe()  # no other program inherits them (PEP 446)
    try:
        os.set_blocking(reading, False)
        yield Entering(command(helpers, sandbox, argv, writing), reading)
    finally:
        os.close(reading)
        os.close(writing)


class _Tail:
    """Passes output on and keeps the end of it."""

    def __init__(self, sink: process.Sink) -> None:
        self.sink, self.kept = sink, b""

    def __call__(self, data: bytes) -> None:
        self.kept = (self.kept + data)[-4096:]
        self.sink(data)


_QUIET = 2.0
"""Seconds for interrupted programs to remove half-written files."""


def _interrupt(helper: process.Process) -> bool:
    """Interrupt programs in a sandbox as Ctrl-C does; return whether all of them have ended by themselves.

    make(1) and cc(1) then remove unfinished files. The first command is stopped meanwhile, so it starts nothing more.
    When it ends, all others are killed.
    """
    family = families([helper.pid])[0]
    inits = {seen.pid for seen in family if seen.parent == helper.pid}
    firsts = {seen.pid for seen in family if seen.parent in inits}
    for pid in firsts:
        _signal(pid, signal.SIGSTOP)
    ends = time.monotonic() + _QUIET
    asked: set[int] = set()
    while True:
        left = {seen.pid for seen in families([helper.pid])[0] if seen.alive} - {helper.pid} - inits - firsts
        for pid in left - asked:
            _signal(pid, signal.SIGINT)
        asked |= left
        if not left or time.monotonic() > ends:
            return bool(firsts) and not left
        time.sleep(0.01)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def run(
    helpers: Helpers,
    sandbox: Sandbox,
    argv: tuple[str, ...],
    sink: process.Sink,
    feed: process.Feed | None = None,
    watch: process.Watch = process.Watch(),  # noqa: B008 - frozen
    before: Callable[[], None] | None = None,
) -> int:
    """Run a command in a sandbox and pass its output to `sink`; return its exit code, 128+n if signal n ended it.

    `before` is called in the new process, before it becomes the helper.
    Raises HostError if a helper refuses, LimitReached if the command uses more than `watch` allows.
    """
    tail = _Tail(sink)
    with entry(helpers, sandbox, argv) as entering:
        code = process.stream(entering.command, tail, feed, watch, before, _interrupt)
        entering.check(code, tail.kept.decode(errors="replace"))
    return code if code >= 0 else 128 - code


def ended(code: int) -> str:
    """How the command ended, by the exit code that `run` returned: 128+n means signal n, if it exists.

    >>> ended(1), ended(137), ended(255)
    ('exit code 1', 'signal 9', 'exit code 255')
    """
    return f"signal {code - 128}" if 128 < code <= 128 + signal.SIGRTMAX else f"exit code {code}"


def interact(helpers: Helpers, sandbox: Sandbox, argv: tuple[str, ...], terminal: bool) -> int:
    """Run a command in a sandbox for a person; `terminal` says whether their input and output both are terminals.

    No terminal of theirs is handed to it. Returns its exit code, 128+n when signal n ended it. Raises HostError if a
    helper refuses.
    """
    with entry(helpers, sandbox, argv) as entering:
        code = run_joined(entering.command, terminal)
        entering.check(code)
    return code
