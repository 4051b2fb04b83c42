"""Runs outside a sandbox as P and starts a helper in ways that a shell cannot. Only the standard library."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE = 56 if os.uname().machine == "x86_64" else 220
KEYS = (248, 250) if os.uname().machine == "x86_64" else (217, 219)


def no_argv(program: str) -> None:
    """execve with an empty argument list."""
    argv = (ctypes.c_char_p * 1)(None)
    env = (ctypes.c_char_p * 1)(None)
    libc.execve(program.encode(), argv, env)
    sys.exit(99)


def shared_fs(*argv: str) -> None:
    """A child that shares root and working directory with us execs the helper (clone(2), CLONE_FS)."""
    child = libc.syscall(CLONE, 0x200 | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os.execv(argv[0], argv)
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def thread(*argv: str) -> None:
    """A thread starts the helper, and ends when its command runs; the process lives on."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        started.append(subprocess.Popen(argv, stdout=subprocess.PIPE))
        assert started[0].stdout is not None
        started[0].stdout.readline()

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()
    time.sleep(0.2)
    out, _ = started[0].communicate()
    print(out.decode(), end="")
    sys.exit(started[0].returncode & 0xFF)


def caller(*argv: str) -> None:
    """Start the helper and wait; somebody kills us."""
    subprocess.Popen(argv)
    time.sleep(60)


def orphan(said: str, *argv: str) -> None:
    """End between the fork and the exec of the helper, which is told our number, or nobody's where `said` is empty."""
    mine = os.getpid()
    if os.fork() == 0:
        while os.getppid() == mine:
            time.sleep(0.001)
        options = ["-P", str(mine)] if said else []
        os.execv(argv[0], [argv[0], *options, *argv[1:]])
    os._exit(0)


def deaf(*argv: str) -> None:
    """Every signal blocked, many ignored, then the helper in our place."""
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    os.execv(argv[0], argv)


def add_key(description: str) -> None:
    """A key in the user keyring, printed; it dies after a minute."""
    key = libc.syscall(KEYS[0], b"user", description.encode(), b"secret", 6, -4)
    if key >= 0:
        libc.syscall(KEYS[1], 15, key, 60)  # KEYCTL_SET_TIMEOUT
    print(key if key >= 0 else -ctypes.get_errno())


def find_key(description: str) -> None:
    print(libc.syscall(KEYS[1], 10, -4, b"user", description.encode(), 0))


def ipc() -> None:
    """A piece of System V shared memory; its number."""
    print(libc.shmget(0, 4096, 0o1600))


def no_ipc(number: str) -> None:
    libc.shmctl(int(number), 0, None)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
