"""The cgroup of a phase: where it may be, by text; joining, ending and removing one, for real."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from xsrc.core.settings import Limits
from xsrc.sandbox.disk import cgroup
from xsrc.sandbox.disk.cgroup import Group
from xsrc.unix.mounts import mount_table, mounts

PURE_V2 = "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = (
    "30 20 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n"
    "31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "32 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
)
CONTAINER = "30 20 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup rw\n"


@pytest.mark.parametrize(
    ("text", "table", "found"),
    [
        ("0::/user.slice/a.scope\n", PURE_V2, "/sys/fs/cgroup/user.slice/a.scope"),
        ("0::/\n", PURE_V2, "/sys/fs/cgroup"),
        ("4:memory:/x\n1:name=systemd:/y\n0::/z\n", HYBRID, "/sys/fs/cgroup/unified/z"),
        ("0::/docker/abc/d\n", CONTAINER, "/sys/fs/cgroup/d"),
        ("0::/docker/abcd\n", CONTAINER, None),
        ("0::/../other\n", PURE_V2, None),
        ("4:memory:/x\n", HYBRID, None),
        ("0::/a\n", "", None),
    ],
)
def test_own_group(text: str, table: str, found: str | None) -> None:
    assert cgroup.own_group(text, mounts(table)) == (Path(found) if found else None)


@pytest.mark.parametrize(
    ("memory", "pids", "limits", "words"),
    [
        (
            "oom 3\noom_kill 2\n",
            "max 0\n",
            Limits(memory_mib=64),
            "more than 64 MiB of memory, all its processes together",
        ),
        (
            "oom 1\noom_kill 0\n",
            "max 7\n",
            Limits(memory_mib=64, processes=5),
            "more than 5 processes (limits.processes)",
        ),
        ("oom_kill 2\n", "max 7\n", Limits(processes=0), ""),
        ("oom_kill 0\n", "max 0\n", Limits(memory_mib=64), ""),
        (None, None, Limits(memory_mib=64), ""),
    ],
)
def test_which_limit_was_hit(tmp_path: Path, memory: str | None, pids: str | None, limits: Limits, words: str) -> None:
    for name, text in (("memory.events", memory), ("pids.events", pids)):
        if text is not None:
            (tmp_path / name).write_text(text)
    said = Group(tmp_path).reached(limits)
    assert words in said
    assert bool(words) == bool(said)


@pytest.fixture
def top() -> Iterator[Path]:
    """A new cgroup, which needs no controllers."""
    mounted = next((Path(mount.point) for mount in mount_table() if mount.kind == "cgroup2"), None)
    if mounted is None or not os.access(mounted, os.W_OK) or os.geteuid() != 0:
        pytest.skip("no cgroup v2 that this user may make groups in")
    path = mounted / f"xsrc-test-{os.getpid()}"
    path.mkdir()
    yield path
    for below in sorted(path.rglob("*"), reverse=True):
        if below.is_dir():
            cgroup.remove(below)
    cgroup.remove(path)


def running(group: Group, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, preexec_fn=group.join)


def test_what_joined_it_ends_with_it(top: Path) -> None:
    """Also what left its session and ignores every signal that it can."""
    path = top / "one"
    path.mkdir()
    script = "trap '' HUP INT TERM; setsid sh -c 'trap \"\" TERM; sleep 60' & sleep 60"
    with running(Group(path), "sh", "-c", script) as process:
        end = time.monotonic() + 10
        while len(pids := (path / "cgroup.procs").read_text().split()) < 4 and time.monotonic() < end:
            time.sleep(0.01)
        assert len(pids) == 4
        assert str(process.pid) in pids
        cgroup.remove(path)
        assert not path.exists()
        assert process.wait(5) == -9
    assert not any(lives(pid) for pid in pids)


def lives(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path("/proc", pid, "status").read_text()
    return False


def test_removing_what_is_not_there_is_nothing(top: Path) -> None:
    cgroup.remove(top / "none")


def test_a_group_without_its_controllers_is_none_at_all(top: Path) -> None:
    """The limits could not be written: rather none than one that limits nothing."""
    if "memory" in (top / "cgroup.controllers").read_text().split():
        pytest.skip("this machine's cgroup v2 has the controller")
    with cgroup.limited_group(top, Limits(memory_mib=64)) as group:
        assert group is None
    assert [path for path in top.iterdir() if path.is_dir()] == []


def test_nothing_is_left_of_a_group(top: Path) -> None:
    with cgroup.limited_group(top, Limits(processes=0)) as group:
        assert group is not None
        process = running(group, "sleep", "60")
        assert str(process.pid) in (group.path / "cgroup.procs").read_text().split()
    assert process.wait(5) == -9
    assert not group.path.exists()


def test_no_home_no_group() -> None:
    with cgroup.limited_group(None, Limits(memory_mib=64)) as group:
        assert group is None
