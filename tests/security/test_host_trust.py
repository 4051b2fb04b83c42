"""Host-side attacks by another user's tree, settings, masterdir, records, caches and distfiles."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kit.land import Land
from tests.e2e.kit.people import User
from tests.e2e.kit.site import Site
from xsrc.core.settings import OWN

CANARY = "precious\n"
VALUES = {
    "masterdir": '"/x"',
    "srcdistdir": '"/x"',
    "basedir": '"/x"',
    "sites": '{ GNU_SITE = "http://x" }',
    "safe_directories": '["*"]',
    "source_mirrors": '["http://x/"]',
    "caches": '["file:///x"]',
    "allowed_signers": '"/x"',
}


@pytest.fixture
def stranger(as_root: Land) -> User:
    assert as_root.stranger is not None
    return as_root.stranger


@pytest.fixture
def root(as_root: Land) -> User:
    home = as_root.root / "home-root"
    home.mkdir(mode=0o700, exist_ok=True)
    return User("root", 0, 0, home)


@pytest.fixture
def theirs(as_root: Land, stranger: User) -> Path:
    """A tree of E's, with a folder in it to stand in."""
    tree = as_root.folder("theirs", stranger)
    (tree / "templates").mkdir()
    (tree / "work").mkdir()
    shutil.copytree(as_root.clone / "masterdir-skel", tree / "masterdir-skel", symlinks=True)
    (tree / "masterdir-skel/ls").symlink_to(tree / "evil")
    return as_root.own(tree, stranger)


@pytest.fixture
def canary(as_root: Land) -> Iterator[Path]:
    """A file of root's that nobody else may read."""
    path = as_root.root / "shadow"
    path.write_text(CANARY)
    path.chmod(0o640)
    yield path
    status = path.stat()
    assert (path.read_text(), status.st_uid, status.st_gid) == (CANARY, 0, 0)
    path.unlink()


# ---- trees


def test_host_tree_of_another_user(as_root: Land, theirs: Path, stranger: User) -> None:
    home = as_root.user.home
    settings = theirs / ".xsrc.toml"
    settings.write_text(f'masterdir = "{home}/bin"\n')
    os.chown(settings, stranger.uid, stranger.gid)
    for words in (("list",), ("chroot", "true"), ("build", "--all"), ("doctor",)):
        result = as_root.xsrc(*words, cwd=theirs / "work")
        result.ended(4, f"the tree {theirs} belongs to {stranger.name}", "safe_directories", "XSRC_SAFE_DIRECTORIES")
    assert not (home / "bin").exists()


def test_host_root_in_a_tree_of_another_user(as_root: Land, theirs: Path, canary: Path, root: User) -> None:
    (theirs / ".xsrc.toml").write_text(f'srcdistdir = "{canary}"\n')
    as_root.xsrc("list", cwd=theirs / "work", user=root).ended(4, f"the tree {theirs} belongs to")


def test_host_root_in_a_tree_of_the_user(site: Site, root: User, as_root: Land) -> None:
    site.xsrc("list", user=root).ended(4, f"the tree {site.root} belongs to {as_root.user.name}")


@pytest.mark.parametrize("part", ["", "templates", "masterdir-skel"])
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o775])
def test_host_tree_that_others_can_write(site: Site, part: str, mode: int, as_root: Land, stranger: User) -> None:
    path = site.root / part
    if mode == 0o775:
        os.chown(path, as_root.user.uid, stranger.gid)
    path.chmod(mode)
    site.xsrc("list").ended(
        4, f"can be written by {'group' if mode == 0o775 else 'everybody'}", "hint: chmod g", str(path)
    )
    path.chmod(0o755)
    site.xsrc("list").ok()


@pytest.mark.parametrize("path", ["", "template.toml", "files", "files/hosts", "patches", "patches/one.patch"])
@pytest.mark.parametrize("who", ["everybody", "group", "owner"])
def test_host_part_of_a_template_that_others_can_write(site: Site, path: str, who: str, stranger: User) -> None:
    site.script("plain")
    folder = site.root / "templates/plain"
    for place in ("files/hosts", "patches/one.patch"):
        (folder / place).parent.mkdir()
        (folder / place).touch()
    site.land.own(site.root)
    site.xsrc("show", "plain").ok()
    part = folder / path
    before = part.stat()
    if who == "owner":
        os.chown(part, stranger.uid, -1)
    elif who == "group":
        os.chown(part, -1, stranger.gid)
        part.chmod(before.st_mode | 0o020)
    else:
        part.chmod(before.st_mode | 0o002)
    wanted = {"owner": stranger.name, "group": f"group {stranger.name}", "everybody": "everybody"}[who]
    found = f"want what its owner alone can change, found what {wanted} can"
    site.xsrc("show", "plain").ended(3, f"plain/{path}".rstrip("/"), found, "hint: ")
    os.chown(part, before.st_uid, before.st_gid)
    part.chmod(before.st_mode)
    site.xsrc("show", "plain").ok()


def test_host_tree_below_a_folder_that_others_can_write(site: Site) -> None:
    above = site.root / "above"
    above.mkdir()
    above.chmod(0o777)
    for part in ("templates", "masterdir-skel"):
        shutil.copytree(site.root / part, above / "tree" / part, symlinks=True)
    site.land.own(above)
    site.xsrc("list", cwd=above / "tree").ended(4, f"{above} can be written by everybody")
    above.chmod(0o755)
    site.xsrc("list", cwd=above / "tree").ok()


def test_host_group_of_the_owner_alone_is_the_owner(site: Site) -> None:
    """Some systems give every user a group of their own and the umask 002."""
    site.root.chmod(0o775)
    site.xsrc("list").ok()


def test_host_access_list_counts(site: Site, stranger: User) -> None:
    if not shutil.which("setfacl"):
        pytest.skip("setfacl is not on this machine")
    site.land.run("setfacl", "-m", f"u:{stranger.uid}:rwx", site.root).ok()
    site.xsrc("list").ended(4, "can be written by group")


def test_host_no_other_tree_is_used_instead(site: Site, theirs: Path, as_root: Land) -> None:
    """A tree of E's inside P's own: the outer one would do, and is not taken in silence."""
    inner = site.root / "inner"
    shutil.copytree(theirs, inner, symlinks=True)
    assert as_root.stranger is not None
    as_root.own(inner, as_root.stranger)
    site.xsrc("list", cwd=inner / "work").ended(4, f"the tree {inner} belongs to")


@pytest.mark.parametrize("how", ["settings", "variable", "every"])
def test_host_safe_directories(site: Site, theirs: Path, how: str) -> None:
    env = {"XSRC_SAFE_DIRECTORIES": f"/elsewhere:{theirs}"} if how == "variable" else {}
    if how != "variable":
        site.settings(f'safe_directories = ["{theirs if how == "settings" else "*"}"]\n')
    site.xsrc("list", cwd=theirs / "work", env=env).ok()
    other = {"XDG_CONFIG_HOME": "/nonexistent", "XSRC_SAFE_DIRECTORIES": f"{theirs}2:"}
    site.xsrc("list", cwd=theirs / "work", env=other).ended(4, "belongs to")


# ---- settings


@pytest.mark.parametrize("key", sorted(OWN))
def test_host_settings_of_a_checkout_choose_nothing_dangerous(site: Site, key: str) -> None:
    site.write(".xsrc.toml", f"jobs = 1\n{key} = {VALUES[key]}\n")
    for words in (("list",), ("build", "x")):
        result = site.xsrc(*words, env={"XDG_CONFIG_HOME": str(site.root / "xdg")})
        result.ended(
            3, f".xsrc.toml:2:1: error: {key}: want it in your own settings", f"move it to {site.root}/xdg/xsrc"
        )
    assert not site.masterdir.exists()


def test_host_settings_that_are_a_link(site: Site) -> None:
    (site.root / ".xsrc.toml").symlink_to("/dev/zero")
    site.xsrc("list").ended(4, ".xsrc.toml: want a file, found a link to /dev/zero")


def test_host_settings_that_others_can_write(site: Site, stranger: User) -> None:
    path = site.write(".xsrc.toml", "jobs = 1\n")
    path.chmod(0o666)
    site.xsrc("list").ended(4, f"{path} can be written by everybody")
    path.chmod(0o644)
    os.chown(path, stranger.uid, stranger.gid)
    site.xsrc("list").ended(4, f"{path} belongs to {stranger.name}")


def test_host_own_settings_that_others_can_write(site: Site) -> None:
    path = site.settings("jobs = 1\n")
    path.chmod(0o666)
    site.xsrc("list").ended(4, f"your settings {path} can be written by everybody")
    path.chmod(0o644)
    path.parent.chmod(0o777)
    site.xsrc("list").ended(4, f"{path.parent} can be written by everybody")
    path.parent.chmod(0o755)
    site.xsrc("list").ok()


def test_host_own_settings_may_be_a_link(site: Site) -> None:
    site.write("dotfiles/config.toml", "jobs = 1\n")
    site.write("home/.config/xsrc/other", "")
    (site.root / "home/.config/xsrc/config.toml").symlink_to("../../../dotfiles/config.toml")
    site.xsrc("list").ok()


def test_host_root_takes_no_path_from_settings_of_another_user(site: Site, root: User, canary: Path) -> None:
    site.settings(f'srcdistdir = "{canary}"\n')
    for path in (site.root, site.root / "templates", site.root / "masterdir-skel"):
        os.chown(path, 0, 0)
    site.xsrc("list", user=root).ended(4, "your settings", f"belongs to {site.land.user.name}, want root")


# ---- root gives nothing away


@pytest.fixture
def roots(site: Site, root: User) -> Site:
    site.land.own(site.root, root)
    site.owner = root
    return site


def test_host_root_changes_no_owner(roots: Site, root: User, canary: Path, as_root: Land) -> None:
    folder = as_root.folder("of-root", root)
    link = as_root.folder("links") / "link"
    link.symlink_to(canary)
    roots.xsrc("-m", canary, "list", user=root).ended(4, "want a directory, found a file")
    roots.xsrc("-m", link, "list", user=root).ended(4, "want a directory, found a file")
    roots.xsrc("-m", folder, "list", user=root).ended(4, "belongs to root, not to xbuild", "hint: install -d -o xbuild")
    assert folder.stat().st_uid == 0


def test_host_root_makes_nothing_in_a_folder_of_another_user(roots: Site, root: User, as_root: Land) -> None:
    place = as_root.folder("of-p")
    roots.xsrc("-m", place / "m", "list", user=root).ended(4, f"{place} belongs to {as_root.user.name}")
    roots.xsrc("-m", place / "a/b", "list", user=root).ended(4)
    assert list(place.iterdir()) == []


# ---- masterdirs


def test_host_masterdir_of_another_user_with_a_forged_change(site: Site, stranger: User, as_root: Land) -> None:
    site.script("s")
    site.build("s")
    copy = as_root.root / "forged"
    shutil.copytree(site.masterdir, copy, symlinks=True, ignore=shutil.ignore_patterns("pkg-base"))  # whiteouts
    victim = as_root.user.home / ".victim"
    victim.write_text(CANARY)
    op = '["put", ["../../home-p/.victim", "x", "made", "x", 420, "../payload"], null]'
    with sqlite3.connect(copy / "var/db/xsrc/farm.sqlite") as farm:
        farm.execute(
            "INSERT INTO begun VALUES (1, ?)", (f'{{"ops": [{op}], "conf": {{}}, "aside": {{}}, "made": {{}}}}',)
        )
    as_root.own(copy, stranger)
    for words in (("stow", "s"), ("list",), ("verify",), ("gc",), ("chroot", "true")):
        site.xsrc("-m", copy, *words).ended(4, f"the masterdir {copy} belongs to {stranger.name}")
    assert victim.read_text() == CANARY
    victim.unlink()
    shutil.rmtree(copy)


@pytest.mark.parametrize("inside", ["", "var", "var/db", "var/db/xsrc", "pkg-destdir", "pkg-builddir"])
def test_host_masterdir_that_others_can_write(site: Site, inside: str) -> None:
    site.script("s")
    site.build("s")
    path = site.masterdir / inside
    path.chmod(0o777)
    site.xsrc("list").ended(4, f"{path} can be written by everybody", "chmod go-w")
    path.chmod(0o755)
    site.xsrc("list").ok()


@pytest.mark.parametrize("inside", ["pkg-builddir", "pkg-srcdistdir", "pkg-destdir"])
def test_host_masterdir_with_a_link_to_a_home(site: Site, inside: str) -> None:
    site.script("s")
    site.build("s")
    home = site.root / "kept"
    home.mkdir()
    (home / "file").write_text(CANARY)
    site.land.own(home)
    path = site.masterdir / inside
    path.rename(path.with_name("aside"))
    path.symlink_to(home)
    for words in (("clean",), ("build", "-f", "s"), ("gc", "--all")):
        site.xsrc(*words).ended(4, f"{path}: want a directory, found a link")
    assert (home / "file").read_text() == CANARY


# ---- distfiles, bases


def test_host_distfiles_and_bases_of_another_user(site: Site, stranger: User, as_root: Land) -> None:
    site.script("s")
    folder = as_root.folder("distfiles-of-e", stranger)
    for key in ("srcdistdir", "basedir"):
        site.settings(f'{key} = "{folder}"\n')
        site.xsrc("build", "s").ended(4, f"{key} {folder} belongs to {stranger.name}")
    folder.chmod(0o777)
    os.chown(folder, as_root.user.uid, as_root.user.gid)
    site.xsrc("build", "s").ended(4, f"{folder} can be written by everybody")
