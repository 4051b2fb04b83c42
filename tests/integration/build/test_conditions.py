"""Places and conditions of second builds, on real file systems and processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xsrc.build.disk import conditions


def everything(top: Path) -> dict[str, tuple[int, int]]:
    """Mode and time of every path."""
    return {str(path.relative_to(top)): (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in top.rglob("*")}


def test_place_is_elsewhere_where_there_is_room_and_nothing_stays(tmp_path: Path) -> None:
    folder = tmp_path / "x-1_second"
    place = conditions.make_place(folder, 1)
    if place == folder:
        pytest.skip("no other file system here that programs can run on")
    assert place.stat().st_dev != folder.stat().st_dev
    assert place.stat().st_mode & 0o777 == 0o700
    assert conditions.places(folder) == [place, folder]
    (place / conditions.WORK).mkdir()
    again = conditions.make_place(folder, 1)
    assert not place.exists() and again != place, "what an earlier one left is gone"
    (folder / "logs").mkdir()
    conditions.end_place(folder)
    assert not again.exists() and os.listdir(folder) == ["logs"]


def test_place_is_the_folder_itself_where_nothing_has_room(tmp_path: Path) -> None:
    folder = tmp_path / "x-1_second"
    assert conditions.make_place(folder, sys.maxsize) == folder
    (folder / conditions.WORK).mkdir()
    conditions.end_place(folder)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("name", ["mine", "xsrc-second-below/../mine", "."])
def test_only_what_is_a_place_is_taken_for_one(tmp_path: Path, name: str) -> None:
    """A link that leads to anything else names nothing to be removed."""
    (tmp_path / "mine").mkdir()
    folder = tmp_path / "x-1_second"
    folder.mkdir()
    (folder / "elsewhere").symlink_to(f"{tmp_path}/{name}")
    assert conditions.places(folder) == [folder]
    conditions.end_place(folder)
    assert (tmp_path / "mine").is_dir()


def test_reorder_changes_the_order_and_nothing_else(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "b/c").mkdir(parents=True)
    (top / "b/closed").mkdir()
    for number in range(20):
        (top / f"b/c/{number}").write_text(str(number))
    (top / "b/link").symlink_to("c")
    (top / "b/dangling").symlink_to("nowhere")
    (top / "b/closed/file").touch()
    (top / "b/closed").chmod(0o555)
    os.utime(top / "b", (1, 1))
    before = everything(top)
    conditions.reorder(top)
    assert everything(top) == before
    assert (top / "b/c/7").read_text() == "7"


def test_reorder_shows_where_names_are_listed_as_they_came() -> None:
    """A tmpfs: what came last stands at one end of the list, whichever."""
    folder = conditions.make_place(Path(f"/dev/shm/xsrc-test-{os.getpid()}"), sys.maxsize)
    try:
        names = [f"{number:02}" for number in range(20)]
        for name in names:
            (folder / name).touch()
        came = os.listdir(folder)
        if came not in (names, names[::-1]):
            pytest.skip("this file system lists names in an order of its own")
        conditions.reorder(folder)
        assert os.listdir(folder) == came[::-1]
    finally:
        subprocess.run(["rm", "-r", str(folder)], check=True)


def test_other_caller_is_another_one() -> None:
    """What a build could notice of its caller differs."""
    ask = ["sh", "-c", "umask; nproc; ulimit -s; ulimit -n"]
    usual = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()
    other = subprocess.run(
        ask, capture_output=True, text=True, check=True, preexec_fn=conditions.other_caller
    ).stdout.split()
    assert other[:2] == ["0077", "1"]
    assert all(one != two for one, two in zip(usual[2:], other[2:], strict=True))


def test_minute_is_over_some_time(tmp_path: Path) -> None:
    assert 0 <= conditions.same_minute(tmp_path) <= 60
    assert conditions.same_minute(Path(os.__file__)) == 0
