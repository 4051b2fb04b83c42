"""Every change of the farm is a generation, and each can be returned to."""

from __future__ import annotations

import shutil

from tests.e2e.kit import stowed
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import history, package, scan, shell


def conf(site: Site, version: str) -> None:
    """p: a linked file, a hard-linked one, a conf file, a directory of its version."""
    files = {
        "usr/share/p/same": "same",
        f"usr/share/p/v{version}/x": version,
        "usr/libexec/p": f"#!/bin/sh\necho {version}",
        "etc/p.conf": f"v{version}",
    }
    package(site, "p", files, version=version, tables='[stow]\nhardlink = ["usr/libexec/p"]\n')


class Past:
    """What the root and the records were after each generation."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.roots: list[dict[str, str]] = []
        self.records: list[list[tuple[str, str, int]]] = []
        self.edited = 0
        self.note()

    def note(self) -> None:
        self.roots.append(scan(self.site))
        self.records.append(stowed.stowed(self.site))

    def edit(self) -> None:
        """Change the conf file by hand; what was before is from now on compared without it."""
        (self.site.masterdir / "etc/p.conf").write_text("mine\n")
        self.edited = len(self.roots)

    def hold(self, number: int) -> None:
        """Assert that everything is as it was after a generation, and what the user wrote as he wrote it."""
        hidden = {"etc/p.conf", "etc/p.conf.new"} if number < self.edited else set()
        now, then = scan(self.site), self.roots[number]
        assert {k: v for k, v in now.items() if k not in hidden} == {k: v for k, v in then.items() if k not in hidden}
        assert stowed.stowed(self.site) == self.records[number]
        if self.edited:
            assert (self.site.masterdir / "etc/p.conf").read_text() == "mine\n"


def test_ten_generations_one_by_one_and_in_one_jump(site: Site) -> None:
    site.xsrc("chroot", "true").ok()
    past = Past(site)

    def done(*words: str) -> None:
        site.xsrc(*words).ok()
        past.note()

    conf(site, "1.0")
    done("build", "p")
    conf(site, "1.1")
    done("build", "p")
    past.edit()
    conf(site, "1.2")
    done("build", "p")
    accounts = 'system_accounts = ["_ash"]\nshells = ["/usr/bin/ash"]'
    shell(site, "ash", 10, top=accounts)
    done("build", "ash")
    shell(site, "bash", 20)
    done("build", "bash")
    done("alternatives", "sh=ash")
    shell(site, "ash", 10, "ash, made anew", top=accounts, revision=2)
    done("build", "ash")
    done("unstow", "bash")
    package(site, "r", {"usr/share/p/same": "same", "etc/r.conf": "r"}, tables='[stow]\ncopy = ["usr/share/p/*"]\n')
    done("build", "r")
    done("stow", "p@1.0", "bash")
    done("alternatives", "sh=")

    rows = history(site)
    assert [row["number"] for row in rows] == list(range(1, 12))
    assert [(row["why"], row["changed"]) for row in rows] == [
        ("stow p-1.0_1", "+p-1.0_1"),
        ("stow p-1.1_1", "p-1.0_1 -> 1.1_1"),
        ("stow p-1.2_1", "p-1.1_1 -> 1.2_1"),
        ("stow ash-1.0_1", "+ash-1.0_1"),
        ("stow bash-1.0_1", "+bash-1.0_1"),
        ("alternatives sh=ash", "sh=ash"),
        ("stow ash-1.0_2", "ash-1.0_1 -> 1.0_2"),
        ("unstow bash", "-bash-1.0_1"),
        ("stow r-1.0_1", "+r-1.0_1"),
        ("stow p-1.0_1 bash-1.0_1", "+bash-1.0_1, p-1.2_1 -> 1.0_1"),
        ("alternatives sh=", "sh=?"),
    ]
    last = len(past.roots) - 1
    for number in range(last - 1, -1, -1):
        site.xsrc("rollback", str(number)).ok(f"generation {number} is stowed again, as generation {2 * last - number}")
        past.hold(number)
    site.xsrc("rollback", str(last)).ok()
    past.hold(last)
    site.xsrc("rollback", "0").ok()
    past.hold(0)
    site.xsrc("rollback").ok(f"generation {2 * last + 1} is stowed again")
    past.hold(last)
    site.xsrc("verify").ok("no problems")


def test_a_rebuild_can_be_taken_back(site: Site) -> None:
    """Other contents of the same version, hard-linked ones and those of a conf file that nobody changed too."""
    hard = '[stow]\nhardlink = ["usr/libexec/*"]\n'
    past: Past | None = None
    for text in ("one", "two"):
        package(site, "p", {f"usr/share/{text}": text, "usr/libexec/p": text, "etc/p.conf": text}, tables=hard)
        site.build("p")
        past = past or Past(site)
        past.note()
    assert past is not None
    assert [row["changed"] for row in history(site)] == ["+p-1.0_1", "p-1.0_1 built again"]
    site.xsrc("rollback", "1").ok()
    past.hold(1)
    assert (site.destdir("p-1.0_1") / "usr/share/one").read_text() == "one\n"
    site.xsrc("rollback", "2").ok()
    past.hold(2)
    site.xsrc("verify").ok("no problems")


def test_history_and_a_plan_of_going_back(site: Site) -> None:
    package(site, "p", {"usr/bin/p": "#!/bin/sh", "usr/share/p/x": "one", "etc/p": "c"}, top='shells = ["/usr/bin/p"]')
    package(site, "q", {"usr/share/q": "q"}, tables='[stow]\nhardlink = ["usr/share/q"]\n')
    assert site.xsrc("history").ok().out == "" and site.xsrc("history", "--json").ok().out == "[]\n"
    site.xsrc("rollback").ended(2, "there is no masterdir at")
    site.build("--no-stow", "p", "q")
    site.xsrc("rollback").ended(2, "nothing was ever stowed here")
    before = site.farm()
    out = site.xsrc("stow", "-n", "p", "q").ok().out
    assert out.splitlines() == [
        "+ p-1.0_1",
        "+ q-1.0_1",
        "  + etc/p (copy)",
        "  + usr/bin/p -> ../../pkg-destdir/p-1.0_1/usr/bin/p",
        "  + usr/share/p/",
        "  + usr/share/p/x -> ../../../pkg-destdir/p-1.0_1/usr/share/p/x",
        "  + usr/share/q (hard)",
        "  + etc/shells: /usr/bin/p",
    ]
    assert site.farm() == before
    site.xsrc("stow", "p").ok()
    site.xsrc("stow", "q").ok()
    before = site.farm()
    assert site.xsrc("rollback", "-n", "0").ok().out.splitlines() == [
        "- p-1.0_1",
        "- q-1.0_1",
        "  - usr/share/q (hard)",
        "  - usr/share/p/x",
        "  - usr/share/p/",
        "  - usr/bin/p",
        "  - etc/p (copy)",
        "  - etc/shells: /usr/bin/p",
    ]
    assert site.xsrc("rollback", "-n").ok().out.splitlines() == ["- q-1.0_1", "  - usr/share/q (hard)"]
    assert site.farm() == before
    first, second = site.xsrc("history").ok().out.splitlines()
    assert first.startswith("     1  20") and first.endswith("Z  stow p-1.0_1: +p-1.0_1"), first
    assert second.startswith("*    2  20") and second.endswith("  stow q-1.0_1: +q-1.0_1"), second
    assert history(site)[1]["packages"] == {"p": "p-1.0_1", "q": "q-1.0_1"}
    site.xsrc("rollback", "2").ok("generation 2 is what is stowed now")
    site.xsrc("rollback", "3").ended(2, "there is no generation 3", "hint: xsrc history")
    site.xsrc("rollback", "x").ended(2, "want one number")
    assert site.farm() == before


def test_a_generation_whose_builds_are_gone(site: Site) -> None:
    site.script("p")
    site.build("p")
    site.script("p", version="1.1")
    site.build("p")
    site.xsrc("unstow", "p").ok()
    kept = site.masterdir / "var/db/xsrc/generations/1.toml"
    text = kept.read_bytes()
    assert site.xsrc("gc", "-n", "--keep", "1", "--all").ok().out.splitlines() == [
        "- p-1.0_1",
        "- p-1.1_1",
        "- generation 1",
        "- generation 2",
    ]
    site.xsrc("gc", "--keep", "1", "--all").ok("2 builds and 2 generations removed")
    before = site.farm()
    site.xsrc("rollback", "1").ended(2, "there is no generation 1")
    kept.write_bytes(text)
    site.land.own(kept)
    result = site.xsrc("rollback", "1").ended(2, "generation 1 cannot be returned to: these builds of it are gone")
    assert "  p-1.0_1" in result.lines and "what gc removed can only be built again" in result.err
    assert site.farm() == before
    site.xsrc("rollback", "0").ok()


def test_a_rollback_that_cannot_be_done_changes_nothing(site: Site) -> None:
    """A stranger's file in the way, and a build that somebody removed by hand."""
    site.script("p")
    site.script("q")
    site.build("p", "q")
    site.xsrc("unstow", "p").ok()
    way = site.masterdir / "usr/share/p"
    way.write_text("mine\n")
    before = site.farm()
    site.xsrc("rollback", "1").ended(5, "/usr/share/p", "a file that no package owns", "nothing was changed")
    assert site.farm() == before
    way.unlink()
    site.xsrc("rollback", "1").ok()
    assert way.is_symlink()


def test_a_damaged_record_is_left_out(site: Site) -> None:
    site.script("p")
    site.script("q")
    site.build("p")
    site.build("q")
    site.xsrc("unstow", "q").ok()
    records = site.masterdir / "var/db/xsrc/generations"
    (records / "2.toml").write_text("garbage")
    assert [row["number"] for row in history(site)] == [1, 3]
    assert history(site)[1]["changed"] == "1 package", "what it changed is not known"
    site.xsrc("rollback", "2").ended(2, "there is no generation 2")
    site.xsrc("rollback", "1").ok("is what is stowed now")
    shutil.rmtree(records)
    assert history(site) == []
    site.xsrc("stow", "q").ok()
    assert [row["number"] for row in history(site)] == [4]
