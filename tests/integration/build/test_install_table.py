"""The `[install]` table run by a real sh: each step merges or refuses, and nothing is lost or misplaced."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builders import a_package
from xsrc.build.styles.install import install_script


def installed(
    folder: Path, files: dict[str, str], there: dict[str, str], table: dict[str, Any]
) -> tuple[str, dict[str, str]]:
    """What the table says, and what is in the destdir then; `files` are the sources, `there` is installed before."""
    for top, texts in (("src", files), ("dest", there)):
        (folder / top).mkdir()
        for path, text in texts.items():
            (folder / top / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / top / path).write_text(text)
    words = ("sh", "-euc", install_script(a_package(install=table)))
    env = {"PATH": "/usr/bin:/bin", "DESTDIR": f"{folder}/dest", "FILESDIR": f"{folder}/files"}
    done = subprocess.run(words, cwd=folder / "src", env=env, capture_output=True, text=True, check=False)
    assert bool(done.returncode) == bool(done.stderr), done
    dest = folder / "dest"
    found = {str(p.relative_to(dest)): p.read_text() for p in dest.rglob("*") if p.is_file()}
    return done.stderr.strip().removeprefix("xsrc: [install]: "), found


def test_a_renamed_folder_is_merged_with_the_one_that_is_there(tmp_path: Path) -> None:
    there = {"usr/a/x/1": "1", "usr/b/x/2": "2"}
    said, found = installed(tmp_path, {}, there, {"rename": {"usr/a": "usr/b"}})
    assert said == ""
    assert found == {"usr/b/x/1": "1", "usr/b/x/2": "2"}
    assert not (tmp_path / "dest/usr/a").exists()


@pytest.mark.parametrize(
    ("files", "there", "table", "message"),
    [
        ({}, {"usr/a/x": "1", "usr/b/x": "2"}, {"rename": {"usr/a": "usr/b"}}, "rename: usr/b/x is there already"),
        ({}, {"usr/a": "1", "usr/b": "2"}, {"rename": {"usr/a": "usr/b"}}, "rename: usr/b is there already"),
        ({}, {"usr/a": "1", "usr/b/c": "2"}, {"rename": {"usr/a": "usr/b"}}, "rename: usr/b is there already"),
        ({}, {"u/a1": "1", "u/a2": "2"}, {"rename": {"u/a*": "u/b"}}, "rename: u/b is there already"),
        ({}, {"u/a/x": "1"}, {"symlinks": {"u/a": "b"}}, "symlinks: u/a is a folder"),
        ({"a": "1"}, {"u/x/y": ""}, {"files": {"a": "u/x"}}, "files: u/x is a folder: write u/x/"),
        (
            {"one/README": "1", "two/README": "2"},
            {},
            {"doc": ["*/README"]},
            "two files would be usr/share/doc/dash/README: give one another name by files",
        ),
        (
            {"a1": "1", "a2": "2"},
            {},
            {"files": {"a*": "u/x"}},
            "two files would be u/x: give one another name by files",
        ),
    ],
)
def test_what_would_be_lost_is_refused(
    tmp_path: Path, files: dict[str, str], there: dict[str, str], table: dict[str, Any], message: str
) -> None:
    said, found = installed(tmp_path, files, there, table)
    assert said == message
    assert message == "" or all(found[path] == text for path, text in there.items() if path in found)


def test_what_make_installed_may_be_replaced(tmp_path: Path) -> None:
    said, found = installed(tmp_path, {"a": "ours"}, {"etc/a": "theirs"}, {"conf": ["a"]})
    assert (said, found) == ("", {"etc/a": "ours"})
