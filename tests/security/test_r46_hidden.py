"""R46, R49: the caller's keys are not listed, and empty files fill no more of the kernel's memory than full ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.security.kit.box import PYTHON, Box, run_as
from tests.security.test_r24_keys import NAME, plant

FILES = ("/proc/keys", "/proc/key-users")


@pytest.mark.parametrize("options", [(), ("-W",)], ids=str)
def test_r46_keys_are_not_listed(box: Box, options: tuple[str, ...]) -> None:
    plant(box)
    found = box.probe("key_files", options=options)
    assert set(found) == {path for path in FILES if Path(path).exists()}
    for path, answers in found.items():
        assert answers["text"] == "", path
        assert answers["write"] in ("EROFS", "EACCES"), answers
        assert answers["chmod"] in ("EROFS", "EPERM"), answers
        assert answers["umount"] == "EPERM", answers


def test_r46_what_hides_them_is_read_only(box: Box) -> None:
    table = {mount["point"]: mount for mount in box.probe("mounts")}
    for path in FILES:
        if Path(path).exists():
            assert {"ro", "nosuid", "nodev", "noexec"} <= set(table[path]["flags"]), table[path]


def test_r46_the_key_is_listed_outside(box: Box) -> None:
    """The control: the same user reads the name of the key in the host's /proc/keys."""
    if not plant(box):
        pytest.skip("this machine keeps keys from its users (a container's filter?)")
    done = run_as(box.person, [PYTHON, "-I", "-S", "-c", "print(open('/proc/keys').read())"])
    assert NAME in done.out, str(done)


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_r49_inodes_are_limited(box: Box, folder: str) -> None:
    """Empty files use no page of a tmpfs: only their number can be limited."""
    found = box.probe("many", folder, "2000", "0", options=("-T", "2"))
    assert found["error"] == "ENOSPC", found
    assert found["made"] < found["inodes"] == 512, found


def test_r49_every_page_can_be_a_file(box: Box) -> None:
    """A build with many small files is stopped by the size, as before, and not by their number."""
    found = box.probe("many", "/tmp", "4096", "4096", options=("-T", "8"))
    assert found["error"] == "ENOSPC", found
    assert found["made"] > 2000, found


def test_r49_default_and_largest_size(box: Box) -> None:
    look = "import os; print(os.statvfs('/tmp').f_files, os.statvfs('/dev/shm').f_files)"
    for options, inodes in (((), 16 * 256), (("-T", "1024"), 262144), (("-T", "9999999"), 2559999744)):
        done = box.run(PYTHON, "-I", "-S", "-c", look, options=options)
        assert done.out == f"{inodes} {inodes}\n", str(done)
