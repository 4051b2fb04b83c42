"""R29, R30: the helpers that wait cannot be looked into, and their file cannot be reached through them."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from tests.security.kit import builds
from tests.security.kit.box import Box, Helper, give
from tests.security.kit.people import Person, as_person

DENIED = {"EACCES", "EPERM"}
LOOKS = ("mem", "environ", "fd", "root", "cwd", "maps", "exe")


def attach(pid: int) -> bool:
    """PTRACE_SEIZE, which stops nothing; whether it was allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(0x4206, pid, None, None) != 0:
        return False
    libc.ptrace(17, pid, None, None)
    return True


def looks(pid: int) -> list[str]:
    """What of a process can be looked at."""
    found = ["ptrace"] if attach(pid) else []
    for name in LOOKS:
        path = f"/proc/{pid}/{name}"
        try:
            if name in ("fd", "root", "cwd"):
                os.listdir(path)
            else:
                os.close(os.open(path, os.O_RDONLY))
            found.append(name)
        except OSError:
            pass
    return found


def test_r29_from_inside(box: Box) -> None:
    """Reading a directory's link counts too: nothing about pid 1 is given."""
    found = box.probe("pid1")
    assert set(found.values()) <= DENIED, found


def test_r29_from_outside_by_the_caller(box: Box) -> None:
    """outer of a plain copy has no more than its caller and may be looked at; pid 1 never."""
    with box.running() as (outer, first, _):
        assert as_person(box.person, lambda: looks(first)) == []
        seen = as_person(box.person, lambda: looks(outer))
    assert seen == [], "outer too asks not to be dumped"


@pytest.mark.usefixtures("root_only")
def test_r29_from_outside_by_another(box: Box) -> None:
    e = box.stage.e
    assert e is not None
    with box.running() as pids:
        for pid in pids:
            assert _by(e, pid) == []


def _by(person: Person, pid: int) -> list[str]:
    return as_person(person, lambda: looks(pid))


def test_r29_no_moment_of_weakness(box: Box) -> None:
    """The caller tries to trace outer and pid 1 all through the start-up; what it traces never had capabilities."""
    if box.helper.mode == "plain":
        for _ in range(20):
            box.run("/kit/ids")
        return
    for _ in range(40):
        process = box.start("/kit/ids")
        traced = as_person(box.person, lambda: [attach(process.pid) for _ in range(200)])  # noqa: B023
        process.communicate()
        assert not any(traced)


def test_r30_own_file_from_inside(box: Box) -> None:
    """CVE-2019-5736: the helper's file through /proc/1/exe; here it belongs to the caller, who could change it."""
    mine = box.folder("mine")
    for name in builds.PROGRAMS:
        give(builds.put(box.stage.out / name, mine / name, 0o755), box.person)
    copies = Box(box.stage, Helper("plain", mine), box.place, box.root, box.work) if box.helper.mode == "plain" else box
    before = [_state(copies.helper.folder / name) for name in builds.PROGRAMS]
    found = copies.probe("pid1")
    assert {answer for name, answer in found.items() if name.startswith("exe")} <= DENIED, found
    assert [_state(copies.helper.folder / name) for name in builds.PROGRAMS] == before
    assert not (box.work / "linked").exists()


def _state(path: Path) -> tuple[int, int, list[str]]:
    return path.stat().st_mode, path.stat().st_mtime_ns, os.listxattr(path)


def test_r30_own_executable_of_the_payload(box: Box) -> None:
    """/proc/self/exe of the payload is a file of the base, on a read-only mount."""
    code = "import os\ntry: os.chmod('/proc/self/exe', 0o6777)\nexcept OSError as e: print(e.errno)"
    assert box.run("/usr/bin/python3", "-I", "-S", "-c", code).out == "30\n"
