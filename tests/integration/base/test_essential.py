"""The layer that hides undeclared tools of this machine: made once, whole or not at all, right after every change."""

from __future__ import annotations

import multiprocessing
import os
import re
import shutil
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from xsrc.base import dpkg
from xsrc.base.disk import essential
from xsrc.base.disk.essential import View, view

pytestmark = pytest.mark.skipif(not essential.has_database(), reason="no dpkg here")

CONTEXT = multiprocessing.get_context("fork")


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of this machine's database, which a test may change."""
    copied = tmp_path / "dpkg"
    (copied / "info").mkdir(parents=True)
    shutil.copy(essential.DPKG / "status", copied / "status")
    shutil.copytree(essential.DPKG / "alternatives", copied / "alternatives")
    for file in (essential.DPKG / "info").glob("*.list"):
        (copied / "info" / file.name).symlink_to(file)
    monkeypatch.setattr(essential, "DPKG", copied)
    return copied


def tree(top: Path) -> dict[str, str]:
    """All paths of a layer, with what they are."""
    found = {}
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            path = Path(folder, name)
            status = path.lstat()
            white = stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
            found[str(path.relative_to(top))] = "white" if white else f"{stat.S_IFMT(status.st_mode):o}"
    return found


def made(bases: Path) -> Path:
    found = view(bases, make=True)
    assert found.layer is not None and not found.whole, found
    return found.layer


def in_a_process(work: Callable[[], object]) -> int | None:
    process = CONTEXT.Process(target=work)
    process.start()
    process.join(60)
    return process.exitcode


def remove_from(database: Path, name: str) -> None:
    text = (database / "status").read_text()
    (database / "status").write_text(re.sub(rf"(?ms)^Package: {re.escape(name)}\n.*?\n\n", "", text))


@pytest.mark.usefixtures("database")
def test_only_what_belongs_to_essential_packages_is_left(tmp_path: Path) -> None:
    found = tree(made(tmp_path))
    shown = dpkg.essential(dpkg.installed((essential.DPKG / "status").read_text()))
    for name in ("dpkg", "coreutils", "libc6"):
        assert name in shown
    for path in ("usr/bin/ls", "usr/bin/sh", "usr/bin/dpkg", "usr/lib", "usr/bin"):
        assert found.get(path) != "white", path
    assert found["usr/local"] == "white"
    others = [p for p in ("usr/bin/python3", "usr/bin/pkg-config", "usr/bin/apt-get") if Path("/", p).exists()]
    assert others and {found[path] for path in others} == {"white"}
    awk = view(tmp_path, make=True).layer
    assert awk is not None and (awk / "alternatives/awk").readlink().name in ("mawk", "gawk", "original-awk")


@pytest.mark.usefixtures("database")
def test_the_layer_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = view(tmp_path, make=False)
    assert before.layer is None and not (tmp_path / essential.FOLDER).exists()
    first = view(tmp_path, make=True)
    assert before.digest == first.digest != ""
    monkeypatch.setattr(os, "mknod", None)  # whoever made one again would fail
    assert view(tmp_path, make=True) == first == view(tmp_path, make=False)


def test_a_change_of_the_database_gives_another_layer(database: Path, tmp_path: Path) -> None:
    first = view(tmp_path, make=True)
    remove_from(database, "xz-utils")
    # it is needed by others as well
    text = (database / "status").read_text()
    (database / "status").write_text(text.replace("xz-utils", "xy-utils"))
    second = view(tmp_path, make=True)
    assert second.layer is not None and first.layer is not None
    assert first.digest != second.digest
    assert "usr/bin/xz" not in tree(first.layer)
    assert tree(second.layer)["usr/bin/xz"] == "white"
    assert first.layer.exists(), "this process holds it"


def test_a_layer_that_nobody_holds_is_removed_after_a_change(database: Path, tmp_path: Path) -> None:
    assert in_a_process(lambda: made(tmp_path)) == 0
    (former,) = (path for path in (tmp_path / essential.FOLDER).iterdir() if path.is_dir())
    remove_from(database, "patch")
    assert made(tmp_path) != former
    assert not former.exists()


def test_another_version_is_another_digest_and_the_same_layer(database: Path, tmp_path: Path) -> None:
    first = view(tmp_path, make=True)
    text = (database / "status").read_text()
    (database / "status").write_text(re.sub(r"(?m)(^Package: make\n(?:.+\n)*?Version: )\S+", r"\g<1>0.0-1", text))
    second = view(tmp_path, make=True)
    assert first.digest != second.digest
    assert first.layer == second.layer


@pytest.mark.usefixtures("database")
def test_a_killed_maker_leaves_no_layer_that_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, count = os.link, 0

    def dies(*args: object, **more: object) -> None:
        nonlocal count
        count += 1
        if count == 100:
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", dies)
    assert in_a_process(lambda: view(tmp_path, make=True)) == -signal.SIGKILL
    monkeypatch.setattr(os, "link", real)
    place = tmp_path / essential.FOLDER
    assert [path.name for path in place.iterdir()] == ["new"], "the half of a layer, under a name that nobody uses"
    assert view(tmp_path, make=False).layer is None
    assert tree(made(tmp_path)) == tree(made(tmp_path / "elsewhere"))
    assert not (place / "new").exists()


@pytest.mark.usefixtures("database")
def test_makers_side_by_side_share_one_layer(tmp_path: Path) -> None:
    makers = [CONTEXT.Process(target=made, args=(tmp_path,)) for _ in range(4)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join(120)
    assert [maker.exitcode for maker in makers] == [0] * 4
    layer = made(tmp_path)
    assert {path.name for path in (tmp_path / essential.FOLDER).iterdir()} == {layer.name, "record"}
    assert tree(layer) == tree(made(tmp_path / "elsewhere"))


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("text", [b"", b"\0\0\0", b"1 2 3 4\0\0..\0", b"\xff" * 99])
def test_a_record_that_is_none_is_made_again(tmp_path: Path, text: bytes) -> None:
    layer = made(tmp_path)
    (tmp_path / essential.FOLDER / "record").write_bytes(text)
    assert made(tmp_path) == layer


def test_a_machine_without_a_database_shows_everything(database: Path, tmp_path: Path) -> None:
    (database / "status").unlink()
    found = view(tmp_path, make=True)
    assert found == View(whole=found.whole) and "no package database" in found.whole
    assert not (tmp_path / essential.FOLDER).exists()
