"""A masterdir whose database is lost, and one that is not there: neither is taken for an empty one in silence."""

from __future__ import annotations

import json

import pytest

from tests.e2e.kit.site import Site

LOST = "farm.sqlite is lost"
REPAIR = "xsrc verify --repair"


def test_a_lost_database_is_reported_until_it_is_made_again(site: Site) -> None:
    """verify said that there is no masterdir, list printed nothing, build an empty database: all with exit code 0."""
    site.script("tool")
    site.build("tool")
    database = site.masterdir / "var/db/xsrc/farm.sqlite"
    database.unlink()
    assert "lost" in site.xsrc("verify").ended(1, LOST, REPAIR).out
    (row,) = json.loads(site.xsrc("verify", "--json").ended(1).out)
    assert row["trouble"] == "lost" and row["path"] == "/var/db/xsrc/farm.sqlite"
    for words in (("list",), ("history",), ("alternatives",), ("plan", "tool")):
        site.xsrc(*words).ok(LOST, REPAIR)
    site.xsrc("owner", "/usr/share/tool").ended(1, LOST, REPAIR)
    site.xsrc("files", "tool").ended(2, LOST, REPAIR)
    writers = (("stow", "tool"), ("unstow", "tool"), ("restow",), ("rollback",), ("gc",), ("build", "tool"))
    for words in (*writers, ("autoremove",), ("hold", "tool"), ("chroot", "true")):
        site.xsrc(*words).ended(4, LOST, f"hint: {REPAIR}")
    assert not database.exists()
    site.xsrc("verify", "--repair").ok("no problems")
    assert site.xsrc("list").ok().out.startswith("* tool-1.0_1")
    site.build("tool").ok("up to date and stowed")


@pytest.mark.parametrize("words", ["stow x", "unstow x", "restow", "rollback", "autoremove", "hold x", "remove x"])
def test_a_mistyped_masterdir_is_named_and_not_made(site: Site, words: str) -> None:
    """Each made a whole skeleton there, and then failed."""
    there = site.root / "nowhere"
    site.xsrc("-m", there, *words.split()).ended(2, f"there is no masterdir at {there}", "-m DIR names another")
    assert not there.exists()


@pytest.mark.parametrize("words", ["list", "history", "alternatives", "verify", "gc", "hold"])
def test_who_looks_into_no_masterdir_is_told_so(site: Site, words: str) -> None:
    there = site.root / "nowhere"
    site.xsrc("-m", there, *words.split()).ok(f"there is no masterdir at {there} yet")
    assert not there.exists()


def test_what_settings_say_of_nothing_is_an_error_at_its_line(site: Site) -> None:
    """Unknown options ended with 2 and named no file; options of unknown packages, and unknown flags, did nothing."""
    site.script("tool", tables='[options.fancy]\ndesc = "Fancy"\ndefault = false\n')
    file = site.settings('jobs = 2\n[options]\ntool = ["nosuch"]\n')
    site.xsrc("plan", "tool").ended(3, f"{file}:3:", "tool has no option 'nosuch': it has fancy")
    site.xsrc("plan", "-o", "nosuch", "tool").ended(3, f"{file}:3:")
    site.settings('[options]\ntoll = ["fancy"]\n')
    site.xsrc("list").ended(3, f"{file}:2:", "no template 'toll'", "did you mean tool?")
    site.settings('[flags]\nCFLAG = "-O2"\n')
    site.xsrc("list").ended(3, f"{file}:2:", "CFLAG", "did you mean CFLAGS")
    site.settings('[options]\ntool = ["~fancy"]\n')
    site.xsrc("plan", "-o", "nosuch", "tool").ended(2, "no option 'nosuch'")


def test_success_without_a_word_is_said(site: Site) -> None:
    site.script("tool")
    site.build("tool")
    site.xsrc("stow", "-n", "tool").ok("nothing to do")
    site.xsrc("clean").ok("nothing to do")
    site.xsrc("deps", "tool").ok("tool: no needs")
    site.xsrc("deps", "--reverse", "tool").ok("nothing needs tool")
    assert site.xsrc("chroot", "true").ok().err == ""
    outside = site.land.folder("outside")
    site.xsrc("list", "-m", site.masterdir, cwd=outside).ok(f"using the tree {site.land.clone}")
    site.xsrc("build", "--base", "nosuch", "tool").ended(2, "no base nosuch", "hint: xsrc bootstrap")
    site.xsrc("chroot", "true", mode="odd").ended(2, "XSRC_ISOLATION: want caps or userns")
    site.xsrc("bootstrap", "--remove", "host").ended(2, "cannot be removed", "hint: xsrc bootstrap --list")
    site.xsrc("bootstrap", "--remove", "nosuch").ended(2, "no base nosuch", "hint: xsrc bootstrap --list")
    site.xsrc("bootstrap", "--from", "debian", "tool").ended(2, "only with --from source")
