"""What builds came out as and what they saw: recorded, and known again; what comes out the same is left alone."""

from __future__ import annotations

import json
import plistlib
import sqlite3
from typing import Any

import pytest

from tests.e2e.kit import look
from tests.e2e.kit.site import Site
from tests.e2e.kit.stowed import history, scan
from xsrc.core.outcome import Outcome

SHARED = """mkdir -p $DESTDIR/usr/lib; echo 'int shared(void) { return 1; }' >s.c
cc -shared -fPIC -Wl,-soname,libxs.so.1 -o $DESTDIR/usr/lib/libxs.so.1 s.c; ln -s libxs.so.1 $DESTDIR/usr/lib/libxs.so
"""
STATIC = """mkdir -p $DESTDIR/usr/lib; echo 'int archived(void) { return 2; }' >a.c
cc -c -o a.o a.c; ar Drc $DESTDIR/usr/lib/libxa.a a.o
"""
HEADER = "mkdir -p $DESTDIR/usr/include; echo '#define XH 3' >$DESTDIR/usr/include/xh.h\n"
PROGRAM = """mkdir -p $DESTDIR/usr/bin; cat >p.c <<END
#include <xh.h>
int shared(void), archived(void);
int main(void) { return shared() + archived() != XH; }
END
cc -o $DESTDIR/usr/bin/xp p.c -lxs -lxa
"""
ANYTHING = "mkdir -p $DESTDIR/usr/share; od -An -N8 -tx1 /dev/urandom >$DESTDIR/usr/share/d\n"
"""Never comes out the same, with the same key."""
SAME = "mkdir -p $DESTDIR/usr/share; echo d >$DESTDIR/usr/share/d\n"


def props(site: Site, pkgver: str) -> dict[str, Any]:
    found: dict[str, Any] = plistlib.loads((site.destdir(pkgver) / "props.plist").read_bytes())
    return found


def exact(site: Site, pkgver: str) -> str:
    return Outcome.parse(props(site, pkgver)["outcome"]).exact


def saw(site: Site, pkgver: str) -> dict[str, Outcome]:
    return {name: Outcome.parse(text) for name, text in props(site, pkgver)["saw"].items()}


def rows(site: Site) -> dict[str, tuple[Any, ...]]:
    """What the database knows of the builds in their places."""
    copy = sqlite3.connect(":memory:")
    copy.deserialize((site.masterdir / "var/db/xsrc/farm.sqlite").read_bytes())
    query = "SELECT pkgver, build, key, inputs, outcome, saw, props FROM package WHERE current"
    found = {pkgver: tuple(rest) for pkgver, *rest in copy.execute(query)}
    copy.close()
    return found


def test_what_was_seen_counts_on_the_rungs_that_can_count(site: Site) -> None:
    site.script("deep")
    site.script("shared", SHARED, top='depends = ["deep"]')
    site.script("static", STATIC)
    site.script("header", HEADER)
    site.script("below")
    site.script("tool", top='depends = ["below"]')
    site.script("tester")
    site.script(
        "p",
        PROGRAM,
        top='hostmakedepends = ["tool"]\nmakedepends = ["shared", "static", "header"]\ncheckdepends = ["tester"]\n'
        "make_check = true",
        do_check=":\n",
    )
    site.build("p")
    now = {name: Outcome.parse(props(site, f"{name}-1.0_1")["outcome"]) for name in saw(site, "p-1.0_1")}
    assert set(now) == {"deep", "shared", "static", "header", "tool", "below", "tester"}
    assert all(one.exact and one.interface for one in now.values())
    assert [name for name, one in now.items() if one.soname] == ["shared"]
    whole = {"deep", "shared", "header"}
    assert saw(site, "p-1.0_1") == {name: one if name in whole else one.exactly for name, one in now.items()}
    known = rows(site)
    for pkgver, (_, key, _, outcome, seen, listed) in known.items():
        assert listed == (site.destdir(pkgver) / "props.plist").read_bytes()
        assert (key, outcome) == (props(site, pkgver)["build-key"], props(site, pkgver)["outcome"])
        assert json.loads(seen) == props(site, pkgver)["saw"]
    (site.masterdir / "var/db/xsrc/farm.sqlite").unlink()
    site.xsrc("verify", "--repair").ok()
    assert rows(site) == known


def test_a_plain_script_links_nothing_statically(site: Site) -> None:
    site.script("static", STATIC)
    site.script("p", top='makedepends = ["static"]')
    site.build("p")
    assert saw(site, "p-1.0_1")["static"].interface


TOOL = """mkdir -p $DESTDIR/usr/bin $DESTDIR/usr/share
printf '#!/bin/sh\\necho tool\\n' >$DESTDIR/usr/bin/tool; chmod 755 $DESTDIR/usr/bin/tool
echo x >$DESTDIR/usr/share/tool
"""
HARD = '[stow]\nhardlink = ["usr/bin/tool"]\n'


@pytest.mark.parametrize("stowed", [True, False], ids=["stowed", "not stowed"])
def test_what_comes_out_the_same_is_left_alone(site: Site, stowed: bool) -> None:
    words = () if stowed else ("--no-stow",)
    site.script("tool", TOOL, tables=HARD)
    site.build("tool", *words)
    before, known, past = props(site, "tool-1.0_1"), rows(site)["tool-1.0_1"], history(site) if stowed else []
    links = {path: (site.masterdir / path).lstat() for path in scan(site)}
    tree = {path: path.lstat() for path in site.destdir("tool-1.0_1").rglob("*") if path.name != "props.plist"}
    site.script("tool", f"# says the same\n{TOOL}", tables=HARD)
    site.build("tool", *words).ok("tool-1.0_1: built (")
    after, now = props(site, "tool-1.0_1"), rows(site)["tool-1.0_1"]
    assert after["build-key"] != before["build-key"] and after["preimage"] != before["preimage"]
    assert after["outcome"] == before["outcome"]
    assert now[0] == known[0], "it is the same build"
    assert now[1] == after["build-key"] and now[5] == (site.destdir("tool-1.0_1") / "props.plist").read_bytes()
    for path, status in links.items():
        found = (site.masterdir / path).lstat()
        assert (found.st_ino, found.st_ctime_ns) == (status.st_ino, status.st_ctime_ns), path
    assert all(file.lstat().st_ino == status.st_ino for file, status in tree.items())
    assert site.destdir("tool-1.0_1").stat().st_mode & 0o777 == 0o555
    assert (site.destdir("tool-1.0_1") / "props.plist").stat().st_mode & 0o777 == 0o444
    if stowed:
        assert history(site) == past, "nothing of the root has changed"
    site.xsrc("verify").ok()
    site.build("tool", *words).ok("tool-1.0_1: up to date")


def test_a_rollback_to_a_build_that_was_made_again_from_other_inputs(site: Site) -> None:
    site.script("tool", TOOL, tables=HARD)
    site.build("tool")
    site.script("tool", TOOL.replace("echo tool", "echo other"), tables=HARD)
    site.build("tool")
    site.script("tool", f"# says the same\n{TOOL.replace('echo tool', 'echo other')}", tables=HARD)
    site.build("tool")
    run = site.masterdir / "usr/bin/tool"
    assert site.land.run(run).ok().out == "other\n"
    site.xsrc("rollback").ok()
    assert site.land.run(run).ok().out == "tool\n"
    site.xsrc("rollback").ok()
    assert site.land.run(run).ok().out == "other\n"
    assert props(site, "tool-1.0_1")["build-key"] == rows(site)["tool-1.0_1"][1]
    site.xsrc("verify").ok()
    site.build("tool").ok("tool-1.0_1: up to date")


# ---- what was seen, and when

WAITS = "touch started; while ! [ -e go ]; do sleep 0.1; done\n"
FAILS = "test -e /pkg-builddir/p-1.0/mended\n"


@pytest.mark.parametrize(("made", "anew"), [(ANYTHING, True), (SAME, False)], ids=["another one", "the same"])
@pytest.mark.parametrize("kind", ["hostmakedepends", "makedepends", "checkdepends"])
def test_a_resumed_build_begins_anew_where_it_saw_something_else(site: Site, kind: str, made: str, anew: bool) -> None:
    site.script("d", made)
    top = f'{kind} = ["d"]\nmake_check = true'
    site.script("p", top=top, do_configure="touch configured\n", do_build=":\n", do_check=FAILS)
    site.xsrc("build", "p").ended(1, "p-1.0_1: check failed")
    site.build("d", "-f", "--no-stow")
    (site.work("p-1.0") / "wrksrc/mended").touch()
    again = site.xsrc("build", "-v", "p")
    assert ("p-1.0_1: configure" in again.lines) == anew, str(again)
    assert again.code == int(anew), "what was mended by hand is gone with the old work directory"
    if not anew:
        assert saw(site, "p-1.0_1")["d"].exact == exact(site, "d-1.0_1")


def test_what_was_there_at_the_start_is_what_was_seen(site: Site) -> None:
    site.script("d", ANYTHING)
    site.script("p", top='makedepends = ["d"]', do_build=WAITS)
    running = site.start("build", "p", "--no-stow")
    work = site.work("p-1.0") / "wrksrc"
    look.until((work / "started").exists, "the build has begun")
    then = exact(site, "d-1.0_1")
    site.build("d", "-f", "--no-stow")
    (work / "go").touch()
    running.wait().ok()
    assert exact(site, "d-1.0_1") != then
    assert saw(site, "p-1.0_1")["d"].exact == then
