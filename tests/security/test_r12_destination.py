"""R12: a destination lies below the root, is reached without links, and exists."""

from __future__ import annotations

import os
from pathlib import Path

from tests.security.conftest import race_seconds
from tests.security.kit.box import PYTHON, Box, file, folder, link
from tests.security.kit.races import race

INSIDE = "import os; print(os.path.exists('/mnt/mark'), os.path.exists('/kept/mark'))"
TABLE = """
import json, os
lines = [line.split(' ') for line in open('/proc/self/mountinfo')]
print(json.dumps([f[4] for f in lines if f[3].endswith('/source')]))
"""


def source(box: Box) -> Path:
    made = box.folder("source")
    file(made / "mark", box.person, "mark")
    return made


def test_r12_destinations_that_are_refused(box: Box) -> None:
    shown = source(box)
    folder(box.place / "outside", box.person)
    link(box.root / "out", box.place / "outside", box.person)
    link(box.root / "back", "..", box.person)
    link(box.root / "in", "mnt", box.person)
    file(box.root / "plain", box.person)
    for name in ("..", "../outside", "mnt/../../outside", "mnt/../..", "back", "back/outside", "out", "in", "in/deep"):
        box.run("/kit/ids", options=("-r", shown, name)).refused(f"destination: {name}")
    for name in ("/mnt", str(box.place / "outside"), "//mnt"):
        box.run("/kit/ids", options=("-r", shown, name)).refused("not a relative path")
    box.run("/kit/ids", options=("-r", shown, "none")).refused("No such file")
    box.run("/kit/ids", options=("-r", shown, "plain")).refused("a directory and a file")
    box.run("/kit/ids", options=("-r", shown / "mark", "mnt")).refused("a directory and a file")
    for name in (".", "./", "mnt/.."):
        box.run("/kit/ids", options=("-r", shown, name)).refused("only an overlay can be the root")
    for name in ("proc/self/root", "proc/self/cwd", "proc/1/root", "dev/fd/0"):
        box.run("/kit/ids", options=("-r", shown, name)).refused("destination")


def test_r12_links_in_what_was_mounted_before(box: Box) -> None:
    """A bind that stands in another bind: its destination is checked in the tree as it is then."""
    shown, trap = source(box), box.folder("trap")
    link(trap / "inner", "/etc", box.person)
    link(trap / "up", "../..", box.person)
    for name in ("mnt/inner", "mnt/up", "mnt/up/etc"):
        box.run("/kit/ids", options=("-w", trap, "mnt", "-r", shown, name)).refused(f"destination: {name}")


def test_r12_good_destination(box: Box) -> None:
    done = box.run(PYTHON, "-I", "-S", "-c", INSIDE, options=("-r", source(box), "mnt"))
    assert done.out == "True False\n", str(done)


def test_r12_swap_race_on_the_last_name(box: Box) -> None:
    """root/mnt is exchanged with a link to a folder outside; every success has its mount in the root."""
    link(box.root / "evil", box.folder("outside"), box.person)
    _race(box, box.root / "mnt", box.root / "evil", "mnt")


def test_r12_swap_race_on_a_name_on_the_way(box: Box) -> None:
    folder(box.place / "outside", box.person)
    folder(box.place / "outside/deep", box.person)
    link(box.root / "evil", "../outside", box.person)
    _race(box, box.root / "mnt", box.root / "evil", "mnt/deep")


def _race(box: Box, one: Path, other: Path, destination: str) -> None:
    shown = source(box)

    def once() -> bool:
        done = box.run(PYTHON, "-I", "-S", "-c", TABLE, options=("-r", shown, destination))
        if done.code != 0:
            return not done.refused("destination")
        # the mount point is a directory, and carries its mount wherever it is renamed to in the root
        assert len(done.json) == 1, f"landed elsewhere: {done}"
        assert done.json[0].startswith(("/mnt", "/evil")), str(done)
        return True

    race(box.person, one, other, race_seconds() / 2, once)
    assert os.listdir(box.place / "outside") in ([], ["deep"])
