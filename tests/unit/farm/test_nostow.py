"""Paths that the user never wants in the root."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.builders import Disk, a_file, a_member
from xsrc.farm.alternatives import links_of
from xsrc.farm.place import FileType, Found, Member
from xsrc.store.rules import Alternative

GLOBS = ("usr/share/locale/**", "/usr/share/doc/", "etc/*.conf")
PATHS = ("usr/bin/{}", "usr/share/locale/de/{}.mo", "usr/share/doc/{}/README", "etc/{}.conf")


def package(name: str, *globs: str) -> Member:
    return replace(a_member(f"{name}-1_1", *(a_file(path.format(name), name) for path in PATHS)), nostow=globs)


def test_what_is_left_out_has_no_place() -> None:
    assert [*package("a", *GLOBS).places] == ["etc", "usr", "usr/bin", "usr/bin/a", "usr/share", "usr/share/locale"]


@pytest.mark.parametrize("neighbour", [False, True])
def test_a_changed_setting_takes_effect(neighbour: bool) -> None:
    disk = Disk.fresh()
    if neighbour:
        disk.stow(package("b"))
    disk.stow(package("a"))
    whole = dict(disk.nodes)
    disk.stow(package("a", *GLOBS))
    gone = {path.removesuffix("/") for path in whole} - disk.nodes.keys()
    assert {"usr/share/locale/de/a.mo", "usr/share/doc/a", "etc/a.conf"} <= gone
    assert ("usr/share/doc" in gone) != neighbour
    assert disk.restow("a").ops == ()
    disk.stow(package("a"))
    assert disk.nodes == whole
    disk.unstow("a")
    assert disk.nodes == (Disk.fresh().nodes | disk.nodes if neighbour else Disk.fresh().nodes)


def test_a_changed_conf_file_that_is_left_out_stays_the_users() -> None:
    disk = Disk.fresh()
    disk.stow(package("a"))
    disk.nodes["etc/a.conf"] = Found(FileType.FILE, "mine", mode=0o644)
    plan = disk.stow(package("a", *GLOBS))
    assert plan.notes == ("/etc/a.conf: not as it was stowed, left alone",)
    assert disk.conf["etc/a.conf"].owner == "a"
    disk.stow(package("a"))
    assert disk.nodes["etc/a.conf"].text == "mine"


def test_no_conflict_over_what_is_left_out() -> None:
    one, two = (a_member(f"{name}-1_1", a_file("usr/share/doc/x", name)) for name in "ab")
    disk = Disk.fresh()
    assert disk.plan((one, two)).conflicts
    disk.stow(replace(one, nostow=GLOBS), two)
    assert disk.plan(add=(one,)).conflicts


def test_an_alternative_whose_target_is_left_out() -> None:
    offer = Alternative("vi", "/bin/vi", "/usr/lib/vim/vim")
    vim = a_member("vim-1_1", a_file("usr/lib/vim/vim"), alternatives=(offer,))
    assert "usr/bin/vi" in links_of((vim,), {})
    for glob in ("usr/lib/vim", "usr/bin/vi"):
        assert links_of((replace(vim, nostow=(glob,)),), {}) == {}
