"""What is built again and what is not: early cut-off on each rung, the reasons, and the words that choose packages."""

from __future__ import annotations

import json

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site

LIB = """set -e
mkdir -p $DESTDIR/usr/lib $DESTDIR/usr/include $DESTDIR/usr/share/man/man3
echo '{code}' >one.c
cc -shared -fPIC -Wl,-soname,libone.so.{soname} -o $DESTDIR/usr/lib/libone.so.{soname} one.c
ln -s libone.so.{soname} $DESTDIR/usr/lib/libone.so
{archive}echo 'int one(void);{header}' >$DESTDIR/usr/include/one.h
echo '{man}' >$DESTDIR/usr/share/man/man3/one.3
"""
USER = """set -e
mkdir -p $DESTDIR/usr/bin
echo '#include <one.h>' >main.c
echo 'int main(void) {{ return one(); }}' >>main.c
cc -o $DESTDIR/usr/bin/two main.c {how}
"""
TOOL = """mkdir -p $DESTDIR/usr/bin
echo '#!/bin/sh' >$DESTDIR/usr/bin/say
echo 'echo {word}' >>$DESTDIR/usr/bin/say
chmod +x $DESTDIR/usr/bin/say
"""
ONE = "int one(void) { return 1; }"


def library(
    site: Site,
    code: str = ONE,
    soname: int = 1,
    header: str = "",
    man: str = "",
    *,
    static: bool = False,
    tables: str = "",
) -> None:
    archive = "cc -c one.c && ar rcD $DESTDIR/usr/lib/libone.a one.o\n" if static else ""
    text = LIB.format(code=code, soname=soname, header=header, man=man, archive=archive)
    keep = '[install]\nkeep = ["static"]\n' if static else ""
    site.script("one", text, tables=tables + keep)


def family(site: Site) -> None:
    """A library, what is linked with it, and what is built with that."""
    library(site)
    site.script("two", USER.format(how="-lone"), top='makedepends = ["one"]')
    site.script("three", top='makedepends = ["two"]')
    site.build("three", "two")


def built(site: Site, *words: str) -> list[str]:
    """The packages that `xsrc build` has built."""
    said = site.build(*words).err
    return [line.partition("-1.0_1: built (")[0] for line in said.splitlines() if "-1.0_1: built (" in line]


@pytest.mark.parametrize(
    ("change", "soname", "interface", "exact"),
    [
        ({"man": "prose"}, ["one"], [], ["two", "three"]),
        ({"code": "int one(void) { return 2; }"}, ["one"], [], ["two", "three"]),
        ({"code": f"{ONE} int more(void) {{ return 0; }}"}, ["one"], ["two", "three"], []),
        ({"header": " int more(void);"}, ["one"], ["two", "three"], []),
        ({"soname": 2}, ["one", "two", "three"], [], []),
    ],
    ids=["man page", "body", "symbol", "header", "soname"],
)
def test_the_wave_stops_where_a_rung_says(
    site: Site, change: dict[str, object], soname: list[str], interface: list[str], exact: list[str]
) -> None:
    """From the rung that lets most through to the one that lets least: each goes on where the one before it stopped.

    The library stands in the build root of three as well, for what three is built with needs it to run.
    """
    family(site)
    library(site, **change)  # type: ignore[arg-type]
    plan = site.xsrc("plan", "--cutoff", "soname", "three").ok().out
    assert "build one-1.0_1: changed: scripts.install" in plan
    assert "maybe two-1.0_1: one: changed: scripts.install" in plan
    for rung, wanted in (("soname", soname), ("interface", interface), ("exact", exact)):
        assert built(site, "--cutoff", rung, "three", "two") == wanted, rung
    assert built(site, "three", "two") == []


def test_what_is_linked_statically_is_always_built_again(site: Site) -> None:
    library(site, static=True)
    site.script("two", USER.format(how="-l:libone.a"), top='makedepends = ["one"]')
    site.build("two")
    library(site, "int one(void) { return 2; }", static=True)
    assert built(site, "--cutoff", "soname", "two") == ["one", "two"]


def test_a_tool_is_cut_off_by_the_same_bytes_only(site: Site) -> None:
    site.script("say", TOOL.format(word="a"))
    site.script("user", "mkdir -p $DESTDIR/usr/share; say >$DESTDIR/usr/share/said", top='hostmakedepends = ["say"]')
    site.build("user")
    site.script("say", TOOL.format(word="b"))
    assert built(site, "--cutoff", "soname", "user") == ["say", "user"]
    assert (site.destdir("user-1.0_1") / "usr/share/said").read_text() == "b\n"
    site.script("say", TOOL.format(word="b") + "# no more than a word\n")
    assert built(site, "user") == ["say"]


def test_a_setting_names_the_rung(site: Site) -> None:
    family(site)
    site.write(".xsrc.toml", 'cutoff = "interface"\n')
    library(site, man="prose")
    assert built(site, "two") == ["one"]
    site.write(".xsrc.toml", 'cutoff = "none"\n')
    site.xsrc("build", "two").ended(3, "cutoff: want one of exact, interface, soname")


def test_what_was_forced_and_came_out_the_same_stops_the_wave(site: Site) -> None:
    family(site)
    assert built(site, "-f", "one") == ["one"]
    assert built(site, "three", "two") == []


def test_what_was_forced_and_came_out_otherwise_does_not(site: Site) -> None:
    site.script("now", "mkdir -p $DESTDIR/usr/share; date +%s%N >$DESTDIR/usr/share/now")
    site.script("user", top='makedepends = ["now"]')
    site.build("user")
    assert built(site, "-f", "now") == ["now"]
    assert "build user-1.0_1: now: another result" in site.xsrc("plan", "user").ok().out
    assert built(site, "user") == ["user"]


def test_what_is_gone_from_the_disk_is_output_missing(site: Site) -> None:
    family(site)
    folder = site.destdir("one-1.0_1")
    site.land.run("sh", "-c", f"chmod -R u+w {folder}; rm -r {folder}").ok()
    # nothing of three is lost, and nothing that it is made of is other than it was
    assert "keep  three-1.0_1: up to date" in site.xsrc("plan", "three").ok().out
    assert "build one-1.0_1: output missing" in site.xsrc("plan", "one").ok().out
    assert built(site, "--no-stow", "one") == ["one"]


# ---- why


def test_why_names_what_was_changed_down_to_the_value(site: Site) -> None:
    family(site)
    assert site.xsrc("why", "two").ok().out == "two-1.0_1: up to date\n"
    library(site, tables='[env]\nODD = "a"\n')
    said = site.xsrc("why", "one", "two").ok().out.splitlines()
    assert said[0] == "one-1.0_1: changed: env.ODD"
    assert '  env.ODD: nothing -> "a"' in said
    assert "two-1.0_1: may be built: one: changed: env.ODD" in said
    assert "  one: is to be built: changed: env.ODD" in said
    table = json.loads(site.xsrc("why", "--json", "one").ok().out)
    assert table["one"]["changed"] == [{"what": "env.ODD", "was": None, "is": "a"}]
    assert site.xsrc("why", "nothing").code == 2


def test_why_tells_what_came_out_otherwise_and_whether_that_matters(site: Site) -> None:
    family(site)
    library(site, man="prose")
    site.build("--no-stow", "one")
    assert "  one: another result" in site.xsrc("why", "two").ok().out.splitlines()
    said = site.xsrc("why", "--cutoff", "interface", "two").ok().out.splitlines()
    assert said == ["two-1.0_1: up to date", "  one: another result (which is enough)"]


# ---- plan


def test_plan_tells_seconds_memory_and_the_longest_way(site: Site) -> None:
    family(site)
    library(site, soname=2)
    lines = site.xsrc("plan", "-j2", "three").ok().out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["build one-1.0_1", "maybe two-1.0_1", "maybe three-1.0_1"]
    assert all(line.endswith(" MiB)") and " s, " in line for line in lines[:3])
    assert lines[3].startswith("1 to build, 2 that may be built; with -j 2 about ")
    assert lines[3].endswith(": one -> two -> three")
    table = json.loads(site.xsrc("plan", "--json", "three").ok().out)
    assert [step["do"] for step in table["steps"]] == ["build", "may build", "may build"]
    assert table["critical_path"]["names"] == ["one", "two", "three"]
    assert table["steps"][0]["seconds"] > 0
    assert table["steps"][0]["peak"] > 1 << 20


def test_plan_writes_nothing(site: Site) -> None:
    site.script("one")
    site.xsrc("plan", "one").ok()
    assert not site.masterdir.exists()


# ---- graph


def test_cycles_are_spelled_out_and_the_rest_is_in_order(site: Site) -> None:
    for name, needs in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "")):
        site.script(name, top=f'makedepends = ["{needs}"]' if needs else "")
    result = site.xsrc("graph").ok()
    assert sorted(result.out.split()) == ["a-1.0_1", "b-1.0_1", "c-1.0_1", "d-1.0_1"]
    assert "dependency cycle: a -> b (makedepends) -> c (makedepends) -> a (makedepends)" in result.err
    table = json.loads(site.xsrc("graph", "--json").ok().out)
    assert table["cycles"] == [["a", "b", "c", "a"]]
    assert len({row["key"] for row in table["packages"].values()}) == 4
    site.xsrc("build", "a").ended(3, "dependency cycle: a -> b (makedepends)")
    site.build("d")


def test_dot(site: Site) -> None:
    site.script("a", top='makedepends = ["b"]\ndepends = ["c"]')
    site.script("b")
    site.script("c")
    lines = site.xsrc("graph", "--dot", "a").ok().out.splitlines()
    assert (lines[0], lines[-1]) == ("digraph packages {", "}")
    assert '  "a" -> "b" [style=solid, tooltip="makedepends"];' in lines
    assert '  "a" -> "c" [style=bold, tooltip="depends"];' in lines


# ---- the words that choose packages


def names(site: Site, *words: str) -> list[str]:
    table = json.loads(site.xsrc("plan", "--json", *words).ok().out)
    return sorted(step["name"] for step in table["steps"])


def test_globs_and_all(site: Site) -> None:
    for name in ("lib-a", "lib-b", "other"):
        site.script(name)
    site.script("broken", top='broken = "it never was"')
    assert names(site, "lib-*") == ["lib-a", "lib-b"]
    assert names(site, "lib-*", "other") == ["lib-a", "lib-b", "other"]
    assert names(site, "--all") == ["lib-a", "lib-b", "other"] and names(site, "broken") == ["broken"]
    site.xsrc("build", "x*").ended(2, "no template matches x*")
    result = site.build("--all")
    assert "broken-1.0_1: left out: broken: broken is marked broken: it never was" in result.err
    for name in ("lib-a", "lib-b", "other"):
        assert f"{name}-1.0_1: stowed" in result.err
    site.xsrc("build", "broken").ended(3, "it never was")


def test_status(site: Site) -> None:
    site.script("good")
    site.script("bad", do_build="false\n")
    site.script("after", top='makedepends = ["bad"]')
    site.xsrc("build", "status:failed").ok("status:failed matches no package: nothing to do")
    said = site.xsrc("build", "-k", "good", "after")
    said.ended(1, "bad-1.0_1: build failed", "after-1.0_1: skipped: bad-1.0_1 failed", "1 built, 1 failed, 1 skipped")
    assert names(site, "status:failed") == ["bad"]
    assert names(site, "status:skipped") == ["after", "bad"]
    assert names(site, "status:built") == ["good"]
    site.xsrc("build", "status:odd").ended(2, "status:odd: want one of failed, skipped, built")
    site.script("bad")
    assert built(site, "status:skipped") == ["bad", "after"]


def test_git(site: Site) -> None:
    for name in ("a", "b", "c"):
        site.script(name)
    who = ("-c", "user.name=P", "-c", "user.email=p@example.org", "-c", "init.defaultBranch=main")
    git = ("git", "-C", site.root, *who)
    site.land.run(*git, "init", "-q").ok()
    site.land.run(*git, "add", "templates").ok()
    site.land.run(*git, "commit", "-qm", "one").ok()
    site.xsrc("plan", "git:HEAD..").ok("git:HEAD.. matches no package: nothing to do")
    site.script("b", version="1.1")
    site.script("d")
    assert names(site, "git:HEAD..") == ["b", "d"]
    site.land.run(*git, "commit", "-qam", "two").ok()
    assert names(site, "git:HEAD~1..HEAD") == ["b"]
    assert names(site, "git:HEAD..") == ["d"]
    said = site.xsrc("plan", "git:nothing..").ended(2, 'git:nothing..: git knows no commit "nothing"').err
    assert "rev-parse" not in said and "--verify" not in said, "the command line of git is nobody's business"
    site.xsrc("plan", "git:HEAD").ended(2, "want REV.., REV..REV, REV... or REV...REV")
    site.xsrc("plan", "git:HEAD....HEAD").ended(2, "want REV.., REV..REV")


def test_all_that_needs_one(site: Site) -> None:
    family(site)
    site.script("other")
    assert names(site, "needs:one") == ["three", "two"]
    site.xsrc("plan", "needs:on").ended(2, "needs:on: no template 'on'", "one")
    site.xsrc("plan", "odd:one").ended(2, "odd:one: want one of status:, git:, needs:")


# ---- addresses


def test_other_addresses_have_to_give_the_same_file_once(site: Site) -> None:
    data = pack.packed(pack.hello())

    def at(address: str) -> None:
        site.template("hello", pack.template(tables=pack.distfile((address,), data)))

    at(site.serve("a/hello-1.0.tar.gz", data))
    site.build("hello")
    at(site.serve("b/hello-1.0.tar.gz", data))
    assert built(site, "hello") == []
    assert "keep  hello-1.0_1: up to date" in site.xsrc("plan", "hello").ok().out
    assert "the template names other addresses than before" in site.xsrc("fetch", "hello").ok().err
    assert len(site.server.requests(f"/{site.root.name}/b/hello-1.0.tar.gz")) == 1
    assert "other addresses" not in site.xsrc("fetch", "hello").ok().err
    at(site.serve("c/hello-1.0.tar.gz", data + b"?"))
    site.xsrc("fetch", "hello").ended(1, "its sha256 is ", "wrong sha256")
    held = [path for path in (site.masterdir / "pkg-srcdistdir").rglob("hello-1.0.tar.gz") if path.read_bytes() == data]
    assert len(held) == 1, "what was verified stays"
    at(site.server.address + "/nowhere/hello-1.0.tar.gz")
    site.xsrc("fetch", "hello").ok("HTTP 404", "what is there has the right sha256")
