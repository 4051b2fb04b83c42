"""Who runs it: root, who becomes xbuild; a stranger without the group; a second user beside the first."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.e2e.kit import look
from tests.e2e.kit.land import Land
from tests.e2e.kit.people import User
from tests.e2e.kit.site import Site
from xsrc.__main__ import START

IDENTITY = 'echo "uid $(id -u) gid $(id -g) groups $(id -G)"; : >mine\n'


@pytest.fixture
def root(as_root: Land) -> User:
    home = as_root.root / "home-root"
    home.mkdir(mode=0o700, exist_ok=True)
    return User("root", 0, 0, home)


@pytest.fixture
def xbuild(as_root: Land) -> User:
    try:
        return User.of("xbuild", Path("/nonexistent"))
    except KeyError:
        pytest.skip("there is no user xbuild: helpers/setup was not run as root")


@pytest.fixture
def roots_site(site: Site, root: User) -> Site:
    """A tree that belongs to root."""
    for path in (site.root, *site.root.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)
    site.land.own(site.root, root)
    site.owner = root
    return site


def test_root_builds_as_xbuild(roots_site: Site, root: User, xbuild: User, mode: str) -> None:
    site = roots_site
    site.hello(tables=f"[phases]\npost_build = '''\n{IDENTITY}'''\npost_install = '''\n{IDENTITY}'''\n")
    site.build("-K", "hello", user=root, mode=mode).ok("hello-1.0_1: stowed")
    for phase in ("build", "install"):
        assert f"uid {xbuild.uid} gid {xbuild.gid}" in site.log(phase)
    owners = {path: status.st_uid for path, status in look.walk(site.masterdir)}
    assert {path for path, uid in owners.items() if uid != xbuild.uid} == set()
    assert (site.work() / "wrksrc/mine").stat().st_uid == xbuild.uid
    site.xsrc("build", "hello", user=root).ok("up to date")
    site.xsrc("chroot", "id", "-u", user=root).ok()
    assert site.xsrc("chroot", "id", "-u", user=root).out == f"{xbuild.uid}\n"
    site.xsrc("unstow", "hello", user=root).ok()


def closed(land: Land, root: User) -> Path:
    folder = land.folder("closed", root)
    folder.chmod(0o700)
    return folder


def test_root_in_a_tree_that_xbuild_cannot_reach(land: Land, roots_site: Site, root: User, xbuild: User) -> None:
    folder = closed(land, root)
    tree = folder / "tree"
    shutil.copytree(roots_site.root, tree, symlinks=True)
    result = land.xsrc("build", "hello", cwd=tree, user=root)
    result.ended(4, f"cannot reach {tree}", f"{folder} is closed to it", f"hint: chmod o+x {folder}")
    assert len([line for line in result.lines if line.startswith("error:")]) == 1
    assert len(result.lines) == 2
    assert not (tree / "masterdir").exists() or (tree / "masterdir").stat().st_uid == xbuild.uid


def test_root_with_a_masterdir_that_xbuild_cannot_reach(roots_site: Site, root: User, xbuild: User) -> None:
    folder = closed(roots_site.land, root)
    roots_site.script("s")
    result = roots_site.xsrc("build", "-m", folder / "m", "s", user=root)
    result.ended(4, f"cannot reach {folder / 'm'}", f"hint: chmod o+x {folder}")


def test_root_with_a_program_that_xbuild_cannot_reach(roots_site: Site, root: User, xbuild: User) -> None:
    """The tree is fine, but xsrc itself lies below a closed folder."""
    folder = closed(roots_site.land, root)
    shutil.copytree(roots_site.land.clone / "xsrc", folder / "xsrc")
    roots_site.script("s")
    land = roots_site.land
    result = land.run(
        land.python, "-I", "-X", "utf8", "-c", START, folder, "build", "s", user=root, cwd=roots_site.root
    )
    result.ended(4, "cannot reach", "hint: chmod o+x")


def test_root_does_not_take_a_masterdir_of_somebody_else(roots_site: Site, root: User, xbuild: User) -> None:
    roots_site.script("s")
    theirs = roots_site.land.folder("theirs")
    name = roots_site.land.user.name
    roots_site.xsrc("build", "-m", theirs, "s", user=root).ended(4, f"belongs to {name}", f"hint: run xsrc as {name}")
    assert theirs.stat().st_uid == roots_site.land.user.uid


def test_stranger_without_the_group_builds_in_a_user_namespace(as_root: Land, site: Site) -> None:
    if reason := as_root.modes["userns"]:
        pytest.skip(reason)
    assert as_root.stranger is not None
    site.hello()
    own = as_root.folder("of-e", as_root.stranger)
    trusting = {"XSRC_SAFE_DIRECTORIES": str(site.root)}
    result = site.xsrc("build", "-m", own / "m", "hello", user=as_root.stranger, env=trusting)
    result.ok("hello-1.0_1: stowed")
    if as_root.modes["caps"] is None:
        assert "note: using a user namespace: this user is not in group xbuild" in result.err
    assert as_root.run(own / "m/bin/hello", user=as_root.stranger).ok().out == "hello 1.0\n"


def test_asking_for_capabilities_without_the_group(as_root: Land, site: Site) -> None:
    if reason := as_root.modes["caps"]:
        pytest.skip(reason)
    assert as_root.stranger is not None
    site.script("s")
    own = as_root.folder("of-e", as_root.stranger)
    trusting = {"XSRC_SAFE_DIRECTORIES": str(site.root)}
    result = site.xsrc("build", "-m", own / "m", "s", user=as_root.stranger, mode="caps", env=trusting)
    result.ended(4, "not in group xbuild", "hint: xsrc doctor")
    doctor = site.xsrc("doctor", "-m", own / "m", user=as_root.stranger, mode="userns", env=trusting)
    assert f"usermod -aG xbuild {as_root.stranger.name}" in doctor.out


def test_a_masterdir_behind_a_closed_folder(as_root: Land, site: Site) -> None:
    """`xsrc doctor` was the hint, also of doctor itself."""
    closed = as_root.folder("closed")
    os.chown(closed, 0, 0)
    closed.chmod(0o700)
    for verb in ("doctor", "list"):
        site.xsrc("-m", closed / "m", verb).ended(
            4, f"error: {closed}/m: Permission denied", f"hint: namei -l {closed}/m"
        )


def test_wrong_word_for_the_mode(site: Site) -> None:
    site.script("s")
    site.xsrc("build", "s", mode="magic").ended(2, "XSRC_ISOLATION: want caps or userns, got 'magic'")


def test_another_user_cannot_enter_a_work_directory(as_root: Land, site: Site) -> None:
    """A setuid file of a build cannot be run by anyone else."""
    assert as_root.stranger is not None
    site.script("s", do_build="cp /usr/bin/id idcopy; chmod 6755 idcopy\n")
    site.build("-K", "s")
    assert stat.S_IMODE(site.work("s-1.0").stat().st_mode) == 0o700
    assert as_root.run("ls", site.work("s-1.0"), user=as_root.stranger).code != 0
    program = site.work("s-1.0") / "wrksrc/idcopy"
    assert as_root.run("sh", "-c", f"exec {program}", user=as_root.stranger).code == 126


def test_another_user_may_look_and_not_touch(as_root: Land, site: Site) -> None:
    stranger = as_root.stranger
    assert stranger is not None
    site.hello()
    site.build("hello")
    before = site.farm()
    trusting = {"XSRC_SAFE_DIRECTORIES": str(site.root)}
    site.xsrc("list", user=stranger).ended(4, f"{site.root} belongs to {site.land.user.name}", "safe_directories")
    assert as_root.run(site.masterdir / "bin/hello", user=stranger).ok().out == "hello 1.0\n"
    assert "* hello-1.0_1" in site.xsrc("list", user=stranger, env=trusting).ok().out
    assert site.xsrc("owner", "/usr/bin/hello", user=stranger, env=trusting).ok().out == "/usr/bin/hello: hello-1.0_1\n"
    for words in (("unstow", "hello"), ("build", "-f", "hello"), ("restow",)):
        site.xsrc(*words, user=stranger, env=trusting).ended(4, "Permission denied")
    assert site.farm() == before
