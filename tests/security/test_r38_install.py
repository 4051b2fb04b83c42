"""R38: xsrc uses the helpers with capabilities only where the installation is sound, and says why not."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import prctl
import pytest

from tests.security.kit import builds
from tests.security.kit.box import Stage
from tests.security.kit.people import as_person, group_of
from xsrc.sandbox.disk import helpers

pytestmark = pytest.mark.usefixtures("root_only")


def install(stage: Stage, folder: Path) -> Path:
    """A sound installation in a folder."""
    folder.mkdir(exist_ok=True)
    for name, caps in builds.PROGRAMS.items():
        builds.put(stage.out / name, folder / name, 0o750, (0, group_of(stage.p)), caps)
    return folder


@pytest.fixture
def sound(stage: Stage, place: Path) -> Path:
    return install(stage, stage.libexec / place.name)


def trouble(stage: Stage, folder: Path, before: Callable[[], None] | None = None) -> str | None:
    found = as_person(stage.p, lambda: helpers.capability_trouble(folder), before)
    return found.found if found else None


def test_r38_sound_installation(stage: Stage, sound: Path) -> None:
    assert trouble(stage, sound) is None


@pytest.mark.parametrize("name", sorted(builds.PROGRAMS))
@pytest.mark.parametrize(
    "fault", ["owner", "group-writable", "world-writable", "no capabilities", "missing", "link", "shut"]
)
def test_r38_broken_file(stage: Stage, sound: Path, name: str, fault: str) -> None:
    path = sound / name
    text = "can be written by others than root"
    match fault:
        case "owner":
            text = "not to root"
            os.chown(path, stage.p.uid, group_of(stage.p))
            builds.set_caps(path, builds.PROGRAMS[name])
        case "group-writable":
            path.chmod(0o770)
        case "world-writable":
            path.chmod(0o757)
        case "no capabilities":
            os.removexattr(path, "security.capability")
            text = "carries no capabilities"
        case "missing":
            path.unlink()
            text = "is not installed"
        case "link":
            path.rename(path.with_name("real"))
            path.symlink_to("real")
            text = "is not a file"
        case "shut":
            os.chown(path, 0, 0)
            builds.set_caps(path, builds.PROGRAMS[name])
            text = "this user is not in group"
    found = trouble(stage, sound)
    assert found is not None
    assert text in found, found


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757], ids=oct)
@pytest.mark.parametrize("above", [False, True])
def test_r38_writable_folder(stage: Stage, place: Path, mode: int, above: bool) -> None:
    parent = stage.libexec / place.name
    parent.mkdir()
    folder = install(stage, parent / "inner")
    (parent if above else folder).chmod(mode)
    found = trouble(stage, folder)
    assert found is not None
    assert "can be written by others than root" in found, found


def test_r38_folder_of_somebody_else(stage: Stage, place: Path) -> None:
    parent = stage.libexec / place.name
    parent.mkdir()
    folder = install(stage, parent / "inner")
    os.chown(parent, stage.p.uid, stage.p.gid)
    assert "can be written by others than root" in (trouble(stage, folder) or "")


def test_r38_nosuid_mount(stage: Stage, place: Path) -> None:
    """In a mount namespace that only the child sees."""

    def remount() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(0x20000) == 0
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "nosuid,mode=755", "tmpfs", str(parent)], check=True)
        install(stage, parent / "inner")

    parent = stage.libexec / place.name
    parent.mkdir()
    found = trouble(stage, parent / "inner", remount)
    assert found is not None
    assert "mounted with nosuid" in found, found


def test_r38_no_new_privs(stage: Stage, sound: Path) -> None:
    assert "no_new_privs" in (trouble(stage, sound, lambda: prctl.set_no_new_privs(1)) or "")


def test_r38_bounding_set(stage: Stage, sound: Path) -> None:
    def drop() -> None:
        prctl.capbset.sys_admin = False

    assert "bounding set" in (trouble(stage, sound, drop) or "")


def test_r38_plain_copies_instead(stage: Stage, sound: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a broken installation xsrc takes the plain copies and keeps the reason to be said."""
    (sound / "xsrc-mount").chmod(0o777)
    monkeypatch.setattr(helpers, "SYSTEM", sound)
    where = place / "share/xsrc/libexec"
    where.mkdir(parents=True)
    for name in builds.PROGRAMS:
        builds.put(stage.out / name, where / name, 0o755)
    env = {"HOME": str(place), "XDG_DATA_HOME": str(place / "share")}
    found = as_person(stage.p, lambda: helpers.find_helpers(env))
    assert found.userns
    assert found.mount == where / "xsrc-mount"
    assert "can be written by others than root" in (found.note or "")
