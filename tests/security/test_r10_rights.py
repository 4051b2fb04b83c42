"""R10: files are reached with the caller's own rights and no others."""

from __future__ import annotations

import pytest

from tests.security.kit.box import PYTHON, Box, file, folder, give, make_root
from tests.security.kit.people import as_root

LIST = "import os\ntry: print(os.listdir('/mnt'))\nexcept OSError as e: print(e.errno)"


@pytest.mark.usefixtures("root_only")
def test_r10_private_folder_of_another(box: Box) -> None:
    """E shows P's 0700 folder in a sandbox: the mount needs no right, reading it does."""
    e = box.stage.e
    assert e is not None
    private = box.folder("private", 0o700)
    file(private / "secret", box.person, "secret")
    root = make_root(box.place / "e", e)
    give(box.work, e)
    done = box.run(PYTHON, "-I", "-S", "-c", LIST, person=e, root=root, options=("-r", private, "mnt"))
    assert "secret" not in done.out
    assert done.out in ("13\n", ""), str(done)
    below = box.run("/kit/ids", person=e, root=root, options=("-r", private / "secret", "mnt"))
    below.refused("source")
    folder(private / "inner", box.person)
    box.run("/kit/ids", person=e, root=root, options=("-r", private / "inner", "mnt")).refused("source")


@pytest.mark.usefixtures("root_only")
def test_r10_root_of_another_below_a_private_folder(box: Box) -> None:
    e = box.stage.e
    assert e is not None
    private = box.folder("private", 0o700)
    make_root(private / "root", e)
    box.run("/kit/ids", person=e, root=private / "root").refused("root", "Permission denied")


def test_r10_what_root_alone_may_read(box: Box) -> None:
    for source in ("/etc/shadow", "/root/.ssh", "/etc/ssl/private/x"):
        box.run("/kit/ids", options=("-r", source, "mnt")).refused()
    done = box.run(PYTHON, "-I", "-S", "-c", LIST, options=("-r", "/root", "mnt"))
    if as_root():
        assert done.out in ("13\n", ""), str(done)


def test_r10_files_of_the_build_are_the_callers(box: Box) -> None:
    made = "import os; open('/work/made', 'w'); os.mkdir('/work/dir'); print(os.stat('/work/made').st_uid, os.getuid())"
    done = box.run(PYTHON, "-I", "-S", "-c", made)
    assert done.out == f"{box.person.uid} {box.person.uid}\n", str(done)
    for name in ("made", "dir"):
        status = (box.work / name).stat()
        assert (status.st_uid, status.st_gid) == (box.person.uid, box.person.gid)
