"""One sandbox: a root that belongs to P, what is mounted on it, and the helper that enters it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.security.kit.people import LIMIT, Person, as_root, pids, popen

PYTHON = "/usr/bin/python3"
TOPS = ("bin", "sbin", "lib", "lib32", "lib64")
FOLDERS = ("usr", "etc", "proc", "sys", "dev", "tmp", "kit", "work", "mnt", "mnt/deep", "srv")


@dataclass(frozen=True)
class Stage:
    """What all tests of a run share."""

    base: Path
    """World-readable; each test has a folder below it."""
    libexec: Path
    """Root's; on a mount without nosuid where root makes it. Compiled into xsrc-mount."""
    out: Path
    """The two programs as they were compiled."""
    plain: Path
    kit: Path
    """Shown in each sandbox as /kit: the probes and the programs in C."""
    p: Person
    e: Person | None
    build: str


@dataclass(frozen=True)
class Helper:
    """The pair of programs in one of the two modes."""

    mode: str
    folder: Path

    @property
    def userns(self) -> bool:
        return self.mode == "plain"

    @property
    def mount(self) -> Path:
        return self.folder / "xsrc-mount"

    @property
    def chroot(self) -> Path:
        return self.folder / "xsrc-chroot"

    @property
    def flag(self) -> str:
        return "-u" if self.userns else "-c"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    argv: Sequence[str | Path]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {shlex.join(map(str, self.argv))}\ncode {self.code}\nout: {self.out}\nerr: {self.err}"

    def refused(self, *words: str) -> Done:
        """Assert that a helper refused, said why in these words, and ran nothing."""
        assert self.code == 125, str(self)
        assert self.err.startswith(("xsrc-mount: ", "xsrc-chroot: ")), str(self)
        for word in words:
            assert word in self.err, f"want {word!r}\n{self}"
        assert self.out == "", f"something ran\n{self}"
        return self

    @property
    def json(self) -> Any:
        """What a probe found; asserts that it came to its end."""
        assert self.code == 0, str(self)
        return json.loads(self.out.splitlines()[-1])


def finish(process: subprocess.Popen[bytes], argv: Sequence[str | Path]) -> Done:
    """Wait for a command, at most LIMIT seconds."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    # a stream that is not a pipe said nothing to us
    said, complained = ((text or b"").decode(errors="replace") for text in (out, err))
    return Done(argv, process.returncode, said, complained)


def run_as(person: Person, argv: Sequence[str | Path], **more: Any) -> Done:
    return finish(popen(person, argv, **more), argv)


def give(path: Path, person: Person) -> Path:
    """Make something the person's."""
    if as_root():
        os.chown(path, person.uid, person.gid, follow_symlinks=False)
    return path


def folder(path: Path, person: Person, mode: int = 0o755) -> Path:
    path.mkdir()
    path.chmod(mode)
    return give(path, person)


def file(path: Path, person: Person, text: str = "", mode: int = 0o644) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return give(path, person)


def link(path: Path, target: str | Path, person: Person) -> Path:
    path.symlink_to(target)
    return give(path, person)


def make_root(root: Path, person: Person) -> Path:
    """A root of the person's own, with places for mounts; /bin and /lib as they are on this machine."""
    folder(root, person)
    for name in FOLDERS:
        folder(root / name, person)
    for top in TOPS:
        real = Path("/", top)
        if real.is_symlink():
            link(root / top, real.readlink(), person)
        elif real.is_dir():
            folder(root / top, person)
    return root


def usr_binds() -> list[str]:
    tops = [top for top in TOPS if Path("/", top).is_dir() and not Path("/", top).is_symlink()]
    return [word for top in ("usr", *tops) for word in ("-r", f"/{top}", top)]


@dataclass(frozen=True)
class Box:
    """A sandbox of P's."""

    stage: Stage
    helper: Helper
    place: Path
    root: Path
    work: Path
    """Seen as /work, writable."""

    @property
    def person(self) -> Person:
        return self.stage.p

    def options(self) -> list[str]:
        return [*usr_binds(), "-r", str(self.stage.kit), "kit", "-w", str(self.work), "work"]

    def argv(
        self,
        *command: str | Path,
        options: Sequence[str | Path] = (),
        root: Path | str | None = None,
        bare: bool = False,
    ) -> list[str]:
        """The command line; `bare`: without the usual mounts."""
        usual = ["-T", "16"] if bare else ["-T", "16", *self.options()]
        words = [self.helper.mount, self.helper.flag, *usual, *options, "--", root or self.root, *command]
        return [str(word) for word in words]

    def run(self, *command: str | Path, person: Person | None = None, **more: Any) -> Done:
        how = {key: more.pop(key) for key in ("options", "root", "bare") if key in more}
        return run_as(person or self.person, self.argv(*command, **how), **more)

    def start(self, *command: str | Path, person: Person | None = None, **more: Any) -> subprocess.Popen[bytes]:
        how = {key: more.pop(key) for key in ("options", "root", "bare") if key in more}
        return popen(person or self.person, self.argv(*command, **how), **more)  # type: ignore[no-any-return]

    def probe(self, name: str, *args: str | Path, **more: Any) -> Any:
        """Run a function of inside/probe.py in the sandbox; gives what it found."""
        return self.run(PYTHON, "-I", "-S", "/kit/probe.py", name, *args, **more).json

    def compat(self, *calls: tuple[int | str, ...], **more: Any) -> list[int]:
        """Make system calls by int $0x80; gives their results. A test that needs them is skipped on other machines."""
        if not (self.stage.kit / "compat").exists():
            pytest.skip("only x86_64 has int $0x80")
        words = [str(word) for number in calls for word in ("--", *number)][1:]
        return list(self.run("/kit/compat", *words, **more).json)

    def folder(self, name: str, mode: int = 0o755) -> Path:
        return folder(self.place / name, self.person, mode)

    def file(self, name: str, text: str = "", mode: int = 0o644) -> Path:
        return file(self.place / name, self.person, text, mode)

    @contextlib.contextmanager
    def running(self, *words: str, **more: Any) -> Iterator[tuple[int, int, int]]:
        """A build that sleeps: pids of outer, pid 1 and payload, as seen from outside."""
        process = self.start(PYTHON, "-I", "-S", "/kit/probe.py", "sleep", *words, **more)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if line != b"ready\n":
                _, err = process.communicate(timeout=LIMIT)
                raise AssertionError(f"{line!r} {err!r}")
            first = child_of(process.pid)
            yield process.pid, first, child_of(first)
        finally:
            process.kill()
            process.communicate()


def child_of(pid: int) -> int:
    """The only child of a process."""
    found = [other for other in pids() if (text := _stat(other)) and int(text.rpartition(")")[2].split()[1]) == pid]
    assert len(found) == 1, f"children of {pid}: {found}"
    return found[0]


def _stat(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""


def status(pid: int) -> dict[str, str]:
    """The fields of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def holders(token: str) -> list[int]:
    """Processes with a word in their command line."""
    found = []
    for pid in pids():
        with contextlib.suppress(OSError):
            if token.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") and pid != os.getpid():
                found.append(pid)
    return found


def gone(token: str, seconds: float = 1.0) -> list[int]:
    """Wait until no process has the word in its command line; gives those that are left, and kills them."""
    end = time.monotonic() + seconds
    while (left := holders(token)) and time.monotonic() < end:
        time.sleep(0.02)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return left
