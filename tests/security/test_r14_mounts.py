"""R14-R16: what is mounted in a sandbox and how; nothing of it appears outside, nothing of the outside inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.security.kit import builds
from tests.security.kit.box import PYTHON, Box, child_of, file, folder
from tests.security.kit.scratch import scratch

DEVICES = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")}
WRITABLE = {"/work", "/tmp", "/dev/shm", "/dev/pts", "/proc"}


def options(box: Box) -> list[str]:
    shown = box.folder("shown")
    folder(shown / "inner", box.person)
    file(shown / "file", box.person)
    layer = box.folder("layer")
    file(layer / "file", box.person)
    return ["-r", str(shown), "mnt", "-o", "srv", str(layer), "/usr/lib", "-"]


def test_r14_flags_of_every_mount(box: Box) -> None:
    table = box.probe("mounts", options=options(box))
    points = [mount["point"] for mount in table]
    assert len(points) == len(set(points)), points
    assert {"/", "/proc", "/sys", "/dev", "/tmp", "/usr", "/mnt", "/srv", "/work", *DEVICES} <= set(points)
    for mount in table:
        assert "nosuid" in mount["flags"], mount
        assert "nodev" in mount["flags"] or mount["point"] in DEVICES | {"/dev/pts"}, mount
        assert ("rw" in mount["flags"]) == (mount["point"] in WRITABLE), mount
        assert not [flag for flag in mount["flags"] if flag.startswith(("shared", "master"))], mount


@pytest.mark.usefixtures("root_only")
def test_r14_mounts_below_a_source_too(box: Box) -> None:
    """What root mounted below a source, with setuid and devices allowed, is restricted as well."""
    shown = box.folder("shown")
    folder(shown / "inner", box.person)
    with scratch('mount -t tmpfs -o suid,dev,mode=777 tmpfs "$1"', shown / "inner") as space:
        argv = box.argv(PYTHON, "-I", "-S", "/kit/probe.py", "mounts", options=("-r", shown, "mnt"))
        table = space.run(box, argv).json
    inner = next(mount for mount in table if mount["point"] == "/mnt/inner")
    assert {"nosuid", "nodev", "ro"} <= set(inner["flags"]), inner


def test_r14_nothing_can_be_written(box: Box) -> None:
    tried = ["/", "/etc", "/usr", "/usr/lib", "/mnt", "/mnt/inner", "/srv", "/kit", "/dev", "/sys", "/dev/null"]
    found = box.probe("write_tries", *tried, options=options(box))
    for path, answers in found.items():
        assert set(answers.values()) == {"EROFS"}, f"{path}: {answers}"


def test_r14_writable_root(box: Box) -> None:
    """-W: the root alone becomes writable, still without setuid and devices."""
    table = box.probe("mounts", options=("-W", *options(box)))
    writable = {mount["point"] for mount in table if "rw" in mount["flags"]}
    assert writable == WRITABLE | {"/"}
    assert {"nosuid", "nodev"} <= set(table[0]["flags"])


@pytest.mark.usefixtures("root_only")
def test_r14_setuid_programs_mean_nothing(box: Box) -> None:
    """A setuid program of root's, shown from a mount of the host that allows them."""
    shown = box.stage.libexec / "shown"
    shown.mkdir(mode=0o750)
    try:
        for name, mode in (("suid", 0o4755), ("sgid", 0o2755)):
            builds.put(box.stage.kit / "ids", shown / name, mode)
        shown.chmod(0o755)
        for name in ("suid", "sgid"):
            found = box.run(f"/mnt/{name}", options=("-r", shown, "mnt")).json
            wanted = {"uid": box.person.uid, "euid": box.person.uid, "egid": box.person.gid, "became": 0}
            assert {key: found[key] for key in wanted} == wanted, name
    finally:
        for path in (*shown.iterdir(), shown):
            path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.usefixtures("root_only")
def test_r15_nothing_appears_outside(box: Box) -> None:
    """In a namespace where everything is shared, as systemd makes it."""
    with scratch("true", propagation="shared") as space:
        before = space.mounts()
        assert "shared:" in before
        process = space.start(box, box.argv(PYTHON, "-I", "-S", "/kit/probe.py", "sleep", options=options(box)))
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert space.mounts() == before, "mounts appeared outside while a build ran"
            assert line == b"ready\n"
        finally:
            process.kill()
            process.communicate()
        assert space.mounts() == before, "mounts were left behind"


@pytest.mark.usefixtures("root_only")
def test_r15_nothing_comes_in_later(box: Box) -> None:
    """A mount that root makes outside, in a source that is shown, does not appear in a running sandbox."""
    shown = box.folder("shown")
    folder(shown / "inner", box.person)
    with scratch("true", propagation="shared") as space:
        argv = box.argv(PYTHON, "-I", "-S", "/kit/probe.py", "sleep", options=("-r", shown, "mnt"))
        process = space.start(box, argv)
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"ready\n"
            payload = child_of(child_of(process.pid))
            before = Path(f"/proc/{payload}/mountinfo").read_text()
            space.as_root("mount", "-t", "tmpfs", "tmpfs", str(shown / "inner"))
            assert Path(f"/proc/{payload}/mountinfo").read_text() == before
        finally:
            process.kill()
            process.communicate()


@pytest.mark.usefixtures("root_only")
def test_r16_only_the_cell_is_left(box: Box) -> None:
    """The mount table of pid 1, which sits in the cell itself: no line of the host's, one mount without nosuid."""
    with box.running(options=options(box)) as (_, first, payload):
        table = [_line(line) for line in Path(f"/proc/{first}/mountinfo").read_text().splitlines()]
        inner = [_line(line) for line in Path(f"/proc/{payload}/mountinfo").read_text().splitlines()]
        cell = Path(f"/proc/{first}/root")
        entries = sorted(path.name for path in cell.iterdir())
        shelf = sorted(str(path.relative_to(cell)) for path in cell.glob("l/**/*"))
    points = [mount["point"] for mount in table]
    inside = [f"/r{mount['point']}".rstrip("/") for mount in inner]
    assert sorted(points) == sorted(["/", "/x", *inside])
    assert entries == ["l", "r", "x"]
    assert shelf == ["l/s"], "where layers were looked at, an empty directory is left"
    loose = [mount["point"] for mount in table if "nosuid" not in mount["flags"]]
    assert loose == (["/x"] if box.helper.mode == "caps" else [])
    helper = next(mount for mount in table if mount["point"] == "/x")
    assert helper["root"].endswith("/xsrc-chroot")
    assert {"ro", "nodev"} <= set(helper["flags"])
    top = next(mount for mount in table if mount["point"] == "/")
    assert {"ro", "nosuid", "nodev"} <= set(top["flags"])


def _line(line: str) -> dict[str, Any]:
    fields = line.split(" ")
    return {"root": fields[3], "point": fields[4], "flags": fields[5].split(",")}
