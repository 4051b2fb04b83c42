"""Runs in a sandbox as its command: processes that will not go, orphans, walks. Answers as JSON where asked."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import sys
import time
from pathlib import Path


def stubborn(_token: str) -> None:
    """Children in sessions of their own that ignore every signal; then one of us waits."""
    for number in range(1, 65):
        if number not in (signal.SIGKILL, signal.SIGSTOP, 32, 33):
            signal.signal(number, signal.SIG_IGN)
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            while True:
                time.sleep(60)
    print("ready", flush=True)
    while True:
        time.sleep(60)


def daemons(_token: str) -> None:
    """Leave daemons behind and end with 7."""
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            time.sleep(60)
            os._exit(0)
    sys.exit(7)


def orphans(count: str) -> None:
    """Orphans that end at once; then the states of all processes that are left."""
    for _ in range(int(count)):
        if os.fork() == 0:
            if os.fork() == 0:
                time.sleep(0.05)
            os._exit(0)
    for _ in range(int(count)):
        os.wait()
    end, states = time.monotonic() + 2, ["?"] * 3
    while len(states) > 2 and time.monotonic() < end:
        time.sleep(0.05)
        states = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # gone meanwhile
                states.append(Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0])
    print(json.dumps({"pid": os.getpid(), "parent": os.getppid(), "states": states}))


def walk() -> None:
    """Every socket, FIFO and device in sight, /proc and /dev left out, and how many things there were."""
    found, count, todo = [], 0, ["/"]
    while todo:
        folder = todo.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            count += 1
            if entry.is_dir(follow_symlinks=False):
                if entry.path not in ("/proc", "/dev", "/sys"):
                    todo.append(entry.path)
            elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                found.append(f"{entry.path} {stat.filemode(entry.stat(follow_symlinks=False).st_mode)}")
    print(json.dumps({"special": found, "count": count}))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
