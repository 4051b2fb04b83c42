"""R52: with -S, as in `xsrc chroot`, tests and triggers, no file can be made set-user-id or set-group-id."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from tests.security.kit.box import Box

CREATE = os.O_CREAT | os.O_WRONLY
GOOD = ("plain chmod", "plain open", "fifo", "plain create")


def left(box: Box) -> list[str]:
    """The set-id files of a build, as the host sees them."""
    return sorted(path.name for path in box.work.iterdir() if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID))


@pytest.mark.parametrize("options", [("-S",), ("-S", "-0")], ids=str)
def test_r52_no_way_to_make_one(box: Box, options: tuple[str, ...]) -> None:
    found = box.probe("setid", options=options)
    assert {found.pop(name) for name in GOOD} == {"ok"}, found
    assert found.pop("sticky") == "ok ok"
    assert found.pop("made") == ""
    assert found.pop("openat2") == "ENOSYS", "its mode is behind a pointer"
    # no kernel before 6.6 has fchmodat2; the filter answers all the same
    assert set(found.values()) == {"EPERM"}, found
    assert left(box) == []


def test_r52_without_the_option(box: Box) -> None:
    """The control: a build can make them, by each of these ways."""
    found = box.probe("setid")
    assert {found.pop(name) for name in GOOD} == {"ok"}, found
    assert found.pop("sticky") == "ok ok"
    made = set(found.pop("made").split())
    assert {"openat", "openat2", "openat2nd", "mknodat", "file", "held"} <= made, found
    assert set(found.values()) <= {"ok", "ENOSYS"}, found


WAYS: dict[str, tuple[int | str, ...]] = {
    "chmod": (15, "s:/work/file", 0o4755),
    "fchmodat": (306, -100 & 0xFFFFFFFF, "s:/work/file", 0o2755),
    "fchmodat2": (452, -100 & 0xFFFFFFFF, "s:/work/file", 0o6755, 0),
    "creat": (8, "s:/work/creat", 0o4755),
    "mknod": (14, "s:/work/mknod", 0o104755, 0),
    "mknodat": (297, -100 & 0xFFFFFFFF, "s:/work/mknodat", 0o102755, 0),
    "open": (5, "s:/work/open", CREATE, 0o4755),
    "openat": (295, -100 & 0xFFFFFFFF, "s:/work/openat", CREATE, 0o2755),
    "tmpfile": (295, -100 & 0xFFFFFFFF, "s:/work", os.O_TMPFILE | os.O_RDWR, 0o4755),
    "fchmod": (94, 3, 0o4755),
}


def test_r52_compat(box: Box) -> None:
    """The same by int $0x80, whose numbers are others."""
    (box.work / "file").touch()
    os.chown(box.work / "file", box.person.uid, box.person.gid) if os.geteuid() == 0 else None
    # fchmod: the first file that is opened has number 3
    first = (5, "s:/work/file", os.O_RDWR, 0o6777)
    assert box.compat(first, *WAYS.values(), (437, 0, 0, 0, 0), options=("-S",)) == [
        *[3, *[-errno.EPERM] * len(WAYS)],
        -errno.ENOSYS,
    ]
    assert left(box) == []
    made = box.compat(first, *WAYS.values())
    assert all(answer >= 0 for name, answer in zip(("first", *WAYS), made, strict=True) if name != "fchmodat2"), made
    assert {"file", "creat", "mknod", "mknodat", "open", "openat"} <= set(left(box))


def test_r52_what_people_run(box: Box) -> None:
    """install, cp -p and tar of files that carry no such bits work; those that set them say so."""
    script = """
cd /work && echo x >a && install -m 755 a b && cp -p b c && mkdir d && chmod 1777 d &&
chmod u+x a && tar cf - a | tar xf - -C d
touch e && for mode in u+s g+s 4755 2755; do chmod $mode e 2>/dev/null && echo $mode; done
install -m 4755 a f 2>/dev/null && echo installed
true
"""
    done = box.run("/bin/sh", "-ec", script, options=("-S",))
    assert (done.code, done.out, done.err) == (0, "", ""), str(done)
    assert left(box) == []
    assert (box.work / "d/a").exists()
