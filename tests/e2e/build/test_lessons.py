"""What went wrong in the ancestors of this farm, each once: it does not go wrong here."""

from __future__ import annotations

import signal

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import package, put, scan


def sh(site: Site, script: str) -> people.Result:
    """Something that P does in the masterdir."""
    return site.land.run("sh", "-c", script, cwd=site.masterdir)


def test_a_stow_that_is_killed_loses_nothing_of_the_other_package(site: Site) -> None:
    """GNU stow, issue 139: an interrupted unfold had removed the link that the other package's files were behind."""
    package(site, "a", {f"usr/share/d/{n}": "a" for n in range(9)})
    site.script("b", "mkdir -p $DESTDIR/usr/share/d; cd $DESTDIR/usr/share/d; for i in $(seq 4000); do : >b$i; done\n")
    site.build("a")
    site.build("--no-stow", "b")
    before = scan(site)
    folder = site.masterdir / "usr/share/d"
    with people.ended(site.start("stow", "b")) as running:
        look.until(lambda: len(list(folder.iterdir())) > 20 or running.process.poll() is not None, "it has begun")
        running.signal(signal.SIGKILL)
        running.wait()
    now = scan(site)
    assert {path: now[path] for path in before} == before
    site.xsrc("unstow", "a").ok()
    left = sorted(path.name for path in folder.iterdir())
    assert len(left) == 4000 and left[0] == "b1", "what was begun was finished by the next command"
    site.xsrc("unstow", "b").ok()
    assert not folder.exists()


def test_an_absolute_link_that_a_package_ships(site_in_mode: Site) -> None:
    """GNU stow, issues 51, 76 and 130: such a package is refused. It is right inside the root, and made verbatim."""
    site = site_in_mode
    package(
        site, "a", {"usr/share/a/real": "real", "usr/share/a/abs": "-> /usr/share/a/real", "usr/bin/a": "-> /bin/sh"}
    )
    site.build("a").ok("a-1.0_1: stowed")
    assert site.xsrc("chroot", "cat", "/usr/share/a/abs").ok().out == "real\n"
    assert str((site.masterdir / "usr/share/a/abs").readlink()) == "/usr/share/a/real"
    site.xsrc("verify").ok("no problems")
    site.xsrc("unstow", "a").ok()
    assert not (site.masterdir / "usr/share/a").exists()


def test_a_root_that_is_reached_through_a_link(site: Site) -> None:
    """GNU stow, issues 11 and 83: with a stow directory behind a link it did not know its own links again."""
    package(site, "a", {"usr/share/a/x": "x"})
    real = site.land.folder("real")
    site.land.run("ln", "-s", real, site.root / "way").ok()
    site.build("-m", "way/masterdir", "a")
    link = real / "masterdir/usr/share/a/x"
    assert link.read_text() == "x\n"
    site.xsrc("-m", real / "masterdir", "stow", "a").ok("already stowed")
    site.xsrc("-m", real / "masterdir", "verify").ok("no problems")
    site.xsrc("-m", "way/masterdir", "unstow", "a").ok()
    assert not link.parent.exists()


def test_building_again_leaves_the_admins_etc(site: Site) -> None:
    """Sabotage, commit 4e860ca8: a rebuild had removed the package's directory in /etc and all that was in it."""
    for text in ("one", "two"):
        package(site, "a", {"etc/a/conf": text, "etc/a/other": text, "usr/share/a": text})
        site.build("a")
        if text == "one":
            put(site, "etc/a/conf", "admin")
            put(site, "etc/a/mine", "mine")
    etc = site.masterdir / "etc/a"
    assert [(etc / name).read_text() for name in ("conf", "other", "mine")] == ["admin\n", "two\n", "mine\n"]
    site.build("-f", "a")
    site.xsrc("unstow", "a").ok()
    assert sorted(path.name for path in etc.iterdir()) == ["conf", "mine"]


def test_a_tool_that_runs_while_it_is_replaced(site: Site) -> None:
    """Sabotage, issue 82 and commit 22d0cd2c: it unlinked the tools that it was about to link with."""
    for version in ("1.0", "1.1"):
        script = f"#!/bin/sh\\n[ $# = 0 ] || until [ -e go ]; do sleep 0.05; done\\necho {version}"
        table = '[stow]\nhardlink = ["usr/bin/hard"]\n'
        package(site, "tool", {"usr/bin/tool": script, "usr/bin/hard": script}, version=version, tables=table)
        site.build("--no-stow", "tool")
    site.xsrc("stow", "tool@1.0").ok()
    loop = "until [ -e done ]; do usr/bin/tool || echo missing; usr/bin/hard || echo missing; done"
    waiting = people.start(site.land.user, ("usr/bin/tool", "wait"), cwd=site.masterdir)
    calling = people.start(site.land.user, ("sh", "-c", loop), cwd=site.masterdir)
    with people.ended(waiting), people.ended(calling):
        for version in ("1.1", "1.0", "1.1"):
            site.xsrc("stow", f"tool@{version}").ok()
        sh(site, "touch go done").ok()
        assert waiting.wait().ok().out == "1.0\n", "what runs goes on as what it was"
        result = calling.wait().ok()
    assert set(result.out.split()) == {"1.0", "1.1"} and result.err == "", "it is there at every moment"


def test_a_copy_over_a_link_does_not_write_into_the_package(site: Site) -> None:
    """Sabotage, issue 116 and commit e538f0e3: `cp` over one applet's link overwrote busybox, and so all of them."""
    table = '[stow]\nhardlink = ["usr/bin/hard"]\n'
    package(site, "box", {"usr/bin/box": "box", "usr/bin/hard": "hard", "usr/bin/ls": "-> box"}, tables=table)
    site.build("box")
    for name in ("box", "hard", "ls"):
        assert sh(site, f"echo bad >bad; cp bad usr/bin/{name}").code != 0
        assert sh(site, f"echo bad >>usr/bin/{name}").code != 0
    assert (site.masterdir / "usr/bin/ls").read_text() == "box\n"
    assert (site.destdir("box-1.0_1") / "usr/bin/hard").read_text() == "hard\n"
    site.land.run("rm", site.masterdir / "bad").ok()
    site.xsrc("verify").ok("no problems")


def test_a_link_to_a_directory_is_replaced_and_nothing_made_inside(site: Site) -> None:
    """Sabotage, commit 8dea77da: `ln -sf` onto a link to a directory makes the new link in that directory."""
    for version in ("1", "2"):
        files = {f"usr/share/d{version}/x": version, "usr/share/current": f"-> d{version}"}
        package(site, f"d{version}", {f"usr/share/d{version}/x": version})
        package(site, "current", {"usr/share/current": files["usr/share/current"]}, version=version)
        site.build("--no-stow", "current", f"d{version}")
    site.xsrc("stow", "d1", "d2", "current@1").ok()
    site.xsrc("stow", "current@2").ok()
    assert str((site.masterdir / "usr/share/current").readlink()) == "d2"
    for version in ("1", "2"):
        assert [path.name for path in (site.masterdir / f"usr/share/d{version}").iterdir()] == ["x"]


def test_a_directory_of_packages_that_was_closed_is_opened(site: Site) -> None:
    """Homebrew, keg.rb: a link that fails takes back those before it. Here the plan sees that it would fail."""
    package(site, "a", {"usr/bin/a": "a", "etc/a": "a"}, top='shells = ["/usr/bin/a"]')
    package(site, "b", {"usr/bin/b": "b", "usr/share/b/x": "b", "usr/share/closed/b": "b"})
    package(site, "c", {"usr/share/closed/c": "c"})
    site.build("c")
    site.build("--no-stow", "a", "b")
    closed = site.masterdir / "usr/share/closed"
    closed.chmod(0o555)
    site.xsrc("stow", "a", "b").ok("/usr/share/closed: its mode was 0555; packages wish 0755")
    assert (closed / "b").is_symlink()
    site.xsrc("verify").ok("no problems")


@pytest.mark.parametrize("first", ["file", "folder"])
def test_a_file_becomes_a_directory(site: Site, first: str) -> None:
    """xbps, issue 14: it failed half way. Here it is one change, which can be taken back."""
    forms = {"file": {"usr/share/p": "p", "etc/p": "p"}, "folder": {"usr/share/p/x": "p", "etc/p/x": "p"}}
    package(site, "p", forms.pop(first))
    site.build("p")
    package(site, "p", next(iter(forms.values())), version="1.1")
    before = scan(site)
    site.build("p")
    assert (site.masterdir / "usr/share/p").is_dir() == (first == "file")
    site.xsrc("verify").ok("no problems")
    site.xsrc("rollback").ok()
    assert scan(site) == before
    site.xsrc("verify").ok("no problems")


def test_a_conf_file_that_its_user_made_a_link_is_kept(site: Site) -> None:
    """xbps, issue 276: an upgrade overwrote a conf file that was a link."""
    package(site, "p", {"etc/p": "one"})
    site.build("p")
    sh(site, "mkdir etc/mine; echo mine >etc/mine/p; ln -sf mine/p etc/p").ok()
    package(site, "p", {"etc/p": "two"}, version="1.1")
    site.build("p").ok("/etc/p: changed by you, kept")
    etc = site.masterdir / "etc"
    assert (str((etc / "p").readlink()), (etc / "mine/p").read_text(), (etc / "p.new").read_text()) == (
        "mine/p",
        "mine\n",
        "two\n",
    )
    site.xsrc("unstow", "p").ok()
    assert (etc / "p").is_symlink() and not (etc / "p.new").exists()


@pytest.mark.parametrize("name", ["bin", "sbin", "lib", "lib64", "usr", "etc"])
def test_links_and_directories_of_the_root_are_nobodys_to_replace(site: Site, name: str) -> None:
    """xbps, issues 287 and 513: without a full check for conflicts a package replaced /bin and the like by its own."""
    package(site, "p", {name: "-> /elsewhere", "usr-of-p/x": "x"})
    site.xsrc("chroot", "true").ok()
    before = scan(site)
    assert site.xsrc("build", "p").code in (1, 5)
    assert site.xsrc("stow", "p").code in (2, 5)
    assert scan(site) == before


def test_no_conflict_is_skipped_in_silence(site: Site) -> None:
    """xbps-src of 2010: stow left out what another package had, and said the package was stowed."""
    package(site, "a", {"usr/share/x": "a"})
    package(site, "b", {"usr/share/x": "b", "usr/share/y": "b"})
    site.build("a")
    site.xsrc("build", "b").ended(5, "/usr/share/x: b-1.0_1 and a-1.0_1: different contents")
    assert not (site.masterdir / "usr/share/y").is_symlink()
    assert "* b-1.0_1" not in site.xsrc("list").ok().out
