"""R11: the root is the caller's own directory, reached without links, that nobody else can change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.security.conftest import race_seconds
from tests.security.kit.box import PYTHON, Box, Done, folder, link, make_root, run_as
from tests.security.kit.people import as_root
from tests.security.kit.races import race

LINKS = "symbolic links are not followed"


def try_root(box: Box, root: Path | str) -> list[Done]:
    """Both programs check it."""
    argv = [str(box.helper.chroot), "--", str(root), "/kit/ids"]
    return [box.run("/kit/ids", root=root), run_as(box.person, argv)]


def cases(box: Box) -> dict[str, tuple[Path | str, str]]:
    person, place = box.person, box.place
    link(place / "link", box.root, person)
    link(place / "up", ".", person)
    folder(place / "open", person, 0o777)
    folder(place / "group", person, 0o775)
    folder(place / "world", person, 0o757)
    folder(place / "sticky", person, 0o1777)
    box.file("file")
    os.mkfifo(place / "fifo")
    if as_root():
        os.chown(place / "fifo", person.uid, person.gid)
    return {
        "link": (place / "link", LINKS),
        "link on the way": (place / "up/root", LINKS),
        "link and slash": (f"{place}/link/", LINKS),
        "/": ("/", "refusing / as root"),
        "//": ("//", "refusing / as root"),
        "/.": ("/.", "refusing / as root"),
        "/..": ("/..", "refusing / as root"),
        "way back to /": (f"{place}/{'../' * 20}", "refusing / as root"),
        "root's": ("/usr", "not owned by the caller"),
        "0777": (place / "open", "writable by others"),
        "0775": (place / "group", "writable by others"),
        "0757": (place / "world", "writable by others"),
        "1777": (place / "sticky", "writable by others"),
        "file": (place / "file", "root"),
        "fifo": (place / "fifo", "root"),
        "missing": (place / "none", "No such file"),
        "magic link": ("/proc/self/root", LINKS),
        "magic link to the caller's": ("/proc/self/cwd", LINKS),
        "descriptor": ("/proc/self/fd/0", LINKS),
    }


def test_r11_what_cannot_be_a_root(box: Box) -> None:
    for name, (root, text) in cases(box).items():
        for done in try_root(box, root):
            assert text in done.err, f"{name}: {done}"
            done.refused()


@pytest.mark.usefixtures("root_only")
def test_r11_root_of_another(box: Box) -> None:
    assert box.stage.e is not None
    for mode in (0o755, 0o777):
        root = make_root(box.place / f"e{mode}", box.stage.e)
        root.chmod(mode)
        for done in try_root(box, root):
            done.refused("not owned by the caller")


def test_r11_swap_race(box: Box) -> None:
    """ROOT is exchanged with a link to another root; every success is in the one that is no link."""
    box.file("root/mark", "ours")
    link(box.place / "evil", make_root(box.place / "other", box.person), box.person)
    look = "import os; print(os.path.exists('/mark'))"

    def once() -> bool:
        done = box.run(PYTHON, "-I", "-S", "-c", look)
        if done.code != 0:
            return not done.refused()
        assert done.out == "True\n", str(done)
        return True

    race(box.person, box.root, box.place / "evil", race_seconds(), once)
