"""Swaps names as fast as it can while something else looks at them: the races that path checks lose."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.security.kit.people import Person, become

_EXCHANGE = 2
_AT_FDCWD = -100


def exchange(one: Path, other: Path) -> None:
    """renameat2(2) with RENAME_EXCHANGE: at no time is either name missing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), f"{one} {other}")


@contextlib.contextmanager
def swapping(person: Person, one: Path, other: Path) -> Iterator[None]:
    """A process of the person's that exchanges two names without end."""
    child = os.fork()
    if child == 0:
        try:
            become(person)
            libc = ctypes.CDLL(None)
            words = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
            while True:
                libc.renameat2(*words)
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def rounds(seconds: float, least: int = 1) -> Iterator[int]:
    """Numbers until the time is over; on a slow machine longer, until there were `least`."""
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end or (number < least and time.monotonic() < end + 20 * seconds):
        yield number
        number += 1


def race(person: Person, one: Path, other: Path, seconds: float, once: Callable[[], bool]) -> None:
    """Exchange two names while `once` is called, which gives whether it won and asserts that this was right.

    Goes on until it was both won and lost, for else nothing was shown; asserts that it was.
    """
    seen = {True: 0, False: 0}
    begun = time.monotonic()
    with swapping(person, one, other):
        for _ in rounds(seconds, 40):
            seen[once()] += 1
        while not all(seen.values()) and time.monotonic() < begun + 20 * seconds:
            seen[once()] += 1
    assert all(seen.values()), f"won and lost: {seen}"
