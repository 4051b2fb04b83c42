"""Who gives what several packages could: alternatives, virtual packages, versions side by side."""

from __future__ import annotations

import json

from tests.e2e.kit import look, people
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import history, offer, package, put, scan, shell


def sh(site: Site) -> str:
    """What /usr/bin/sh leads to; "" where there is none."""
    link = site.masterdir / "usr/bin/sh"
    return str(link.readlink()) if link.is_symlink() else ""


def test_who_gives_sh(site: Site) -> None:
    """The highest priority, or who was chosen; the others when that one goes."""
    shell(site, "ash", 10)
    shell(site, "bash", 20)
    shell(site, "dash", 15)
    site.build("-j2", "--no-stow", "ash", "bash", "dash")
    site.xsrc("stow", "ash", "bash", "dash").ok()
    assert sh(site) == "bash"
    assert site.land.run("/bin/sh", site.masterdir / "usr/bin/sh").ok().out == "bash\n"
    assert site.xsrc("alternatives").ok().out == "* sh  bash\n  sh  dash\n  sh  ash\n"
    before = site.farm()
    assert site.xsrc("alternatives", "-n", "sh=ash").ok().out == "  ~ usr/bin/sh -> ash\n"
    site.xsrc("alternatives", "sh=zsh").ended(2, "zsh does not offer sh", "bash, dash, ash")
    site.xsrc("alternatives", "vi=ash").ended(2, "no stowed package offers 'vi'")
    site.xsrc("alternatives", "sh", "vi=ash").ended(2, "either groups to print or GROUP=NAME")
    assert site.farm() == before
    assert site.xsrc("alternatives", "sh=ash").ok().out == "  sh  bash\n  sh  dash\n* sh  ash (chosen)\n"
    assert sh(site) == "ash"
    assert json.loads(site.xsrc("alternatives", "--json", "sh").ok().out) == [
        {"group": "sh", "name": "bash", "priority": 20, "used": False, "chosen": False},
        {"group": "sh", "name": "dash", "priority": 15, "used": False, "chosen": False},
        {"group": "sh", "name": "ash", "priority": 10, "used": True, "chosen": True},
    ]
    site.xsrc("unstow", "ash").ok()
    assert sh(site) == "bash"
    site.xsrc("stow", "ash").ok()
    assert sh(site) == "ash", "the choice outlives who was chosen"
    site.xsrc("alternatives", "sh=").ok()
    assert sh(site) == "bash"
    site.xsrc("unstow", "bash").ok()
    assert sh(site) == "dash"
    assert site.xsrc("owner", "/usr/bin/sh").ok().out.startswith("/usr/bin/sh: dash-1.0_1")
    site.xsrc("unstow", "ash", "dash").ok()
    assert sh(site) == ""
    assert site.xsrc("alternatives").ok().out == ""
    assert site.xsrc("alternatives", "--json").ok().out == "[]\n"


def test_a_link_meets_a_file(site: Site) -> None:
    shell(site, "ash", 10)
    package(site, "busybox", {"usr/bin/sh": "busybox"})
    site.build("--no-stow", "ash", "busybox")
    site.xsrc("stow", "ash").ok()
    before = scan(site)
    site.xsrc("stow", "busybox").ended(5, "/usr/bin/sh: busybox-1.0_1 and ash-1.0_1", "nothing was changed")
    assert scan(site) == before
    site.xsrc("unstow", "ash").ok()
    site.xsrc("stow", "busybox").ok()
    site.xsrc("stow", "ash").ended(5, "/usr/bin/sh: ash-1.0_1 and busybox-1.0_1")
    site.xsrc("unstow", "busybox").ok()
    put(site, "usr/bin/sh", "mine")
    site.xsrc("stow", "ash").ended(5, "/usr/bin/sh", "a file that no package owns", "--adopt")
    site.xsrc("stow", "--adopt", "ash").ok("/usr/bin/sh: adopted; what stood there is usr/bin/sh.orig")
    assert sh(site) == "ash"
    site.xsrc("unstow", "ash").ok()
    assert (site.masterdir / "usr/bin/sh").read_text() == "mine\n"


def test_a_link_in_a_build_root_and_in_the_stowed_one(site_in_mode: Site) -> None:
    """What is chosen is what runs in the stowed root; a build sees what it declares, by priority, in each phase."""
    site = site_in_mode
    for name, priority in (("one", 1), ("two", 2)):
        table = offer("hi", "/usr/bin/hi", name, priority)
        package(site, name, {f"usr/bin/{name}": f"#!/bin/sh\necho {name}"}, tables=table)
    site.build("one", "two")
    assert site.xsrc("chroot", "hi").ok().out == "two\n"
    site.xsrc("alternatives", "hi=one").ok()
    assert site.xsrc("chroot", "hi").ok().out == "one\n"
    install = 'hi >>said\nmkdir -p "$DESTDIR/usr/share"\ncp said "$DESTDIR/usr/share/said"\n'
    needs = 'hostmakedepends = ["one"]\ncheckdepends = ["two"]'
    site.script("greets", install, top=needs, do_build="hi >said\n", do_check="hi >>said\n")
    site.build("greets")
    assert (site.masterdir / "usr/share/said").read_text() == "one\ntwo\none\n", "build, check, install"


def test_a_link_comes_before_the_base_and_counts_for_those_who_build_with_it(site: Site) -> None:
    def tool(more: str) -> None:
        package(site, "tool", {"usr/bin/tool": "#!/bin/sh\necho mine"}, tables=more)

    tool(offer("awk", "/usr/bin/awk", "tool", 1))
    install = 'mkdir -p "$DESTDIR/usr/share"\nawk >"$DESTDIR/usr/share/said"\n'
    site.script("user", install, top='hostmakedepends = ["tool"]')
    site.build("user")
    assert (site.masterdir / "usr/share/said").read_text() == "mine\n", "not the base's awk"
    tool(offer("awk", "/usr/bin/awk", "tool", 1) + offer("nawk", "/usr/bin/nawk", "tool", 1))
    assert "user-1.0_1: built" in site.xsrc("build", "user").ok().err


def test_a_link_that_does_not_fit_into_a_build_root(site: Site) -> None:
    shell(site, "ash", 10)
    package(site, "busybox", {"usr/bin/sh": "busybox"})
    site.script("user", top='hostmakedepends = ["ash", "busybox"]')
    site.xsrc("build", "--no-stow", "user").ended(5, "user-1.0_1: its dependencies do not fit into one", "usr/bin/sh")
    package(site, "ash", {"usr/bin/ash": "ash"}, tables=offer("sh", "/usr/lib/sh/one", "../../bin/ash", 1))
    package(site, "busybox", {"usr/lib/sh": "-> here"})
    site.xsrc("build", "--no-stow", "user").ended(5, "usr/lib/sh: ash-1.0_1 and busybox-1.0_1: a dir in")


# ---- versions side by side


def lua(site: Site, version: str) -> None:
    short = version.rpartition(".")[0]
    package(site, "lua", {"usr/bin/lua": version, f"usr/share/lua/{short}/x": version}, version=version)


def built(site: Site) -> list[str]:
    return sorted(path.name for path in (site.masterdir / "pkg-destdir").iterdir())


def test_versions_side_by_side_and_what_gc_leaves_of_them(site: Site) -> None:
    site.xsrc("gc").ok()
    roots = {}
    for version in ("5.3.5", "5.3.6", "5.4.7"):
        lua(site, version)
        site.build("lua")
        roots[version] = scan(site)
    site.xsrc("stow", "lua@5.3").ok("lua-5.3.6_1: stowed in place of lua-5.4.7_1")
    assert scan(site) == roots["5.3.6"]
    site.xsrc("stow", "lua@5.4").ok("lua-5.4.7_1: stowed")
    assert scan(site) == roots["5.4.7"]
    site.xsrc("stow", "lua@5.3.5").ok()
    assert scan(site) == roots["5.3.5"]
    site.xsrc("stow", "lua@5.2").ended(2, "lua@5.2: of lua there is 5.3.5_1, 5.3.6_1, 5.4.7_1")
    site.xsrc("stow", "lua@5.3.").ended(2)
    site.xsrc("stow", "lua").ok()
    assert site.xsrc("gc", "-n").ok().out == "", "the last ten generations need them all"
    assert site.xsrc("gc", "-n", "--keep", "2").ok().out.splitlines()[0] == "- lua-5.3.6_1"
    assert len(built(site)) == 3
    site.xsrc("gc", "--keep", "2").ok("1 build and 5 generations removed")
    assert built(site) == ["lua-5.3.5_1", "lua-5.4.7_1"]
    assert [row["number"] for row in history(site)] == [6, 7]
    site.xsrc("rollback").ok()
    assert scan(site) == roots["5.3.5"]
    site.xsrc("gc", "--keep", "1").ok("0 builds and 2 generations removed")
    assert built(site) == ["lua-5.3.5_1", "lua-5.4.7_1"], "the newest stays, and what is stowed"
    site.xsrc("gc", "--all", "--keep", "1").ok("1 build")
    assert built(site) == ["lua-5.3.5_1"]
    site.xsrc("unstow", "lua").ok()
    site.xsrc("gc", "--keep", "1").ok("0 builds and 1 generation removed")
    site.xsrc("gc", "--all", "--keep", "1").ok("1 build and 0 generations removed, 0 MiB freed")
    assert built(site) == [] and not (site.masterdir / "var/db/xsrc/logs/lua-5.3.5_1").exists()
    site.xsrc("gc", "--keep", "-1").ended(2)
    lua(site, "5.4.7")
    site.build("lua").ok("lua-5.4.7_1: built")


def test_gc_refuses_while_a_build_runs(site: Site) -> None:
    package(site, "old", {"usr/share/old": "old"})
    site.build("--no-stow", "old")
    site.script("slow", do_build="until [ -e go ]; do sleep 0.1; done\n")
    with people.ended(site.start("build", "slow")) as running:
        look.until(lambda: look.processes(str(site.work("slow-1.0"))), "it builds")
        site.xsrc("gc", "--all").ended(5, "slow-1.0 is being built now; nothing was removed")
        assert site.destdir("old-1.0_1").is_dir()
        site.land.run("touch", site.work("slow-1.0") / "wrksrc/go").ok()
        running.wait().ok()
    site.xsrc("gc", "--all").ok("1 build and 0 generations removed")
    assert built(site) == ["slow-1.0_1"]


def test_gc_takes_builds_that_stand_aside(site: Site) -> None:
    """And what a sweep that was cut off had begun with."""
    for text in ("one", "two"):
        package(site, "p", {"usr/share/p": text})
        site.build("p")
    kept = [name for name in built(site) if name.startswith(".p-1.0_1.")]
    assert len(kept) == 1, "generation 1 needs it"
    site.xsrc("gc").ok("0 builds")
    assert built(site) == [*kept, "p-1.0_1"]
    stray = site.masterdir / f"pkg-destdir/.p-1.0_1.{'0' * 20}"
    stray.mkdir()
    (site.masterdir / "pkg-destdir/.gc-p-0.9_1.x").mkdir()
    site.land.own(site.masterdir / "pkg-destdir")
    site.xsrc("gc", "--keep", "1").ok("1 build and 1 generation removed")
    assert built(site) == ["p-1.0_1"]
    site.xsrc("verify").ok("no problems")
