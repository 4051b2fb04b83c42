"""R25-R28: what a build and the helpers around it may still do; user namespaces and ids."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.security.kit.box import Box, status

NS_GET_USERNS = 0xB701
SETS = ("CapInh", "CapPrm", "CapEff", "CapAmb")


@pytest.mark.parametrize("fake_root", [False, True])
def test_r25_nothing_privileged_works(box: Box, fake_root: bool) -> None:
    found = box.probe("powers", options=("-0",) if fake_root else ())
    assert found.pop("setuid") in (("ok",) if fake_root else ("EPERM", "EINVAL")), "-0 is for this"
    # the kernel says EINVAL to whoever would join the user namespace that it is in (setns(2))
    joined = {name: answer for name, answer in found.items() if name.startswith("setns owner") or name == "setns user"}
    assert set(joined.values()) <= {"EPERM", "EINVAL"}, joined
    rest = {name: answer for name, answer in found.items() if name not in joined and answer != "EPERM"}
    assert not rest, rest


def test_r26_capabilities_of_the_payload(box: Box) -> None:
    for options in ((), ("-0",)):
        found = box.probe("status", options=options)
        assert {found[key] for key in SETS} == {"0" * 16}, found
        assert found["NoNewPrivs"] == "1"
        assert found["Seccomp"] == "2"
        if box.helper.mode == "plain":
            assert found["CapBnd"] == "0" * 16


def test_r26_capabilities_of_the_helpers(box: Box) -> None:
    """outer and pid 1 while they wait."""
    with box.running() as pids:
        for name, pid in zip(("outer", "pid 1", "payload"), pids, strict=True):
            found = status(pid)
            # pid 1 of a user namespace keeps none either
            assert {found[key] for key in SETS} == {"0" * 16}, f"{name}: {found}"
            assert found["NoNewPrivs"] == "1", name


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("mode", ["caps"], indirect=True)
def test_r27_no_user_namespace_of_the_callers(box: Box) -> None:
    """With capabilities every namespace of the build belongs to the one that we are in."""
    ours = Path("/proc/self/ns/user").stat().st_ino
    with box.running() as pids:
        for pid in pids:
            for kind in ("mnt", "pid", "ipc", "uts", "net", "cgroup", "user"):
                name = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
                try:
                    if kind == "user":
                        assert os.fstat(name).st_ino == ours
                        continue
                    owner = fcntl.ioctl(name, NS_GET_USERNS)
                    assert os.fstat(owner).st_ino == ours, kind
                    os.close(owner)
                finally:
                    os.close(name)


def test_r28_ids_are_the_callers(box: Box) -> None:
    found = box.probe("spaces")
    assert (found["uid"], found["gid"]) == (box.person.uid, box.person.gid)
    assert box.run("/usr/bin/id", "-u").out == f"{box.person.uid}\n"


def test_r28_one_id_is_mapped(box: Box) -> None:
    found = box.probe("maps")
    if box.helper.mode == "caps":
        assert found["uid_map"] == Path("/proc/self/uid_map").read_text().strip()
        return
    for name, number in (("uid_map", box.person.uid), ("gid_map", box.person.gid)):
        inside, _, length = found[name].split()
        assert (int(inside), int(length)) == (number, 1), found
    assert found["setgroups"] == "deny"


def test_r28_files_look_the_same(box: Box) -> None:
    made = "import os; s = os.stat('/work'); print(s.st_uid, s.st_gid)"
    done = box.run("/usr/bin/python3", "-I", "-S", "-c", made)
    assert done.out == f"{box.person.uid} {box.person.gid}\n", str(done)
