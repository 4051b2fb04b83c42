"""R13: a source is a file or directory of the host's own file systems, cloned with all that is mounted below it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.security.conftest import race_seconds
from tests.security.kit.box import PYTHON, Box, file, folder, give, link
from tests.security.kit.races import race
from tests.security.kit.scratch import scratch

LINKS = "symbolic links are not followed"
KERNEL = "a kernel file system"


def test_r13_sources_that_are_refused(box: Box) -> None:
    link(box.place / "link", "/etc", box.person)
    link(box.place / "up", ".", box.person)
    os.mkfifo(box.place / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(box.place / "socket"))
        for name, text in {
            "/": "refusing /",
            "//": "refusing /",
            "/.": "refusing /",
            "/usr/..": "refusing /",
            "/proc": KERNEL,
            "/proc/sys": KERNEL,
            "/sys": KERNEL,
            "/sys/kernel": KERNEL,
            "/dev/pts": KERNEL,
            "/proc/self/root": LINKS,
            "/proc/self/cwd": LINKS,
            "/proc/self/fd/0": LINKS,
            "/proc/self/ns/mnt": LINKS,
            "/dev/null": "neither a directory nor a file",
            str(box.place / "fifo"): "neither a directory nor a file",
            str(box.place / "socket"): "neither a directory nor a file",
            str(box.place / "link"): LINKS,
            str(box.place / "up/source"): LINKS,
            str(box.place / "none"): "No such file",
        }.items():
            for flag in ("-r", "-w"):
                box.run("/kit/ids", options=(flag, name, "mnt")).refused("source", text)


def test_r13_control_groups(box: Box) -> None:
    tops = [
        line.split(" ")[4]
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if line.split(" - ")[1].split(" ")[0] in ("cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "bpf")
    ]
    if not tops:
        pytest.skip("no cgroup file system is mounted here")
    for top in tops:
        done = box.run("/kit/ids", options=("-r", top, "mnt")).refused()
        assert KERNEL in done.err or "Permission denied" in done.err, str(done)


def test_r13_folder_with_a_kernel_file_system_below(box: Box) -> None:
    """/dev holds devpts, and so does whatever stands above a /proc: a clone would bring them along."""
    below = [
        line.split(" ")[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - devpts " in line
    ]
    if "/dev/pts" not in below:
        pytest.skip("no devpts is mounted on /dev/pts here")
    box.run("/kit/ids", options=("-r", "/dev", "mnt")).refused("a kernel file system is mounted below")


@pytest.mark.usefixtures("root_only")
def test_r13_proc_of_the_host_below_a_source(box: Box) -> None:
    shown = box.folder("shown dir")
    folder(shown / "inner", box.person)
    for kind in ("proc", "sysfs"):
        with scratch(f'mount -t {kind} {kind} "$1"', shown / "inner") as space:
            argv = box.argv("/kit/ids", options=("-r", shown, "mnt"))
            space.run(box, argv).refused("a kernel file system is mounted below", "inner")


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("flag", ["-r", "-w"])
def test_r13_over_mount_stays(box: Box, flag: str) -> None:
    """What root hid below a tmpfs stays hidden: the clone is recursive."""
    shown = box.folder("shown")
    folder(shown / "inner", box.person)
    file(shown / "inner/secret", box.person, "hidden")
    look = "import os; print(sorted(os.listdir('/mnt/inner')))"
    with scratch('mount -t tmpfs tmpfs "$1"; touch "$1/cover"', shown / "inner") as space:
        done = space.run(box, box.argv(PYTHON, "-I", "-S", "-c", look, options=(flag, shown, "mnt")))
    assert done.out == "['cover']\n", str(done)


def test_r13_swap_race(box: Box) -> None:
    """SRC is exchanged with a link to /etc: every success shows the caller's own folder."""
    shown = box.folder("source")
    file(shown / "mark", box.person, "mark")
    link(box.place / "evil", "/etc", box.person)
    look = "import os; print(sorted(os.listdir('/mnt')))"

    def once() -> bool:
        done = box.run(PYTHON, "-I", "-S", "-c", look, options=("-r", shown, "mnt"))
        if done.code != 0:
            return not done.refused("source")
        assert done.out == "['mark']\n", str(done)
        return True

    race(box.person, shown, box.place / "evil", race_seconds(), once)


def test_r13_file_as_source(box: Box) -> None:
    shown = box.file("one", "text")
    file(box.root / "target", box.person)
    give(box.root / "target", box.person)
    done = box.run("/usr/bin/cat", "/target", options=("-r", shown, "target"))
    assert (done.code, done.out) == (0, "text"), str(done)
