"""Disks without room, disks that cannot be written, masterdirs elsewhere, two commands at once, very many files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import partial

import pytest

from tests.faults import space
from tests.faults.state import difference, root_of
from tests.faults.tally import FIGURE
from tests.faults.worker import alone

PART = "a record of a generation that could not be written leaves its part"
NO_ROOM = ("No space left", "database or disk is full", "unable to open database file")
"""The last is all that SQLite says where there is no inode for its journal."""


@pytest.fixture
def mounts() -> None:
    """For a test that mounts."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts")


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize("what", ["space", "inodes"])
def test_little_room(what: str) -> None:
    """With too little of it nothing is changed; with enough, whatever was tried before, all is done."""
    job = space.little_space if what == "space" else space.few_inodes
    options = "size=1m" if what == "space" else "size=16m,nr_inodes=600"
    *failed, last = alone(job, partial(space.on_small_disk, options))
    assert last.code == 0, last.said
    assert len(failed) > 3, "there was room from the start"
    for tried in failed:
        assert tried.code == 4, f"{tried.left} left: ended with {tried.code}\n{tried.said}"
        assert any(word in tried.said for word in NO_ROOM), tried.said
        assert not tried.unlike, f"{tried.left} left: not as it was\n{tried.said}{tried.unlike}"


@pytest.mark.usefixtures("mounts")
def test_read_only() -> None:
    ends = alone(space.read_only, space.on_read_only_disk)
    for words in map(" ".join, space.READING):
        code, said = ends[words]
        assert code == 0, f"{words}: {code}\n{said}"
    assert "* alpha-1.0_1" in ends["list"][1]
    for words in ("stow zero", "unstow gamma", "restow"):
        code, said = ends[words]
        assert (code, "Traceback" in said) == (4, False), f"{words}: {code}\n{said}"
        assert "Read-only file system" in said and "hint:" in said, said


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_masterdir_elsewhere(how: str) -> None:
    states = alone(partial(space.elsewhere, how))
    assert not difference(states["before"], states["there"])
    assert not any("pkg-destdir" in text for path, text in states["empty"].items() if path.startswith("usr/"))
    assert root_of(states["full"]).keys() == root_of(states["before"]).keys()


@pytest.mark.usefixtures("injector")
def test_the_second_of_two_waits() -> None:
    ends = alone(space.second_waits)
    listed = ends["list"]
    assert ends["first"][0] == 0, ends["first"][1]
    assert ends["second"][0] == 0, ends["second"][1]
    assert re.search(r"waiting for process \d+ \(xsrc stow\)", ends["second"][1])
    assert listed.count("* ") == 5


@pytest.mark.usefixtures("injector")
def test_a_stranger_since_the_kill() -> None:
    """What somebody made after a command was killed is theirs, wherever the command had meant to put something."""
    found = alone(space.stranger_since)
    said = found.pop("said")
    assert set(found.values()) == {"made since by somebody"}, f"{found}\n{said}"


def test_very_many_files(record_property: Callable[[str, object], None]) -> None:
    figures = alone(space.many_files)
    peak = max(figures["stow, MiB"], figures["unstow, MiB"])
    record_property(
        FIGURE,
        f"{space.MANY:,} files of one package: peak {peak:.0f} MiB, "
        f"stow {figures['stow, seconds']:.1f} s, unstow {figures['unstow, seconds']:.1f} s",
    )
    assert peak < 600


def test_names_of_250_bytes() -> None:
    states = alone(partial(space.long_names, 250))
    code, said = states["end"]
    assert code == 0 and "changed by you, kept" in said, said
    assert sum(path.endswith(".new") for path in states["between"]) == 1
    assert not difference(root_of(states["before"]), root_of(states["after"]))


def test_names_of_255_bytes() -> None:
    """Each can be put in, replaced and taken out; only for a `.new` beside a changed conf file there is no name."""
    states = alone(partial(space.long_names, 255))
    code, said = states["end"]
    assert code == 0 and "changed by you, kept" in said, said
    assert not difference(root_of(states["before"]), root_of(states["after"]))
