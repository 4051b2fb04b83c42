"""What the attacks share. Each is a program run by an ordinary user: it prints SAFE, RISK or ERROR and a word on why.

The first argument names a JSON file with the helper, its mode and the folders; run again inside a sandbox as its
command, a program finds "inside" there. Only the standard library: these run with any Python, far from the tests.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

libc = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"
INSIDE = sys.argv[1:2] == ["inside"]
WORLD: dict[str, Any] = {} if INSIDE else json.loads(Path(sys.argv[1]).read_text())
PLACE = Path(WORLD.get("place", "/"))
"""A folder of the attacker's own."""
ROOT = Path(WORLD.get("root", "/"))


def verdict(safe: bool, why: str) -> NoReturn:
    print(f"{'SAFE' if safe else 'RISK'}\t{' '.join(why.split())}")
    sys.exit(0)


def error(why: str) -> NoReturn:
    print(f"ERROR\t{' '.join(why.split())}")
    sys.exit(0)


def argv(*command: str, options: tuple[str, ...] = (), root: Path = ROOT) -> list[str]:
    return [WORLD["mount"], WORLD["flag"], *WORLD["options"], *options, "--", str(root), *command]


def enter(
    *command: str, options: tuple[str, ...] = (), root: Path = ROOT, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command in a sandbox."""
    words = argv(*command, options=options, root=root)
    more = {"stdin": subprocess.DEVNULL, **more}
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, **more)


def again(*args: str, options: tuple[str, ...] = (), **more: Any) -> str:
    """Run this program inside; what it said."""
    done = enter(
        "/usr/bin/python3",
        "-s",
        "-S",
        f"/kit/attacks/{Path(sys.argv[0]).name}",
        "inside",
        *args,
        options=options,
        **more,
    )
    if done.returncode not in (0,):
        error(f"the sandbox was not entered: {done.returncode} {done.stderr.strip()}")
    return done.stdout.strip()


def folder(name: str) -> Path:
    path = PLACE / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def write(path: Path, text: str, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def works(function: Callable[..., object], *args: Any, **more: Any) -> bool:
    """Whether a Python call is allowed."""
    try:
        function(*args, **more)
    except OSError:
        return False
    return True


def call(*words: Any) -> int:
    """A system call by number: its result, or minus its error."""
    ctypes.set_errno(0)
    args = [w.encode() if isinstance(w, str) else ctypes.c_long(w) if isinstance(w, int) else w for w in words]
    result = int(libc.syscall(*args))
    return result if result >= 0 else -ctypes.get_errno()


def until(seconds: float, least: int = 1) -> Iterator[None]:
    """Go on until the time is over; on a slow machine longer, until there were `least` rounds."""
    end, done = time.monotonic() + seconds, 0
    while time.monotonic() < end or (done < least and time.monotonic() < end + 40 * seconds):
        yield
        done += 1


class Swapper:
    """Exchanges two names without end, in a process of its own (renameat2(2), RENAME_EXCHANGE)."""

    def __init__(self, one: Path, other: Path) -> None:
        words = (-100, os.fsencode(one), -100, os.fsencode(other), 2)
        self.child = os.fork()
        if self.child == 0:
            while True:
                libc.renameat2(*words)

    def __enter__(self) -> Swapper:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)


def race(one: Path, other: Path, once: Callable[[], str]) -> NoReturn:
    """Swap while sandboxes are made; `once` gives "won" (as it should be), "refused", or what went wrong."""
    count = {"won": 0, "refused": 0}
    begun, seconds = time.monotonic(), float(WORLD["seconds"])
    with Swapper(one, other):
        while time.monotonic() < begun + seconds or (
            not (all(count.values()) and sum(count.values()) > 30) and time.monotonic() < begun + 20 * seconds
        ):
            answer = once()
            if answer not in count:
                verdict(False, answer)
            count[answer] += 1
    if not all(count.values()):
        error(f"nothing was shown: {count}")
    verdict(True, f"{count['won']} right, {count['refused']} refused, 0 elsewhere")


NAMES = errno.errorcode
