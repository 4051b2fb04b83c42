"""Locks between processes: the kernel frees them with their holder, also after kill -9."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xsrc.core.errors import HostError

_MOMENT = 0.5
"""Seconds of waiting that need no message."""
_COMMAND = os.getpid()
"""The process that a person started, in the workers that it forks too."""


@contextlib.contextmanager
def locked(path: Path, purpose: str, say: Callable[[str], None], *, wait: bool = True) -> Iterator[bool | None]:
    """Hold the lock of `path` inside the block; a waiting process reports its `purpose`.

    Yields whether it had to wait; with `wait` off it yields None, without the lock, when another holds it.
    Raises HostError if it cannot make the lock file, and OSError.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise HostError(f"cannot make the lock {path}: {error.strerror}", hint="xsrc doctor") from error
    with holding(descriptor, purpose, say, wait=wait) as waited:
        yield waited


@contextlib.contextmanager
def holding(descriptor: int, purpose: str, say: Callable[[str], None], *, wait: bool = True) -> Iterator[bool | None]:
    """Hold the lock of an open file inside the block, as `locked` does; close it after the block. Raises OSError."""
    try:
        waited = not _tried(descriptor)
        if waited and not wait:
            yield None
            return
        if waited and not any(_tried(descriptor) for _ in map(time.sleep, [_MOMENT / 25] * 25)):
            holder = os.pread(descriptor, 4096, 0).decode(errors="replace").strip() or "another process"
            say(f"waiting for {holder}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {_COMMAND} ({purpose})\n".encode(), 0)
        yield waited
    finally:
        os.close(descriptor)


def _tried(descriptor: int) -> bool:
    """Whether the lock could be had at once; then it is held."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def locked_folder(path: Path) -> Iterator[None]:
    """Hold a folder itself inside the block, before it has a place for a lock. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def held(path: Path) -> bool:
    """Whether any process holds the lock of `path` now. Raises OSError for a lock that it cannot open."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock."""

    process: int
    user: str
    """Its user, "" if it has ended."""
    purpose: str


def holder(path: Path) -> Holder | None:
    """Who holds the lock of `path` now, None if nobody does. Raises OSError."""
    if not held(path):
        return None
    found = re.fullmatch(r"process (\d+) \((.*)\)\s*", path.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        return Holder(0, "", "")
    number = int(found[1])
    try:
        uid = Path(f"/proc/{number}").stat().st_uid
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = str(uid)
    except OSError:
        user = ""
    return Holder(number, user, found[2])
