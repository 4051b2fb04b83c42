"""Processes of an ordinary user that have imported all of xsrc and do what the tests tell them, two at a time."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import pwd
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import prctl

from tests.faults.world import TREE, load_everything
from xsrc.unix.trees import remove_tree

Job = Callable[[Path], Any]
"""What a worker does in a folder of its own: a function of a module, or a partial of one."""
LIMIT = 1200.0 if os.environ.get("XSRC_FAULTS") == "all" else 300.0
"""Seconds for a job: about ten times what the longest one takes on a machine that does nothing else."""
_ROOM = 1 << 29
SHARES = 2


def base() -> Path:
    """Where the work is done: in memory where there is room for it and programs may run, else on the disk."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return Path("/var/tmp")
    return memory if shutil.disk_usage(memory).free > _ROOM else Path("/var/tmp")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder of the user's, gone after the block."""
    made = Path(tempfile.mkdtemp(prefix="xsrc-faults-", dir=base()))
    uid, gid = identity()
    os.chown(made, uid, gid)
    try:
        yield made
    finally:
        remove_tree(made)


def identity() -> tuple[int, int]:
    """Who does the work: us, or nobody in place of root, for whom no mode of a file counts."""
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


def become_ordinary() -> None:
    """Give root up for good."""
    if os.geteuid() == 0:
        uid, gid = identity()
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        prctl.set_dumpable(1)  # else nobody may look at our children, not even we


def together(jobs: Sequence[Job], before: Job | None = None) -> list[Any]:
    """Do jobs at the same time, each in a process and a folder of its own; gives what they return.

    `before` is called in each process while it still is who we are. Raises RuntimeError with the traceback of a job
    that failed.
    """
    with contextlib.ExitStack() as stack:
        started = []
        for job in jobs:
            place = stack.enter_context(folder())
            text = pickle.dumps((job, before, place))
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-P", "-W", "error", "-m", "tests.faults.worker"],
                    # the one seed: equal runs come to the same calls in the same order
                    env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(TREE), "PYTHONHASHSEED": "0"}
                    | {name: os.environ[name] for name in ("XSRC_FAULTS",) if name in os.environ},
                    cwd="/",
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            stack.callback(process.kill)
            assert process.stdin is not None
            process.stdin.write(text)
            process.stdin.close()
            process.stdin = None
            started.append(process)
        answers = [process.communicate(timeout=LIMIT)[0] for process in started]
    results = []
    for process, answer in zip(started, answers, strict=True):
        good, value = pickle.loads(answer) if answer else (False, f"a worker ended with {process.returncode}")
        if not good:
            raise RuntimeError(value)
        results.append(value)
    return results


def alone(job: Job, before: Job | None = None) -> Any:
    """Do one job as the ordinary user."""
    return together([job], before)[0]


def main() -> None:
    """Read a job, do it, write what it gave."""
    answer = os.dup(1)
    os.dup2(2, 1)
    load_everything()
    gc.freeze()  # a collection in a child would touch, and so copy, every page of ours
    try:
        job, before, place = pickle.load(sys.stdin.buffer)
        if before is not None:
            before(place)
        become_ordinary()
        result = (True, job(place))
    except BaseException:
        result = (False, traceback.format_exc())
    with os.fdopen(answer, "wb") as file:
        pickle.dump(result, file)


if __name__ == "__main__":
    main()
