"""R17-R20: /proc, /dev and /tmp of a sandbox are its own, and no text of the caller's makes a mount option."""

from __future__ import annotations

import random
import string

import pytest

from tests.security.kit.box import Box
from tests.security.kit.scratch import scratch

CHARS = {"full": "1:7", "null": "1:3", "random": "1:8", "urandom": "1:9", "zero": "1:5"}
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


def test_r17_proc_is_of_the_new_namespace(box: Box) -> None:
    assert box.probe("processes") == [1, 2]


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("cover", ["tmpfs", "file"])
def test_r17_masked_proc(box: Box, cover: str) -> None:
    """As containers mask it: the kernel then gives a user namespace no new /proc, and the host's is no substitute."""
    # another whole /proc, of somebody's chroot, would do for the kernel
    others = "for at in $(awk '$5 != \"/proc\" && / - proc /{print $5}' /proc/self/mountinfo); do umount -l $at; done; "
    script = (
        others
        + {
            "tmpfs": "mount -t tmpfs -o ro tmpfs /proc/scsi 2>/dev/null || mount -t tmpfs -o ro tmpfs /proc/fs",
            "file": "mount --bind /dev/null /proc/kcore 2>/dev/null || mount --bind /dev/null /proc/version",
        }[cover]
    )
    with scratch(script) as space:
        argv = box.argv("/usr/bin/python3", "-I", "-S", "/kit/probe.py", "processes")
        done = space.run(box, argv)
    if box.helper.mode == "caps":
        assert done.json == [1, 2]
    else:
        done.refused("mount: proc", "hint: run with file capabilities, or unmask /proc")


def test_r18_dev_holds_exactly(box: Box) -> None:
    wanted = {name: f"char {number}" for name, number in CHARS.items()}
    wanted |= {name: f"link {target}" for name, target in LINKS.items()}
    assert box.probe("devices") == dict(sorted({**wanted, "pts": "dir", "shm": "dir"}.items()))


def test_r18_devices_work_and_none_can_be_made(box: Box) -> None:
    found = box.probe("device_use")
    wanted = {"null": "ok", "zero": "ok", "random": "ok", "full": "ENOSPC", "pty": "ok"}
    assert found == {**wanted, "mknod": "EPERM", "mknod work": "EPERM", "create": "EROFS"}


@pytest.mark.usefixtures("root_only")
def test_r18_what_is_no_device_is_refused(box: Box) -> None:
    """A /dev/null of the host's that is a file, or another device."""
    for script in ('touch "$1"; mount --bind "$1" /dev/null', "mount --bind /dev/zero /dev/null"):
        with scratch(script, box.place / "fake") as space:
            space.run(box, box.argv("/kit/ids")).refused("not a device: /dev/null")


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_r19_size_is_limited(box: Box, folder: str) -> None:
    found = box.probe("fill", folder, "3", options=("-T", "2"))
    assert found["error"] == "ENOSPC", found
    assert found["written"] <= 2 << 20


def test_r19_size_is_a_number(box: Box) -> None:
    for text in (
        "",
        "0",
        "00",
        "1,mode=0777",
        "1m",
        "-1",
        "+1",
        " 1",
        "1 ",
        "0x10",
        "1\n",
        "99999999",
        "1%",
        "1,uid=0",
    ):
        box.run("/kit/ids", options=("-T", text)).refused("bad option: -T wants MiB")


def test_r20_no_text_reaches_a_mount_option(box: Box) -> None:
    """Random sizes, half of them out of what an option string is made of; then every option in use is one of ours."""
    dice = random.Random(20)
    letters = string.digits * 3 + ",=:%kmg/.- \\\"'\t\nx"
    for _ in range(60):
        text = "".join(dice.choices(letters, k=dice.randrange(1, 9)))
        if text.isdigit() and len(text) < 8 and int(text):
            continue
        assert box.run("/kit/ids", options=("-T", text)).code == 125, repr(text)
    odd = box.folder("a,b=c:d\\e f")
    layer = box.folder("lower,upperdir=x:y")
    table = box.probe("mounts", options=("-T", "7", "-r", odd, "mnt", "-o", "srv", layer, "/usr/lib", "-"))
    supers = {mount["point"]: mount["super"] for mount in table}
    assert "size=7168k" in supers["/tmp"].split(",")
    for point in ("/tmp", "/dev/shm", "/dev"):
        known = {"rw", "ro", "size", "mode", "inode64", "nr_inodes", "uid", "gid"}
        assert {option.partition("=")[0] for option in supers[point].split(",")} <= known, supers[point]
    assert "upperdir" not in {option.partition("=")[0] for option in supers["/srv"].replace("\\054", "_").split(",")}
