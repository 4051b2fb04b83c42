"""Mount tables: as text, and that of this machine."""

from __future__ import annotations

from pathlib import Path

from xsrc.unix.mounts import Mount, below, mount_of, mount_table, mounts

ROOT = "21 1 0:20 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"


def test_mount_tables() -> None:
    text = ROOT + "30 21 8:1 /a /srv/a\\040b\\134c rw,noexec master:1 propagate_from:2 - xfs /dev/sdb rw\n"
    root, other = mounts(text)
    assert other == Mount("/srv/a b\\c", "xfs", ("rw", "noexec"), "/a")
    table = (root, other)
    assert mount_of(Path("/srv/a b\\c/d"), table) == other
    assert mount_of(Path("/srv/a b\\cd"), table) == root
    assert below((Path("/srv"),), table) == [other]
    assert below((Path("/srv/a b\\c"), Path("/sr")), table) == []


def test_this_machine_has_a_mount_table() -> None:
    table = mount_table()
    found = mount_of(Path("/proc/self"), table)
    assert found is not None and found.kind == "proc"
