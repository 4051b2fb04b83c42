"""R39: the work area is closed to others, so that a setuid file of a build harms nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.security.kit import builds
from tests.security.kit.box import PYTHON, Box, run_as
from tests.security.kit.people import as_person
from xsrc.build.disk import work
from xsrc.core.layout import WorkDir


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_r39_mode_of_a_new_work_directory(box: Box, umask: int) -> None:
    made = WorkDir(box.place / "hostile-1.0")

    def renew() -> None:
        os.umask(umask)
        made.path.mkdir(mode=0o777)
        (made.path / "old").touch()
        work.renew(made)

    as_person(box.person, renew)
    assert made.path.stat().st_mode & 0o7777 == 0o700
    assert sorted(path.name for path in made.path.iterdir()) == ["wrksrc"]


def test_r39_a_link_in_its_place_is_not_followed(box: Box) -> None:
    victim = box.folder("victim")
    (victim / "kept").touch()
    made = WorkDir(box.place / "hostile-1.0")
    made.path.symlink_to(victim)
    as_person(box.person, lambda: work.renew(made))
    assert (victim / "kept").exists()
    assert made.path.is_dir()
    assert not made.path.is_symlink()


@pytest.mark.usefixtures("root_only")
def test_r39_setuid_file_of_a_build(box: Box) -> None:
    """A build makes a setuid program; another user can neither see nor run it."""
    made = WorkDir(box.place / "hostile-1.0")
    as_person(box.person, lambda: work.renew(made))
    builds.put(box.stage.kit / "ids", box.place / "ids", 0o755)
    plant = "import shutil, os; shutil.copyfile('/kit/ids', '/mnt/evil'); os.chmod('/mnt/evil', 0o4755)"
    assert box.run(PYTHON, "-I", "-S", "-c", plant, options=("-w", made.wrksrc, "mnt")).code == 0
    evil = made.wrksrc / "evil"
    assert evil.stat().st_mode & 0o4000, "the build can make one: that is allowed"
    e = box.stage.e
    assert e is not None
    assert run_as(box.person, [evil]).json["euid"] == box.person.uid
    with pytest.raises(PermissionError):
        run_as(e, [evil])
    with pytest.raises(PermissionError):
        as_person(e, lambda: os.listdir(made.wrksrc))
    with pytest.raises(PermissionError):
        as_person(e, lambda: Path(evil).stat())
