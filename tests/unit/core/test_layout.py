"""Where things are; what other code relies on about these places."""

from __future__ import annotations

from pathlib import Path

from xsrc.core.layout import Masterdir, Tree, inside_destdir, inside_wrksrc
from xsrc.core.pkgver import PkgVer

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
    assert masterdir.destdirs not in masterdir.hidden, "links lead there"
    assert masterdir.nothing.parent == masterdir.triggers.parent == masterdir.db
    assert masterdir.log(DASH, "build") == Path("/m/var/db/xsrc/logs/dash-0.5.12_1/build.log")


def test_destdirs_grow_in_the_work_directory() -> None:
    """What is not sealed is in the work directory, which is closed to others, and on the same file system."""
    masterdir = Masterdir(Path("/m"))
    work = masterdir.work(DASH)
    places = {work.destdir, work.part("dash-doc"), work.part("dash-devel"), work.wrksrc, work.root, work.state}
    assert len(places) == 6 and {place.parent for place in places} == {work.path}


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
