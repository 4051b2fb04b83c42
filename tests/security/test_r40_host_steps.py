"""R40, R41: what xsrc does on the host to a build's output never follows a link; what a package may not hold."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.security.conftest import race_seconds
from tests.security.kit import builds
from tests.security.kit.box import Stage, file, folder, give, link
from tests.security.kit.people import Person, as_person
from tests.security.kit.races import rounds, swapping
from xsrc.core.errors import BuildFailed
from xsrc.store.disk import scan, seal
from xsrc.unix import trees

EPOCH = 1_000_000_000
STEPS: dict[str, Callable[[Path], object]] = {
    "scan": scan.scan,
    "seal": lambda path: seal.seal(path, EPOCH),
    "remove": trees.remove_tree,
}


def victim(place: Path, person: Person) -> Path:
    """Something of the user's that no step may read or change."""
    top = folder(place / "victim", person)
    file(top / "kept", person, "/pkg-destdir/", 0o666)
    folder(top / "inner", person, 0o777)
    file(top / "inner/secret", person, "secret", 0o4777)
    return top


def state(top: Path) -> list[tuple[str, int, int, bytes]]:
    found = []
    for path in (top, *sorted(top.rglob("*"))):
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found.append((str(path), status.st_mode, status.st_mtime_ns, data))
    return found


def planted(place: Path, person: Person, to: Path) -> Path:
    """A destdir full of ways to the victim."""
    top = folder(place / "dest", person)
    folder(top / "usr", person)
    folder(top / "usr/deep", person)
    link(top / "usr/absolute", to, person)
    link(top / "usr/relative", "../../victim", person)
    link(top / "usr/up", "..", person)
    link(top / "usr/far", "../" * 40, person)
    link(top / "usr/kept", to / "kept", person)
    link(top / "usr/loop", "loop", person)
    link(top / "usr/deep/through", "../absolute/inner", person)
    link(top / "etc", to, person)
    file(top / "usr/file", person, "x", 0o4755)
    for path in ("usr/shut", "usr/deep/shut"):
        folder(top / path, person)
        file(top / path / "file", person)
        (top / path).chmod(0o000)
    return top


@pytest.mark.parametrize("step", sorted(STEPS))
def test_r40_planted_links(stage: Stage, place: Path, step: str) -> None:
    to = victim(place, stage.p)
    top = planted(place, stage.p, to)
    before = state(to)
    as_person(stage.p, lambda: STEPS[step](top))
    assert state(to) == before
    assert (step == "remove") != top.exists()


def test_r40_scan_sees_links_as_links(stage: Stage, place: Path) -> None:
    top = planted(place, stage.p, victim(place, stage.p))
    found = {entry.path: entry for entry in as_person(stage.p, lambda: scan.scan(top)).manifest.entries}
    assert found["etc"].kind.name == "LINK"
    assert not [path for path in found if "secret" in path or "through/" in path]


@pytest.mark.parametrize("step", sorted(STEPS))
def test_r40_destdir_itself_is_a_link(stage: Stage, place: Path, step: str) -> None:
    to = victim(place, stage.p)
    top = link(place / "dest", to, stage.p)
    before = state(to)
    try:
        as_person(stage.p, lambda: STEPS[step](top))
    except OSError:
        assert step != "remove"
    assert state(to) == before


@pytest.mark.parametrize("step", sorted(STEPS))
@pytest.mark.parametrize("what", ["folder", "file"])
def test_r40_swapped_during_the_walk(stage: Stage, place: Path, step: str, what: str) -> None:
    """A name is exchanged with a link to the victim while the step runs: it may fail, the victim stays as it is."""
    to = victim(place, stage.p)
    before, seen = state(to), {"done": 0, "stopped": 0}
    person = stage.p

    def one(number: int) -> None:
        top = planted(place, person, to) if not (place / "dest").exists() else place / "dest"
        spare = place / f"spare{number}"
        if what == "folder":
            target = folder(spare, person)
            file(spare / "file", person)
            evil = "usr/absolute"
        else:
            target = file(spare, person, "x")
            evil = "usr/kept"
        os.rename(target, top / "usr/swapped")
        with swapping(person, top / "usr/swapped", top / evil):
            try:
                as_person(person, lambda: STEPS[step](top))
                seen["done"] += 1
            except (OSError, BuildFailed):
                seen["stopped"] += 1
        as_person(person, lambda: trees.remove_tree(top))

    for number in rounds(race_seconds() / 4, 4):
        one(number)
        assert state(to) == before
    assert seen["done"] + seen["stopped"] > 3


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_r40_what_is_no_file(stage: Stage, place: Path, kind: str) -> None:
    """A FIFO stops nothing (nobody writes to it), and is refused."""
    top = folder(place / "dest", stage.p)
    path = top / "odd"
    with socket.socket(socket.AF_UNIX) as server:
        os.mkfifo(path) if kind == "fifo" else server.bind(str(path))
        give(path, stage.p)
        with pytest.raises(BuildFailed):
            as_person(stage.p, lambda: scan.scan(top))
        as_person(stage.p, lambda: seal.seal(top, EPOCH))
        as_person(stage.p, lambda: trees.remove_tree(top))
    assert not top.exists()


@pytest.mark.usefixtures("root_only")
@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK])
def test_r40_devices(stage: Stage, place: Path, kind: int) -> None:
    """As root might have left them; opening a tape would move it."""
    top = folder(place / "dest", stage.p)
    os.mknod(top / "device", kind | 0o666, os.makedev(1, 3))
    with pytest.raises(BuildFailed):
        as_person(stage.p, lambda: scan.scan(top))
    as_person(stage.p, lambda: trees.remove_tree(top))
    assert not top.exists()


def test_r41_setuid_is_stripped(stage: Stage, place: Path) -> None:
    top = folder(place / "dest", stage.p)
    for name, mode in (("suid", 0o4755), ("sgid", 0o2755), ("both", 0o6777)):
        give(builds.put(stage.kit / "ids", top / name, 0o755), stage.p)
        (top / name).chmod(mode)
    folder(top / "dir", stage.p, 0o2777)
    found = {entry.path: entry.mode for entry in as_person(stage.p, lambda: scan.scan(top)).manifest.entries}
    assert found["suid"] & 0o4000, "the manifest records it"
    as_person(stage.p, lambda: seal.seal(top, EPOCH))
    for path in top.rglob("*"):
        assert not path.stat().st_mode & 0o7222, path


@pytest.mark.parametrize("target", ["/pkg-destdir/hostile-1.0_1/usr", "/pkg-builddir/hostile-1.0", "/pkg-destdir/x"])
def test_r41_links_into_a_build(stage: Stage, place: Path, target: str) -> None:
    top = folder(place / "dest", stage.p)
    link(top / "out", target, stage.p)
    with pytest.raises(BuildFailed) as caught:
        as_person(stage.p, lambda: scan.scan(top))
    assert "out" in "".join(caught.value.detail)


@pytest.mark.parametrize("at", [0, 100, (1 << 20) - 7, (1 << 20) - 1, 1 << 20])
def test_r41_strings_of_a_build(stage: Stage, place: Path, at: int) -> None:
    """Also where one block of reading ends and the next begins."""
    top = folder(place / "dest", stage.p)
    file(top / "config", stage.p, "x" * at + "prefix=/pkg-destdir/hostile-1.0_1\n")
    with pytest.raises(BuildFailed) as caught:
        as_person(stage.p, lambda: scan.scan(top))
    assert "config" in "".join(caught.value.detail)
