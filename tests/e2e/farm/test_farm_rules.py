"""What packages ask of the root beside their files: protection, conflicts, replacement, accounts; and adoption."""

from __future__ import annotations

from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import history, package, put, scan


def test_the_last_provider_of_what_is_needed_stays(site: Site) -> None:
    protected = "[stow]\nprotect = true\n"
    site.script("libc", tables=protected)
    site.script("musl", top='provides = ["libc"]', tables=protected)
    site.script("lone", tables=protected)
    site.script("user", top='depends = ["libc"]')
    site.build("--no-stow", "musl")
    site.build("user", "lone")
    before = site.farm()
    result = site.xsrc("unstow", "libc").ended(5, "unstow libc: refused, nothing was changed", "unstow --force")
    assert "  user-1.0_1 needs libc, and no package of the root has it" in result.lines
    assert "stow another in place of libc first; it is protected" in result.err
    site.xsrc("unstow", "-n", "libc", "lone").ended(5)
    assert site.farm() == before
    site.xsrc("unstow", "lone").ok("lone: unstowed")  # protected, but nothing needs it
    site.xsrc("stow", "musl").ok()
    assert "needs" not in site.xsrc("unstow", "libc").ok("libc: unstowed").err
    site.xsrc("unstow", "musl").ended(5, "in place of musl first; it is protected")
    site.xsrc("unstow", "--force", "musl").ok("musl: unstowed", "user-1.0_1 needs libc")
    site.xsrc("stow", "libc").ok()
    site.xsrc("unstow", "user", "libc").ok("libc: unstowed")


def test_declared_conflicts_both_ways_and_all_at_once(site: Site) -> None:
    site.script("a", top='conflicts = ["b<2", "c"]')
    site.script("b")
    site.script("c")
    site.script("d", top='conflicts = ["a"]')
    site.build("-j2", "--no-stow", "a", "b", "c", "d")
    site.xsrc("stow", "b", "c").ok()
    before = site.farm()
    result = site.xsrc("stow", "a").ended(5, "these cannot be in one root; nothing was changed")
    assert {"  a-1.0_1 conflicts with b-1.0_1", "  a-1.0_1 conflicts with c-1.0_1"} <= set(result.lines)
    assert site.farm() == before
    site.xsrc("unstow", "b", "c").ok()
    site.xsrc("stow", "a").ok()
    site.xsrc("stow", "b").ended(5, "  a-1.0_1 conflicts with b-1.0_1")
    site.xsrc("stow", "d").ended(5, "  d-1.0_1 conflicts with a-1.0_1")
    site.xsrc("unstow", "a").ok()
    site.xsrc("stow", "a", "b").ended(5, "a-1.0_1 conflicts with b-1.0_1")
    site.script("b", version="2")
    site.build("--no-stow", "b")
    site.xsrc("stow", "a", "b").ok()


def test_replaces_takes_the_other_out_in_one_generation(site: Site) -> None:
    package(site, "old", {"usr/bin/x": "old", "usr/share/old": "old", "etc/x": "c"})
    package(site, "new", {"usr/bin/x": "new", "etc/x": "d"}, top='replaces = ["old<2"]\nconflicts = ["old"]')
    site.build("old")
    put(site, "etc/x", "mine")
    root = scan(site)
    site.build("new").ok("new-1.0_1: stowed")
    assert [row["changed"] for row in history(site)] == ["+old-1.0_1", "+new-1.0_1, -old-1.0_1"]
    after = scan(site)
    assert after["usr/bin/x"] == "link ../../pkg-destdir/new-1.0_1/usr/bin/x"
    assert "usr/share/old" not in after
    assert (site.masterdir / "etc/x").read_text() == "mine\n", "what the user changed is nobody's to replace"
    site.xsrc("rollback").ok()
    assert scan(site) == root


def test_all_conflicts_of_a_request_at_once_with_both_owners(site: Site) -> None:
    package(site, "a", {"usr/share/1": "a", "usr/share/2": "a"})
    package(site, "b", {"usr/share/2": "b", "usr/share/3": "b", "usr/share/4/x": "b"})
    package(site, "c", {"usr/share/1": "c", "usr/share/3": "c", "usr/share/5": "c"})
    site.build("-j2", "--no-stow", "a", "b", "c")
    site.xsrc("stow", "a").ok()
    put(site, "usr/share/4", "mine")
    put(site, "usr/share/5", "mine")
    before = scan(site)
    result = site.xsrc("stow", "b", "c").ended(5, "stow b-1.0_1 c-1.0_1: refused, nothing was changed")
    assert [line.strip() for line in result.lines if line.startswith("  /")] == [
        "/usr/share/1: c-1.0_1 and a-1.0_1: different contents",
        "/usr/share/2: b-1.0_1 and a-1.0_1: different contents",
        "/usr/share/3: b-1.0_1 and c-1.0_1: different contents",
        "/usr/share/4: b-1.0_1 and a file that no package owns: a file is in the way of a directory",
        "/usr/share/5: c-1.0_1 and a file that no package owns",
    ]
    assert scan(site) == before


def test_adopted_files_come_back(site: Site) -> None:
    """A file, a link, a file of /etc; a directory is never adopted."""
    package(site, "p", {"usr/bin/x": "p", "usr/share/l": "p", "usr/share/s": "-> x", "etc/c": "p"})
    site.build("--no-stow", "p")
    for path in ("usr/bin/x", "usr/share/s", "etc/c"):
        put(site, path, "mine")
    (site.masterdir / "usr/bin/x").chmod(0o640)
    link = site.masterdir / "usr/share/l"
    site.land.run("ln", "-s", "/nowhere", link).ok()
    before = scan(site)
    site.xsrc("stow", "p").ended(
        5, "/etc/c", "/usr/bin/x", "/usr/share/l", "hint: ", "rename them to NAME.orig with --adopt"
    )
    assert scan(site) == before
    plan = site.xsrc("stow", "-n", "--adopt", "p").ok().out
    assert "  ~ usr/share/s -> x (what stands there becomes usr/share/s.orig)\n" in plan
    assert scan(site) == before
    site.xsrc("stow", "--adopt", "p").ok("/usr/bin/x: adopted", "/etc/c: changed by you, kept", "etc/c.new")
    after = scan(site)
    assert [after[f"{path}.orig"] for path in ("usr/bin/x", "usr/share/l", "usr/share/s")] == [
        before[path] for path in ("usr/bin/x", "usr/share/l", "usr/share/s")
    ]
    assert after["usr/share/s"] == "link x" and after["etc/c"] == before["etc/c"]
    assert (site.masterdir / "etc/c.new").read_text() == "p\n"
    site.xsrc("verify").ok("no problems")
    site.xsrc("unstow", "p").ok()
    assert scan(site) == before
    site.xsrc("stow", "--adopt", "p").ok()
    site.xsrc("rollback", "0").ok()
    assert scan(site) == before
    link.unlink()
    link.mkdir()
    before = scan(site)
    site.xsrc("stow", "--adopt", "p").ended(5, "/usr/share/l", "a directory is in the way")
    assert scan(site) == before


def test_a_file_called_orig_is_never_in_the_way_unseen(site: Site) -> None:
    package(site, "p", {"usr/bin/x": "p"})
    site.build("--no-stow", "p")
    put(site, "usr/bin/x", "mine")
    put(site, "usr/bin/x.orig", "older")
    before = scan(site)
    site.xsrc("stow", "--adopt", "p").ended(5, "/usr/bin/x.orig")
    assert scan(site) == before


# ---- accounts

WWW = """system_accounts = [{ name = "_www", home = "/srv/www", desc = "The server", groups = ["tape"] }, "_log"]
shells = ["/usr/bin/www"]"""


def names(site: Site, file: str) -> list[str]:
    return [line.split(":")[0] for line in (site.masterdir / "etc" / file).read_text().splitlines()]


def test_lines_of_accounts(site: Site) -> None:
    package(site, "www", {"usr/bin/www": "#!/bin/sh"}, top=WWW)
    site.script("log", top='system_accounts = ["_log"]')
    site.build("--no-stow", "www", "log")
    fresh = {file: (site.masterdir / "etc" / file).read_text() for file in ("passwd", "group", "shells")}
    site.xsrc("stow", "www").ok()
    assert names(site, "passwd")[-2:] == ["_log", "_www"]
    assert names(site, "group")[-3:] == ["_log", "_www", "tape"]
    assert names(site, "shells")[-1] == "/usr/bin/www"
    line = (site.masterdir / "etc/passwd").read_text().splitlines()[-1].split(":")
    assert (line[0], line[1], line[4:]) == ("_www", "x", ["The server", "/srv/www", "/usr/sbin/nologin"])
    said = site.xsrc("chroot", "getent", "passwd", "_www").ok().out
    assert said.startswith(f"_www:x:{line[2]}:{line[3]}:"), "the root's own files are read"
    # what the user adds and changes stays
    for file, text in (("passwd", "me:x:1000:1000::/home/me:/bin/sh"), ("group", "me:x:1000:")):
        site.land.run("sh", "-c", f"echo {text} >>{site.masterdir}/etc/{file}").ok()
    site.land.run("sed", "-i", "s|^_log:.*|_log:x:77:77:mine:/:/bin/sh|", site.masterdir / "etc/passwd").ok()
    site.xsrc("stow", "log").ok()
    site.xsrc("unstow", "www").ok()
    assert names(site, "passwd")[-2:] == ["_log", "me"] and "_www" not in names(site, "group")
    site.xsrc("unstow", "log").ok()
    passwd = (site.masterdir / "etc/passwd").read_text()
    assert passwd == fresh["passwd"] + "_log:x:77:77:mine:/:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n"
    assert (site.masterdir / "etc/group").read_text() == fresh["group"] + "me:x:1000:\n"
    assert (site.masterdir / "etc/shells").read_text() == fresh["shells"]


def test_the_same_numbers_on_two_masterdirs(site: Site) -> None:
    """Whatever was stowed before, and in whatever order."""
    package(site, "www", {"usr/bin/www": "#!/bin/sh"}, top=WWW)
    site.script("db", top='system_accounts = ["_db"]')
    site.build("www", "db")
    site.build("-m", "other", "db")
    site.build("-m", "other", "www")
    for file in ("passwd", "group", "shells"):
        one, two = ((site.root / folder / "etc" / file).read_text() for folder in ("masterdir", "other"))
        assert one == two
