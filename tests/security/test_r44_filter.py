"""R44, R45, R50, R53: sockets that no namespace covers, calls that only widen the kernel, core files, position."""

from __future__ import annotations

import errno
import resource
import subprocess
from pathlib import Path

import pytest

from tests.security.kit import builds
from tests.security.kit.box import PYTHON, Box, Done, Helper, run_as

ALLOWED = {"1", "2", "10", "16"}
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK."""


def outside(box: Box, name: str) -> Done:
    """The same question outside of any sandbox."""
    return run_as(box.person, [PYTHON, "-I", "-S", box.stage.kit / "probe.py", name])


@pytest.mark.parametrize("options", [(), ("-0",), ("-S",)], ids=str)
def test_r44_families_of_sockets(box: Box, options: tuple[str, ...]) -> None:
    found = box.probe("families", options=options)
    ours = outside(box, "families").json
    for way, answers in found.items():
        refused = {family for family, answer in answers.items() if answer == "EAFNOSUPPORT"}
        assert set(answers) - refused <= ALLOWED, (way, answers)
        for family in ALLOWED:
            assert answers[family] == ours[way][family], f"{way} {family}: another answer than outside"
    assert ours["socket"]["1"] == "ok"


def test_r44_a_family_that_is_there_outside(box: Box) -> None:
    """The control: this kernel has families that are refused inside, or the test above would show little."""
    there = {family for family, answer in outside(box, "families").json["socket"].items() if answer == "ok"}
    if not there - ALLOWED:
        pytest.skip("this kernel has no family that a sandbox is to be refused")


def test_r44_compat(box: Box) -> None:
    """socket and socketpair by int $0x80; socketcall, whose arguments no filter can see."""
    families = (1, 2, 16, 17, 38, 40)
    found = box.compat(*((359, family, 2, 0) for family in families), (360, 40, 1, 0, 0), (102, 1, 0))
    answers = dict(zip(families, found, strict=False))
    assert all(answers[family] >= 0 for family in (1, 2, 16)), answers
    assert {answers[family] for family in (17, 38, 40)} == {-errno.EAFNOSUPPORT}, answers
    assert found[-2:] == [-errno.EAFNOSUPPORT, -errno.ENOSYS]


@pytest.mark.parametrize("options", [(), ("-0",), ("-S",)], ids=str)
def test_r45_calls(box: Box, options: tuple[str, ...]) -> None:
    found, ours = box.probe("calls", options=options), outside(box, "calls").json
    assert set(found["absent"].values()) == {"ENOSYS"}, found
    missing = {name for name, answer in ours["present"].items() if answer == "ENOSYS"}
    missing |= {"openat2"} if "-S" in options else set()
    assert {name for name, answer in found["present"].items() if answer == "ENOSYS"} == missing, found
    assert set(ours["absent"].values()) != {"ENOSYS"}, "the control: this kernel has some of them"


def test_r45_compat(box: Box) -> None:
    absent = (103, 286, 287, 288, 336, 338, 357, 374, 425, 426, 427, 447)
    assert set(box.compat(*((number, 0xFFFFFFFF, 0) for number in absent))) == {-errno.ENOSYS}
    assert -errno.ENOSYS not in box.compat((356, "s:x", 0), (332, 0), (20,))  # memfd_create, inotify_init1, getpid


def test_r45_python_and_shell_work(box: Box) -> None:
    """What test suites use all the time: sockets of each kind on loopback, memfd, inotify's neighbours, threads."""
    script = """
import multiprocessing.pool, os, socket, subprocess, tempfile
a, b = socket.socketpair()
a.send(b"x")
assert b.recv(1) == b"x"
s = socket.create_server(("127.0.0.1", 0))
c = socket.create_connection(s.getsockname())
assert os.write(os.memfd_create("m"), b"x") == 1
assert multiprocessing.pool.ThreadPool(2).map(abs, [-1, -2]) == [1, 2]
assert subprocess.run(["/bin/sh", "-c", "ulimit -c 0; exit 3"]).returncode == 3
print("works")
"""
    done = box.run(PYTHON, "-I", "-S", "-c", script)
    assert done.out == "works\n", str(done)


@pytest.mark.parametrize("program", sorted(builds.PROGRAMS))
def test_r50_position_independent(helper: Helper, program: str) -> None:
    """Static and yet at another address each time; no loader, no text that is written to."""
    done = subprocess.run(["readelf", "-hldW", helper.folder / program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert any(line.split()[:2] == ["Type:", "DYN"] for line in lines), done.stdout
    for word in ("INTERP", "(NEEDED)", "TEXTREL"):
        assert word not in done.stdout, word
    assert "GNU_RELRO" in done.stdout
    assert "NOW" in done.stdout


def test_r53_no_core_for_the_host(box: Box) -> None:
    """A limit of 1 keeps a handler of the host's out (core(5)), and no command can make it 0."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("the hard limit of core files is 0 here already; nobody but root can raise it")
    found = box.probe("core")
    assert {tuple(limit) for limit, _ in found.values()} == {(1, 1)}, found
    answers = {name: answer for name, (_, answer) in found.items()}
    assert answers.pop("both") == "EPERM"
    assert answers.pop("shell") == "0"
    assert set(answers.values()) == {"ok"}, answers


def test_r53_compat(box: Box) -> None:
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("the hard limit of core files is 0 here already; nobody but root can raise it")
    script = """
import subprocess
words = ["/kit/compat", "75", "4", "s:", "--", "340", "0", "4", "s:", "0"]
answers = subprocess.run(words, stdout=-1, text=True).stdout
print(answers.strip(), [line for line in open("/proc/self/limits") if "core file" in line][0].split()[4:6])
"""
    if not (box.stage.kit / "compat").exists():
        pytest.skip("only x86_64 has int $0x80")
    done = box.run(PYTHON, "-I", "-S", "-c", script)
    assert done.out == "[0, 0] ['1', '1']\n", str(done)
    # in one process, so that what a call set would be seen by the next: prlimit64 with an old value to fill, new: none
    assert box.compat((75, 4, "s:"), (340, 0, 4, "s:", 0), (340, 0, 4, 0, "s:"))[:2] == [0, 0]


def test_r53_the_limit_is_what_the_command_starts_with(box: Box) -> None:
    done = box.run("/bin/sh", "-c", "ulimit -c; kill -SEGV $$")
    assert done.code == 128 + 11, str(done)
    assert not list(Path(box.work).glob("core*"))
