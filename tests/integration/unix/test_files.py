"""Files reached by descriptors: whatever stands in the way, nothing is followed and nothing else is written."""

from __future__ import annotations

import os
import resource
import sqlite3
from pathlib import Path

import pytest

from xsrc.build.disk import work
from xsrc.core.errors import ConflictError
from xsrc.unix import files
from xsrc.unix.files import Below
from xsrc.unix.sqlite import connect

EVIL = ("..", "../x", "a/../../x", "/etc", "a//b", "./a", "a/.", "a/")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A root with a folder and a file, and ways out of it."""
    (tmp_path / "out/inner").mkdir(parents=True)
    (tmp_path / "out/kept").write_text("kept")
    root = tmp_path / "root"
    (root / "a/b").mkdir(parents=True)
    (root / "a/file").write_text("text")
    (root / "a/link").symlink_to(tmp_path / "out")
    (root / "a/inside").symlink_to("b")
    (root / "leak").symlink_to(tmp_path / "out/kept")
    return root


@pytest.mark.parametrize("path", EVIL)
@pytest.mark.parametrize("make", [False, True])
def test_names_that_are_none(top: Path, path: str, make: bool) -> None:
    before = sorted(map(str, top.rglob("*")))
    with Below(top) as at:
        for walk in (at.at, at.place):
            with pytest.raises(OSError, match="no empty component"):
                walk(path, make=make)
    assert sorted(map(str, top.rglob("*"))) == before or (make and path in ("a//b", "a/", "a/.", "a/../../x"))
    assert sorted(path.name for path in top.parent.iterdir()) == ["out", "root"]


@pytest.mark.parametrize("path", ["a/link/inner", "a/inside/x", "leak/x", "a/file/x", "a/link/new/x"])
def test_links_and_files_in_the_way(top: Path, path: str) -> None:
    with Below(top) as at:
        for make in (False, True):
            with pytest.raises(NotADirectoryError):
                at.place(path, make=make)
    assert sorted(os.listdir(top.parent / "out")) == ["inner", "kept"]


def test_from_one_directory_to_any_other(top: Path) -> None:
    paths = ["", "a", "a/b", "c/d/e", "c", "a/b", "c/d/f/g", "", "c/d"]
    with Below(top) as at:
        for path in paths:
            assert os.path.samestat(os.fstat(at.at(path, make=True)), (top / path).stat()), path


@pytest.mark.parametrize("name", ["leak", "a", "fifo", "/dev/zero", "gone"])
def test_what_is_no_file_is_not_read(top: Path, name: str) -> None:
    os.mkfifo(top / "fifo")
    with pytest.raises(OSError):
        files.read(top / name, 100)
    assert files.read(top / "a/file", 4) == b"text"
    with pytest.raises(OSError, match="more than 3 bytes"):
        files.read(top / "a/file", 3)


def test_writing_never_follows(top: Path) -> None:
    out = top.parent / "out/kept"
    (top / ".leak.new").symlink_to(out)
    files.replace(top / "leak", b"new")
    assert out.read_text() == "kept" and (top / "leak").read_text() == "new"
    (top / "again").symlink_to(out)
    with pytest.raises(FileExistsError):
        files.create(top / "again", b"x")
    with pytest.raises(OSError, match="it is a link"):
        files.begun(top / "again")
    with pytest.raises(RuntimeError), files.replacing(top / "leak") as file:
        file.write(b"half")
        raise RuntimeError
    assert out.read_text() == "kept" and (top / "leak").read_text() == "new"
    assert sorted(path.name for path in top.iterdir()) == ["a", "again", "leak"]


def test_a_build_root_is_covered_below_itself_only(top: Path) -> None:
    """Links that a program left in the root lead the host nowhere: neither what is laid nor what is taken away."""
    base, out = top.parent / "base", top.parent / "out"
    (base / "usr/include").mkdir(parents=True)
    (base / "usr/include/z.h").touch()
    made = work.cover(top, base, ["usr/include/z.h", "usr/include/none.h"], {"etc/x/keys": "../y", "a/file": "z"})
    assert made == ["etc/x/keys", "usr/include/z.h"], "what is there stays"
    assert (top / "etc/x/keys").readlink() == Path("../y")
    (top / "etc/x/keys").unlink()
    (top / "etc/x").rmdir()
    (top / "etc/x").symlink_to(out)
    (out / "keys").write_text("precious")
    with pytest.raises(NotADirectoryError):
        work.cover(top, base, [], {}, made)
    with pytest.raises(ConflictError, match="/etc/x/keys cannot be in a build root"):
        work.cover(top, base, [], {"etc/x/keys": "../y"})
    with pytest.raises(OSError, match="no empty component"):
        work.cover(top, base, [], {"../../escaped": "x"})
    assert (out / "keys").read_text() == "precious" and not (top.parent.parent / "escaped").exists()


@pytest.mark.parametrize(
    "statement",
    ["CREATE VIEW v AS SELECT 1", "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; END"],
)
def test_a_database_that_carries_something_out(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "db"
    for line in ("CREATE TABLE a (b)", statement):
        db = sqlite3.connect(path)
        db.execute(line)
        db.close()
        if line != statement:
            connect(path, 1).close()
    with pytest.raises(sqlite3.DatabaseError, match="a view or a trigger"):
        connect(path, 1)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(sqlite3.DatabaseError, match="symbolic link"):
        connect(tmp_path / "link", 1)


def test_a_database_trusts_no_function_of_its_schema(tmp_path: Path) -> None:
    db = connect(tmp_path / "db", 1)
    assert db.execute("PRAGMA trusted_schema").fetchone() == (0,)
    db.close()


# https://github.com/uutils/coreutils/issues/7995: once a descriptor a level was kept, until there were none left.
def test_a_deep_tree_does_not_run_out_of_descriptors(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    deep = "/".join("d" * 1100)
    with Below(tmp_path) as below:
        taken = max(map(int, os.listdir("/proc/self/fd")))  # other tests of this process may hold some
        resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 200, hard))
        try:
            below.at(deep, make=True)
            for level in (1100, 1000, 990, 3, 700):
                parent, name = below.place("/".join("d" * level) + "/x")
                os.mkdir(name, dir_fd=parent)
                os.rmdir(name, dir_fd=below.at("/".join("d" * level)))
            while deep:
                parent, name = below.place(deep)
                os.rmdir(name, dir_fd=parent)
                deep = deep.rpartition("/")[0]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir(tmp_path) == []
