"""`xsrc verify` finds and names whatever is wrong with a root, and mends what can be mended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.kit import look
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import history, package, put, scan, stowed

TOP = 'system_accounts = ["_p"]\nshells = ["/usr/bin/p"]'
STOW = '[stow]\nhardlink = ["usr/libexec/p"]\n'
FILES = {
    "usr/bin/p": "#!/bin/sh",
    "usr/share/p/a": "a",
    "usr/share/p/b": "b",
    "usr/share/p/l": "-> a",
    "usr/libexec/p": "hard",
    "etc/p.conf": "conf",
}


def troubles(site: Site, *words: str, code: int = 1) -> list[str]:
    """What verify finds, a line each, blanks made one."""
    return [" ".join(line.split()) for line in site.xsrc("verify", *words).ended(code).out.splitlines()]


def sh(site: Site, script: str) -> None:
    """Something that P does in the masterdir."""
    site.land.run("sh", "-ec", script, cwd=site.masterdir).ok()


def test_each_trouble_is_found_named_and_mended(site: Site) -> None:
    site.xsrc("verify").ok("there is no masterdir")
    package(site, "p", FILES, top=TOP, tables=STOW)
    site.build("p")
    assert troubles(site, code=0) == []
    clean = scan(site)
    sh(
        site,
        """
        rm usr/share/p/a; ln -s /nowhere usr/share/p/a
        rm usr/share/p/b
        ln -sfn b usr/share/p/l
        touch usr/share/p/mine; mkdir opt/mine
        rm usr/libexec/p
        sed -i /_p/d etc/passwd; sed -i '/.usr.bin.p/d' etc/shells
        """,
    )
    put(site, "etc/p.conf", "mine")
    found = troubles(site)
    passwd, *rest = [line for line in found if line.startswith("lines")]
    assert passwd.startswith("lines /etc/passwd: accounts: _p:x:") and rest == [
        "lines /etc/shells: accounts: /usr/bin/p"
    ]
    assert [line for line in found if not line.startswith("lines")] == [
        "changed /etc/p.conf: p-1.0_1: by its user",
        "alien /opt/mine: dir",
        "missing /usr/libexec/p: p-1.0_1",
        "drift /usr/share/p/a: p-1.0_1: is a link to /nowhere, is to be a link",
        "missing /usr/share/p/b: p-1.0_1",
        "drift /usr/share/p/l: p-1.0_1: is a link to b, is to be a link",
        "alien /usr/share/p/mine: file",
    ]
    rows = json.loads(site.xsrc("verify", "--json", "--quick").ended(1, "6 problems to repair, 3 notes").out)
    assert {"path": "/opt/mine", "trouble": "alien", "owner": "", "text": "dir"} in rows
    assert len(rows) == len(found)
    site.xsrc("verify", "--repair").ok("no problems, 3 notes")
    now = scan(site)
    for path in ("opt/mine", "usr/share/p/mine"):
        del now[path]
    assert {k: v for k, v in now.items() if k != "etc/p.conf"} == {k: v for k, v in clean.items() if k != "etc/p.conf"}
    assert (site.masterdir / "etc/p.conf").read_text() == "mine\n"
    assert troubles(site, code=0) == [
        "changed /etc/p.conf: p-1.0_1: by its user",
        "alien /opt/mine: dir",
        "alien /usr/share/p/mine: file",
    ]


def test_a_file_in_the_way_is_nobodys_to_replace(site: Site) -> None:
    package(site, "p", FILES, tables=STOW)
    site.build("p")
    sh(site, "rm usr/share/p/a; echo mine >usr/share/p/a; rm usr/share/p/b")
    before = scan(site)
    assert "drift /usr/share/p/a: p-1.0_1: is a file, is to be a link" in troubles(site)
    site.xsrc("verify", "--repair").ended(5, "/usr/share/p/a", "link of p-1.0_1 was replaced by a file")
    assert scan(site) == before, "nothing was mended, for not all could be"


def test_a_destdir_that_was_written_to(site: Site) -> None:
    """Only another build mends it; --quick does not read its files."""
    package(site, "p", FILES, tables=STOW)
    site.build("p")
    destdir = site.destdir("p-1.0_1")
    sh(site, f"chmod u+w {destdir}/usr/share/p/a; echo written >usr/share/p/a; chmod u-w {destdir}/usr/share/p/a")
    where = "/pkg-destdir/p-1.0_1"
    assert troubles(site, "--quick", code=0) == []
    assert troubles(site) == [f"written {where}/usr/share/p/a: p-1.0_1: its content was changed"]
    sh(site, f"cd {destdir}; chmod -R u+w usr; rm usr/share/p/b; echo x >usr/share/p/x; chmod -R a-w usr")
    sh(site, f"chmod u+w {destdir}/usr/bin/p")
    assert troubles(site) == [
        "dangling /usr/share/p/b: p-1.0_1: ../../../pkg-destdir/p-1.0_1/usr/share/p/b",
        f"mode {where}/usr/bin/p: p-1.0_1: is 0755, was sealed as 0555",
        f"written {where}/usr/share/p/a: p-1.0_1: its content was changed",
        f"gone {where}/usr/share/p/b: p-1.0_1",
        f"extra {where}/usr/share/p/x: p-1.0_1",
    ]
    site.xsrc("verify", "--repair").ended(1, "hint: only another build mends a destdir: xsrc build -f p")
    sh(site, f"chmod -R u+w {destdir}; rm -r {destdir}")
    assert f"gone {where}: p-1.0_1: all of it" in troubles(site)
    site.build("p")
    site.xsrc("verify", "--repair").ok("no problems")


def test_modes_of_a_sealed_destdir_are_mended(site: Site) -> None:
    """The repair mended no mode, and its own hint was to repair again."""
    package(site, "p", FILES, tables=STOW)
    site.build("p")
    destdir = site.destdir("p-1.0_1")
    sh(site, f"cd {destdir}/usr; chmod u+w share/p/a share/p; chmod 0 bin/p; chmod 0 share; chmod 777 libexec")
    site.xsrc("verify").ended(1)
    site.xsrc("verify", "--repair").ok("5 paths mended", "no problems")
    assert troubles(site, code=0) == []


def test_another_build_mends_a_destdir(site: Site) -> None:
    """As the hint says."""
    package(site, "p", FILES, tables=STOW)
    site.build("p")
    destdir = site.destdir("p-1.0_1")
    sh(site, f"chmod u+w {destdir}/usr/share/p/a; echo written >usr/share/p/a; chmod u-w {destdir}/usr/share/p/a")
    site.build("-f", "p")
    assert troubles(site, code=0) == []


def test_a_hard_link_that_became_another_file_is_linked_again(site: Site) -> None:
    package(site, "p", FILES, tables=STOW)
    site.build("p")
    sh(site, "cp usr/libexec/p x; mv -f x usr/libexec/p")
    assert troubles(site) == ["drift /usr/libexec/p: p-1.0_1: is another file than its destdir's"]
    site.xsrc("verify", "--repair").ok("1 path mended", "no problems")
    assert (site.masterdir / "usr/libexec/p").samefile(site.destdir("p-1.0_1") / "usr/libexec/p")


def test_a_directory_that_the_farm_cannot_get_into(site: Site) -> None:
    """It is opened first, and then what is missing in it is made again."""
    package(site, "p", FILES)
    site.build("p")
    want = scan(site)
    sh(site, "rm usr/share/p/a; chmod 500 usr/share/p; chmod 600 etc/p.conf")
    assert troubles(site) == [
        "changed /etc/p.conf: p-1.0_1: its mode, to 0600",
        "mode /usr/share/p: p-1.0_1: is 0500: the farm cannot get in",
        "missing /usr/share/p/a: p-1.0_1",
    ]
    site.xsrc("verify", "--repair").ok("no problems, 1 note")
    now = scan(site)
    assert now.pop("etc/p.conf").startswith("file 0600"), "the user's own"
    del want["etc/p.conf"]
    assert now == want


def test_files_in_places_of_the_user(site: Site) -> None:
    """What a package has in /root, /boot or /home is looked for there; what else stands there is the user's."""
    why = '[lint]\nignore = { misplaced = "a reason" }\n'
    package(site, "p", {"root/p": "p", "boot/p": "p", "home/p/x": "p", "opt/p": "p", "var/lib/p": "p"}, tables=why)
    site.build("p")
    put(site, "root/mine", "mine")
    put(site, "var/mine", "mine")
    assert troubles(site, code=0) == []
    sh(site, "rm root/p var/lib/p")
    assert troubles(site) == ["missing /root/p: p-1.0_1", "missing /var/lib/p: p-1.0_1"]
    site.xsrc("verify", "--repair").ok("no problems")


def test_who_only_looks_makes_no_layer_of_the_machine(site: Site) -> None:
    """A layer is thousands of devices; whoever looks may have no right to write."""
    package(site, "p", {"opt/p": "p"})
    site.build("p")
    sh(site, "rm -r pkg-base")
    site.xsrc("verify").ok("no problems")
    assert not (site.masterdir / "pkg-base").exists()


# ---- the database, lost or damaged

LOST = {
    "deleted": None,
    "empty": b"",
    "garbage": b"no database\n" * 400,
}


@pytest.mark.parametrize("records", [True, False], ids=["with generations", "without"])
def test_the_database_is_made_again(site: Site, records: bool) -> None:
    package(site, "p", FILES, tables=STOW)
    site.build("p")
    package(site, "p", {**FILES, "usr/share/p/c": "c"}, tables=STOW, version="1.1")
    package(site, "dep", {"usr/share/dep": "d"})
    package(site, "q", {"usr/share/q": "q"}, top='depends = ["dep"]')
    site.build("q", "p")
    site.script("not")
    site.build("--no-stow", "not")
    site.xsrc("stow", "p@1.0").ok()
    generations = site.masterdir / "var/db/xsrc/generations"
    if not records:
        shutil.rmtree(generations)
    want = (scan(site), [row[:2] for row in stowed(site)], site.xsrc("list").ok().out, history(site))
    marks = stowed(site)
    database = site.masterdir / "var/db/xsrc/farm.sqlite"
    for data in LOST.values():
        if data is None:
            database.unlink()
        else:
            database.write_bytes(data)
        site.xsrc("verify", "--repair").ok("making the database anew", "5 builds found, 3 packages stowed")
        known = history(site)
        assert [row for row in known if row["why"] != "verify --repair"] == want[3]
        assert (scan(site), [row[:2] for row in stowed(site)], site.xsrc("list").ok().out) == want[:3]
        assert "/usr/share/p/a: p-1.0_1" in site.xsrc("owner", "/usr/share/p/a").ok().out.splitlines()
        if records:
            assert stowed(site) == marks, "who was asked for by name"
    if records:
        site.xsrc("rollback", "1").ok()
        assert [row[0] for row in stowed(site)] == ["p-1.0_1"]


def test_what_a_user_changed_is_known_again_without_the_database(site: Site) -> None:
    """And what was set beside it: the next upgrade replaces that, instead of finding a stranger's file in its way."""
    for version, text in (("1.0", "one"), ("1.1", "two")):
        package(site, "p", {"etc/p": text, "usr/share/p": "p"}, version=version)
        site.build("p")
        if text == "one":
            put(site, "etc/p", "mine")
    (site.masterdir / "var/db/xsrc/farm.sqlite").unlink()
    result = site.xsrc("verify", "--repair").ok("no problems, 1 note")
    assert result.out == "changed  /etc/p: p-1.1_1: by its user\n"
    package(site, "p", {"etc/p": "three", "usr/share/p": "p"}, version="1.2")
    site.build("p")
    etc = site.masterdir / "etc"
    assert ((etc / "p").read_text(), (etc / "p.new").read_text()) == ("mine\n", "three\n")
    site.xsrc("unstow", "p").ok()
    assert (etc / "p").read_text() == "mine\n" and not (etc / "p.new").exists()


def test_a_masterdir_that_was_moved_or_copied(site: Site) -> None:
    """Links are relative: it reads the same wherever it lies."""
    package(site, "p", FILES, top=TOP, tables=STOW)
    site.build("p")
    want = scan(site)
    moved = site.root / "elsewhere/deep"
    site.land.run("mkdir", site.root / "elsewhere").ok()
    site.land.run("mv", site.masterdir, moved).ok()
    assert site.xsrc("-m", moved, "verify").ok("no problems").out == ""
    copied = Path(f"{moved}-copy")
    site.land.run("cp", "-a", moved, copied).ok()
    assert site.xsrc("-m", copied, "verify").ok("no problems").out == ""
    skip = ("pkg-", "var/db/")
    assert look.tree(copied, lambda path: path.startswith(skip)) == want
    site.xsrc("-m", copied, "unstow", "p").ok()
    assert not (copied / "usr/share/p").exists() and (moved / "usr/share/p/a").read_text() == "a\n"
