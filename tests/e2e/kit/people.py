"""Runs commands as an ordinary user, with an environment made from nothing."""

from __future__ import annotations

import contextlib
import os
import pwd
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT = 300.0
"""Seconds after which a command is taken to hang; the machine may be slow."""


@dataclass(frozen=True)
class User:
    """One account of the machine, and the folder that stands for its home."""

    name: str
    uid: int
    gid: int
    home: Path

    @classmethod
    def of(cls, name: str, home: Path) -> User:
        entry = pwd.getpwnam(name)
        return cls(name, entry.pw_uid, entry.pw_gid, home)

    @property
    def groups(self) -> list[int]:
        return os.getgrouplist(self.name, self.gid)

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": "/usr/local/bin:/usr/bin:/bin"}


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {shlex.join(self.argv)}\nexit code {self.code}\n--- out\n{self.out}--- err\n{self.err}"

    def ok(self, *words: str) -> Result:
        """Assert that it succeeded and said `words` on stderr."""
        return self.ended(0, *words)

    def ended(self, code: int, *words: str) -> Result:
        """Assert its exit code, and that each of `words` stands in what it said on stderr, without a traceback."""
        assert self.code == code, f"want exit code {code}\n{self}"
        assert "Traceback" not in self.err, str(self)
        for word in words:
            assert word in self.err, f"want {word!r} on stderr\n{self}"
        return self

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


@dataclass
class Running:
    """A command that has been started and not yet ended."""

    argv: tuple[str, ...]
    process: subprocess.Popen[bytes]

    def signal(self, number: int) -> None:
        """Send a signal to the command itself, not to its group."""
        self.process.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> Result:
        """What it left behind once it has ended."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return Result(
            self.argv,
            self.process.returncode,
            (out or b"").decode(errors="replace"),
            (err or b"").decode(errors="replace"),
        )

    def kill(self) -> None:
        """End it and its session, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def start(
    user: User,
    argv: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    **more: Any,
) -> Running:
    """Start a command as `user`, in a session of its own, with exactly the user's environment and `env`."""
    words = tuple(os.fspath(word) for word in argv)
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        identity = {"user": user.uid, "group": user.gid, "extra_groups": user.groups}
    process = subprocess.Popen(
        words,
        cwd=cwd,
        env={**user.env, **(env or {})},
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
        start_new_session=True,
        umask=0o022,
        **identity,
    )
    return Running(words, process)


def run(user: User, argv: Sequence[str | Path], *, cwd: Path, timeout: float = TIMEOUT, **more: Any) -> Result:
    """Run a command as `user` to its end."""
    return start(user, argv, cwd=cwd, **more).wait(timeout)


@contextlib.contextmanager
def ended(running: Running) -> Iterator[Running]:
    """A started command that does not outlive the block."""
    try:
        yield running
    finally:
        if running.process.returncode is None:
            running.kill()
