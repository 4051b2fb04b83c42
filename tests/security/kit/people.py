"""Two ordinary users P and E with a group of their own; commands and functions run as one of them."""

from __future__ import annotations

import contextlib
import grp
import os
import pickle
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import prctl

T = TypeVar("T")

ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
LIMIT = 60.0
"""Seconds after which a command hangs."""


@dataclass(frozen=True)
class Person:
    """An ordinary user of this machine."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @classmethod
    def named(cls, name: str) -> Person:
        entry = pwd.getpwnam(name)
        return cls(name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))

    @classmethod
    def me(cls) -> Person:
        return cls(str(os.getuid()), os.getuid(), os.getgid(), tuple(os.getgroups()))


def _try(*words: str) -> None:
    """Run an account tool; another one may hold the lock of /etc/passwd for a moment."""
    for attempt in range(20):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0 or "lock" not in done.stderr:
            break
        time.sleep(0.1 * (attempt + 1))
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stderr}")


def make_people(tag: str) -> tuple[Person, Person]:
    """Make group and users xs<tag>, xs<tag>p, xs<tag>e."""
    group = f"xs{tag}"
    _try("groupadd", group)
    for name in (f"{group}p", f"{group}e"):
        _try("useradd", "--no-log-init", "-M", "-U", "-G", group, "-d", "/nonexistent", "-s", "/bin/sh", name)
    return Person.named(f"{group}p"), Person.named(f"{group}e")


def group_of(person: Person) -> int:
    """The group that both are in."""
    return grp.getgrnam(person.name[:-1]).gr_gid


def remove_people(*people: Person) -> None:
    """End what they still run, then remove them and their groups."""
    for person in people:
        end_all(person)
        with contextlib.suppress(RuntimeError):
            _try("userdel", "-f", person.name)
        with contextlib.suppress(RuntimeError):  # userdel removes it too, where it is told so
            _try("groupdel", person.name)
    with contextlib.suppress(RuntimeError):
        _try("groupdel", people[0].name[:-1])


def end_all(person: Person) -> None:
    """Kill every process of a user that was made for these tests."""
    for pid in pids():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}").stat().st_uid == person.uid or f"\nUid:\t{person.uid}\t" in status_text(pid):
                os.kill(pid, signal.SIGKILL)


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def status_text(pid: int) -> str:
    return Path(f"/proc/{pid}/status").read_text()


def as_root() -> bool:
    return os.geteuid() == 0


def identity(person: Person) -> dict[str, Any]:
    """Arguments of Popen that make a process the person's."""
    if not as_root():
        assert person.uid == os.getuid(), "only root can be another user"
        return {}
    return {"user": person.uid, "group": person.gid, "extra_groups": person.groups}


def popen(person: Person, argv: Sequence[str | Path], *, env: Mapping[str, str] = ENV, **more: Any) -> Any:
    """Start a command as a person, in a session of its own."""
    assert person.uid != 0, "a helper must never be tried as root by mistake"
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    more = {"cwd": "/", "start_new_session": True, **streams, **more}
    return subprocess.Popen([os.fspath(word) for word in argv], env=dict(env), **identity(person), **more)


def become(person: Person) -> None:
    """Turn this process into the person's for good."""
    if as_root():
        os.setgroups(person.groups)
        os.setresgid(person.gid, person.gid, person.gid)
        os.setresuid(person.uid, person.uid, person.uid)
        prctl.set_dumpable(1)  # else /proc/self/fd is root's


def as_person(person: Person, function: Callable[[], T], before: Callable[[], None] | None = None) -> T:
    """Call a function in a child process of the person's and give back what it returns or raises.

    `before` runs in the child while it still is who we are.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        answer: tuple[bool, Any]
        try:
            if before:
                before()
            become(person)
            answer = (True, function())
        except BaseException as error:
            answer = (False, error)
        try:
            data = pickle.dumps(answer)
        except Exception:
            data = pickle.dumps((False, RuntimeError(repr(answer[1]))))
        with contextlib.suppress(OSError):
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pipe.write(data)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    good, value = pickle.loads(data)
    if not good:
        raise value
    return value  # type: ignore[no-any-return]
