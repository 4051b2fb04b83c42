"""What cannot be stowed is refused whole, with both owners named; upgrades, rebuilds and versions side by side."""

from __future__ import annotations

import os

import pytest

from tests.e2e.kit.site import Site


def shares(site: Site, name: str, paths: str, text: str = "", **more: str) -> None:
    """A package with some paths below /usr/share, each with one text."""
    words = " ".join(f"$DESTDIR/usr/share/{path}" for path in paths.split())
    site.script(name, f'for f in {words}; do mkdir -p "${{f%/*}}"; echo "{text or name}" >$f; done\n', **more)  # type: ignore[arg-type]


def test_two_owners_of_one_path(site_in_mode: Site) -> None:
    site = site_in_mode
    shares(site, "a", "same own-a")
    shares(site, "b", "aa same own-b")
    site.build("a")
    site.build("--no-stow", "b")
    before = site.farm()
    result = site.xsrc("build", "b").ended(5, "stow b-1.0_1: refused, nothing was changed")
    assert "  /usr/share/same: b-1.0_1 and a-1.0_1: different contents" in result.lines
    assert site.farm() == before
    site.xsrc("unstow", "a").ok()
    site.build("b").ok("b-1.0_1: stowed")
    site.xsrc("stow", "a").ended(5, "/usr/share/same", "a-1.0_1", "b-1.0_1")


def test_every_conflict_is_named_at_once(site: Site) -> None:
    shares(site, "a", "one two three")
    shares(site, "b", "one two three four")
    site.build("a")
    result = site.xsrc("build", "b").ended(5)
    assert [line.split(":")[0].strip() for line in result.lines if line.startswith("  /")] == [
        "/usr/share/one",
        "/usr/share/three",
        "/usr/share/two",
    ]


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_both_in_one_request(site: Site, names: tuple[str, str]) -> None:
    shares(site, "a", "same")
    shares(site, "b", "same")
    site.build("--no-stow", *names)
    before = site.farm()
    site.xsrc("stow", *names).ended(5, "/usr/share/same", "a-1.0_1", "b-1.0_1")
    assert site.farm() == before


def test_equal_files_of_two_packages_are_no_conflict(site: Site) -> None:
    shares(site, "a", "same", "text")
    shares(site, "b", "same more", "text")
    site.build("a", "b")
    same = site.masterdir / "usr/share/same"
    assert "a-1.0_1" in str(same.readlink())
    site.xsrc("unstow", "a").ok()
    assert "b-1.0_1" in str(same.readlink()) and same.read_text() == "text\n"
    site.xsrc("stow", "a").ok()
    site.xsrc("unstow", "b").ok()
    assert same.read_text() == "text\n"
    site.xsrc("unstow", "a").ok()
    assert not same.is_symlink()


def test_directory_where_another_has_a_file(site: Site) -> None:
    shares(site, "a", "x/y")
    shares(site, "b", "x")
    site.build("a")
    before = site.farm()
    site.xsrc("build", "b").ended(5, "/usr/share/x", "a-1.0_1", "b-1.0_1")
    assert {k: v for k, v in site.farm().items() if "b-1.0_1" not in k and "database" not in k} == {
        k: v for k, v in before.items() if "database" not in k
    }


@pytest.mark.parametrize("what", ["file", "link", "directory"])
def test_stranger_in_the_way(site: Site, what: str) -> None:
    shares(site, "a", "one two")
    site.build("--no-stow", "a")
    way = site.masterdir / "usr/share/two"
    if what == "file":
        way.write_text("mine\n")
    elif what == "link":
        way.symlink_to("/mine")
    else:
        way.mkdir()
    before = site.farm()
    result = site.xsrc("stow", "a").ended(5, "/usr/share/two", "a-1.0_1", "nothing was changed")
    assert ("a directory is in the way" if what == "directory" else "a file that no package owns") in result.err
    assert site.farm() == before
    way.rmdir() if what == "directory" else way.unlink()
    site.xsrc("stow", "a").ok()


def test_skeleton_is_nobodys_to_replace(site: Site) -> None:
    site.script("a", "mkdir $DESTDIR/etc; echo x >$DESTDIR/etc/passwd\n")
    site.xsrc("build", "a").ended(5, "/etc/passwd")
    site.script("b", "mkdir -p $DESTDIR/usr; echo x >$DESTDIR/usr/bin\n")
    site.xsrc("build", "b").ended(5, "/usr/bin")
    assert "xbuild" not in (site.masterdir / "etc/passwd").read_text()


@pytest.mark.parametrize("path", ["pkg-destdir/x", "pkg-builddir/x", "var/db/xsrc/farm.sqlite", "var/db/xsrc/x"])
def test_nothing_is_stowed_over_what_is_xsrcs_own(site: Site, path: str) -> None:
    site.script("ok")
    site.build("ok")
    before = site.farm()
    folder = path.rpartition("/")[0]
    site.script("bad", f"mkdir -p $DESTDIR/{folder}; echo x >$DESTDIR/{path}\n")
    result = site.xsrc("build", "bad")
    assert result.code in (1, 5), str(result)
    assert f"/{path}" in result.err
    assert {k: v for k, v in site.farm().items() if "bad" not in k and "database" not in k} == {
        k: v for k, v in before.items() if "database" not in k
    }


def test_declared_conflict(site: Site) -> None:
    site.script("a")
    site.script("b", top='conflicts = ["a"]')
    site.build("a")
    site.xsrc("build", "b").ended(5, "b-1.0_1 conflicts with a-1.0_1")
    assert not (site.masterdir / "usr/share/b").exists()


def test_upgrade_moves_the_links_and_keeps_the_old_destdir(site_in_mode: Site) -> None:
    site = site_in_mode
    shares(site, "p", "stays goes", version="1.0")
    site.build("p")
    shares(site, "p", "stays comes/deep", version="1.1")
    site.build("p").ok("p-1.1_1: built", "p-1.1_1: stowed")
    share = site.masterdir / "usr/share"
    assert str((share / "stays").readlink()) == "../../pkg-destdir/p-1.1_1/usr/share/stays"
    assert (share / "comes/deep").is_symlink() and not (share / "goes").is_symlink()
    assert site.destdir("p-1.0_1").is_dir()
    assert site.xsrc("list").ok().out.split() == ["p-1.0_1", "Test", "package", "*", "p-1.1_1", "Test", "package"]
    # and back, by name of the version
    site.xsrc("stow", "p@1.0").ok("p-1.0_1: stowed")
    assert (share / "goes").is_symlink() and not (share / "comes").exists()
    site.xsrc("stow", "p@1.1_1").ok("p-1.1_1: stowed")


def test_revision_is_an_upgrade_too(site: Site) -> None:
    shares(site, "p", "x", "one")
    site.build("p")
    shares(site, "p", "x", "two", revision=2)  # type: ignore[arg-type]
    site.build("p").ok("p-1.0_2: stowed")
    assert (site.masterdir / "usr/share/x").read_text() == "two\n"


def test_upgrade_that_conflicts_changes_nothing(site: Site) -> None:
    shares(site, "a", "taken")
    shares(site, "p", "x")
    site.build("a", "p")
    shares(site, "p", "x taken", version="1.1")
    links = {k: v for k, v in site.farm().items() if k.startswith("usr/")}
    site.xsrc("build", "p").ended(5, "/usr/share/taken", "p-1.1_1", "a-1.0_1")
    assert {k: v for k, v in site.farm().items() if k.startswith("usr/")} == links
    assert "p-1.0_1" in str((site.masterdir / "usr/share/x").readlink())


def test_rebuild_of_a_stowed_package_with_other_files(site_in_mode: Site) -> None:
    site = site_in_mode
    shares(site, "p", "stays goes", "one")
    site.build("p")
    shares(site, "p", "stays comes", "two")
    site.build("p").ok("p-1.0_1: built (changed: ")
    share = site.masterdir / "usr/share"
    assert sorted(os.listdir(share)) == ["comes", "stays"]
    assert (share / "stays").read_text() == "two\n"
    assert not site.work("p-1.0").exists()


def test_rebuild_that_conflicts_leaves_the_old_one(site: Site) -> None:
    shares(site, "a", "taken")
    shares(site, "p", "x", "one")
    site.build("a", "p")
    before = site.stowed_root()
    shares(site, "p", "x taken", "two")
    site.xsrc("build", "p").ended(5, "/usr/share/taken", "p-1.0_1", "a-1.0_1")
    assert site.stowed_root() == before
    assert (site.masterdir / "usr/share/x").read_text() == "one\n"
    shares(site, "p", "x", "two")
    site.build("p")
    assert (site.masterdir / "usr/share/x").read_text() == "two\n"


def test_dropped_run_time_need_and_new_one(site: Site) -> None:
    site.script("one")
    site.script("two")
    site.script("p", top='depends = ["one"]')
    site.build("p")
    site.script("p", top='depends = ["two"]', version="1.1")
    site.build("p").ok("two-1.0_1: stowed")
    assert (site.masterdir / "usr/share/two").is_symlink()


def test_unstow_leaves_what_the_user_put_there(site: Site) -> None:
    shares(site, "p", "d/x")
    site.build("p")
    mine = site.masterdir / "usr/share/d/mine"
    site.land.run("touch", mine).ok()
    site.xsrc("unstow", "p").ok()
    assert mine.exists() and not (mine.parent / "x").is_symlink()


def test_unstow_leaves_a_link_that_is_not_ours_any_more(site: Site) -> None:
    shares(site, "p", "x")
    site.build("p")
    link = site.masterdir / "usr/share/x"
    link.unlink()
    link.symlink_to("/elsewhere")
    site.xsrc("unstow", "p").ok("/usr/share/x: not as it was stowed, left alone")
    assert str(link.readlink()) == "/elsewhere"


def test_link_planted_where_a_directory_was_is_not_followed(site: Site) -> None:
    """A user's link out of the masterdir must not lead the farm there."""
    shares(site, "p", "d/x")
    site.build("--no-stow", "p")
    victim = site.land.folder("victim")
    (site.masterdir / "usr/share/d").symlink_to(victim)
    result = site.xsrc("stow", "p")
    assert result.code == 5, str(result)
    assert list(victim.iterdir()) == []
