"""Looks at processes, mounts and trees without asking xsrc."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

GRACE = 3.0
"""Seconds within which a killed build must be gone; SECURITY.md says 1, a busy machine may need more."""


def processes(word: str) -> dict[int, str]:
    """The processes whose command line holds `word`, but for this one; also those of other users."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                if word in line:
                    found[int(entry.name)] = line
    return found


def processes_of(uid: int) -> dict[int, str]:
    """The processes of one user, zombies left out."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                status = (entry / "status").read_text()
                if f"\nUid:\t{uid}\t" in status and "\nState:\tZ" not in status:
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def mounts(process: str = "self") -> list[str]:
    """The mount table of a process."""
    return Path("/proc", process, "mountinfo").read_text().splitlines()


def mounts_with(word: str) -> dict[int, list[str]]:
    """The mounts of any process, as far as this one may look, in whose line `word` stands."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if lines := [line for line in mounts(entry.name) if word in line]:
                    found[int(entry.name)] = lines
    return found


def until(true: Callable[[], object], what: str, timeout: float = 120.0) -> None:
    """Wait until something holds; fails when it does not in time."""
    end = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < end, f"after {timeout:.0f} s still not: {what}"
        time.sleep(0.02)


def gone(word: str) -> None:
    """Assert that no process and no mount with `word` is left, or that the last goes in no time."""
    until(lambda: not processes(word), f"no process with {word}: {processes(word)}", GRACE)
    assert not mounts_with(word)


def walk(top: Path, skip: Callable[[str], bool] = lambda path: False) -> Iterator[tuple[str, os.stat_result]]:
    """Every path below `top` in order, relative to it, with its status, but for what `skip` names."""

    def below(prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        for name in sorted(os.listdir(top / prefix)):
            path = f"{prefix}{name}"
            if skip(path):
                continue
            status = (top / path).lstat()
            yield path, status
            if stat.S_ISDIR(status.st_mode):
                yield from below(f"{path}/")

    yield from below("")


def describe(path: Path, status: os.stat_result) -> str:
    """Kind, mode and content of one path."""
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if stat.S_ISLNK(status.st_mode):
        return f"link {path.readlink()}"
    if stat.S_ISDIR(status.st_mode):
        return f"dir {mode}"
    if stat.S_ISREG(status.st_mode):
        return f"file {mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"
    return f"other {status.st_mode:o}"


def tree(top: Path, skip: Callable[[str], bool] = lambda path: False) -> dict[str, str]:
    """Every path below `top` with its kind, mode and content."""
    return {path: describe(top / path, status) for path, status in walk(top, skip)}


_PASSING = (
    "pkg-base/",
    "pkg-builddir/",
    "pkg-srcdistdir/",
    "pkg-destdir/.",
    "var/db/xsrc/nothing",
    "var/db/xsrc/logs/",
    "var/db/xsrc/farm.",
    "var/db/xsrc/journal.",
    "var/db/xsrc/index/",
    "var/db/xsrc/report/",
    "var/db/xsrc/generations/",
)
"""What a build that fails may leave: the layer that hides programs of the machine, work directories, unfinished
destdirs, logs, locks, distfiles, the database and the count of changes."""


def farm(masterdir: Path) -> dict[str, object]:
    """The farm as it is: the stowed root, the sealed destdirs, and what the database says of them."""
    seen: dict[str, object] = dict(tree(masterdir, lambda path: path.startswith(_PASSING)))
    database = masterdir / "var/db/xsrc/farm.sqlite"
    if database.exists():
        # a copy: as root, sqlite would make files of root beside it
        copy = sqlite3.connect(":memory:")
        copy.deserialize(database.read_bytes())
        for table in ("package", "entry", "stowed", "begun"):
            seen[f"database: {table}"] = sorted(map(repr, copy.execute(f"SELECT * FROM {table}")))
        copy.close()
    return seen
