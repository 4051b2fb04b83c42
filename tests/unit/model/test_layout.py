"""Where things are; what other code relies on about these places."""

from __future__ import annotations

from pathlib import Path

from xsrc.model.layout import Masterdir, Tree, inside_destdir, inside_wrksrc
from xsrc.model.pkgver import PkgVer

DASH = PkgVer("dash", "0.5.12", 1)


def test_tree() -> None:
    tree = Tree(Path("/t"))
    assert tree.template("dash") == Path("/t/templates/dash/template.toml")
    assert tree.settings == Path("/t/.xsrc.toml")


def test_masterdir() -> None:
    masterdir = Masterdir(Path("/m"))
    assert masterdir.destdir(DASH) == Path("/m/pkg-destdir/dash-0.5.12_1")
    assert masterdir.srcdistdir == Path("/m/pkg-srcdistdir")
    assert masterdir.farm == Path("/m/var/db/xsrc/farm.sqlite")
    assert masterdir.log(DASH, "build") == Path("/m/var/db/xsrc/logs/dash-0.5.12_1/build.log")


def test_one_rename_finishes_a_destdir() -> None:
    masterdir = Masterdir(Path("/m"))
    unfinished, destdir = masterdir.unfinished(DASH), masterdir.destdir(DASH)
    assert unfinished.parent == destdir.parent
    assert unfinished != destdir
    assert unfinished.name.startswith("."), "no pkgver begins with a dot, so it can be no other package's"


def test_a_work_directory_and_its_lock_are_apart() -> None:
    masterdir = Masterdir(Path("/m"))
    work = masterdir.work(DASH)
    assert work.path == Path("/m/pkg-builddir/dash-0.5.12")
    assert masterdir.work_lock(DASH).parent == work.path.parent
    assert work.path not in masterdir.work_lock(DASH).parents, "the lock outlives the directory"
    assert {work.state.parent, work.root.parent, work.wrksrc.parent} == {work.path}


def test_inside_a_build_root() -> None:
    assert inside_wrksrc(DASH) == "/pkg-builddir/dash-0.5.12"
    assert inside_destdir(DASH) == "/pkg-destdir/dash-0.5.12_1"
    masterdir = Masterdir(Path("/m"))
    assert f"/m{inside_destdir(DASH)}" == str(masterdir.destdir(DASH)), "the same place from inside and from outside"
    assert f"/m{inside_wrksrc(DASH)}" == str(masterdir.work(DASH).path)
