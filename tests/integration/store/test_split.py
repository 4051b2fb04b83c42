"""A tree that is divided: each part has what the plan gives it, whatever modes a build left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.builders import a_package
from xsrc.build.split import split
from xsrc.core.errors import BuildFailed
from xsrc.store.disk import scan, seal
from xsrc.store.disk.split import split_tree

DEEP = "/".join(["d" * 50] * 40)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """What a build might leave: closed folders, an unreadable file, a deep one, a link that leads away, hard links."""
    top = tmp_path / "whole"
    (top / "usr/closed/in").mkdir(parents=True)
    (top / "usr/closed/in/f").write_text("1")
    (top / "usr/closed/g").write_text("2")
    (top / DEEP).mkdir(parents=True)
    (top / DEEP / "f").write_text("deep")
    (top / "usr/empty").mkdir()
    (top / "usr/away").symlink_to(tmp_path)
    (top / "usr/one").write_text("names")
    for name in ("two", "three", "four"):
        (top / "usr" / name).hardlink_to(top / "usr/one")
    (top / "usr/one").chmod(0o4711)
    (top / "usr/closed/in/f").chmod(0)
    (top / "usr/closed/in").chmod(0o555)
    (top / "usr/closed").chmod(0o511)
    return top


def test_each_part_is_what_its_entries_say(whole: Path, tmp_path: Path) -> None:
    found = scan.scan(whole)
    parts = {"a": ["usr/closed/in", DEEP, "usr/one"], "b": ["usr/away", "usr/two"], "c": ["usr/empty"]}
    package = a_package("w", subpackages={name: {"files": globs} for name, globs in parts.items()})
    wanted, problems = split(package, found.manifest.entries, found.elves)
    assert not problems
    (tmp_path / "a").mkdir()
    (tmp_path / "a/stale").write_text("of a build that was cut off")
    split_tree(whole, wanted["w"], {tmp_path / name: wanted[name] for name in parts})
    for name, entries in wanted.items():
        folder = whole if name == "w" else tmp_path / name
        if name != "w":  # the modes of what is left are told by its entries, and given again by sealing
            assert scan.scan(folder).manifest.entries == entries
        seal.seal(folder, 0)
        sealed = scan.scan(folder).manifest.entries
        assert [(e.path, e.sha256, e.target, e.inode) for e in sealed] == [
            (e.path, e.sha256, e.target, e.inode) for e in entries
        ]
        assert all(e.mode == want.mode & 0o555 or e.target for e, want in zip(sealed, entries, strict=True))
    assert (whole / "usr/three").samefile(whole / "usr/four")
    assert not (whole / DEEP.partition("/")[0]).exists()


def test_tree_that_is_not_what_was_seen_is_refused(whole: Path, tmp_path: Path) -> None:
    found = scan.scan(whole)
    package = a_package("w", subpackages={"a": {"files": ["usr/away"]}})
    wanted, _ = split(package, found.manifest.entries, found.elves)
    (whole / "usr/away").unlink()
    with pytest.raises(BuildFailed, match="usr/away"):
        split_tree(whole, wanted["w"], {tmp_path / "a": wanted["a"]})
