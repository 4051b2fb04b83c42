"""`xsrc build --check-reproducible`: what differs from one build to the next is named, and nothing is touched."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import DASH, Dash
from tests.e2e.kit import look, people
from tests.e2e.kit.double import double
from tests.e2e.kit.land import Land
from tests.e2e.kit.people import Result
from tests.e2e.kit.server import Server
from tests.e2e.kit.site import Site

CHECK = ("build", "--check-reproducible")
TIMEOUT = 900.0
SECOND = '[ "$(ulimit -s)" = 20480 ]'
"""Whether a script is part of the second build, in sh."""
SHARE = "mkdir -p $DESTDIR/usr/share\n"
MANY = "for n in one two three four five six seven eight nine ten eleven; do : >$n; done\n"
DIFFERING = {
    "clock": (f"{SHARE}date +%s%N >$DESTDIR/usr/share/clock\n", "content /usr/share/clock"),
    "minute": (f"{SHARE}date +%H%M >$DESTDIR/usr/share/minute\n", "content /usr/share/minute"),
    "jobs": (f"{SHARE}echo $MAKEJOBS >$DESTDIR/usr/share/jobs\n", "content /usr/share/jobs"),
    "order": (f"{SHARE}ls -U >$DESTDIR/usr/share/order\n", "content /usr/share/order"),
    "found": (f"{SHARE}find . -type f >$DESTDIR/usr/share/found\n", "content /usr/share/found"),
    "stack": (f"{SHARE}ulimit -s >$DESTDIR/usr/share/stack\n", "content /usr/share/stack: "),
    "mode": (
        f"{SHARE}! {SECOND} || umask 077; : >$DESTDIR/usr/share/mode\n",
        "mode /usr/share/mode: 0644, then 0600",
    ),
    "target": (f"{SHARE}ln -s $(ulimit -s) $DESTDIR/usr/share/target\n", "target /usr/share/target: "),
    "names": (
        f"{SHARE}: >$DESTDIR/usr/share/$({SECOND} && echo b || echo a)\n",
        "only in the first /usr/share/a\n only in the second /usr/share/b\n",
    ),
}
"""Packages that come out differently, each with what is said of it."""
FINE = f"""{SHARE}cd $DESTDIR/usr/share
{{ env; pwd; umask; hostname; id -un; id -gn; stat -c %a . /tmp; }} >../all
grep -v -e MAKEJOBS -e /pkg-destdir/ ../all >fine; rm ../all
: >other; mkdir dir; ln fine fine-too; ln -s nowhere link
"""
REASON = '[lint]\nignore = { reproducible = "holds the number of jobs" }\n'
DIFFOSCOPE = """#!/bin/sh
for last; do :; done
echo "looked at $*"
printf "it is \\033 now "
cat "$last"
exit 1
"""
INSTALL_DIFFOSCOPE = "mkdir -p $DESTDIR/usr/bin; install -m 755 $FILESDIR/diffoscope $DESTDIR/usr/bin/diffoscope\n"
OTHER_CALLER = {
    "LANG": "de_DE.UTF-8",
    "TZ": "Asia/Tokyo",
    "TMPDIR": "/nowhere",
    "CFLAGS": "-g",
    "HOSTNAME": "elsewhere",
}


@dataclass(frozen=True)
class Checked:
    """A farm before and after one check of all of these packages, by a caller unlike the one who built them."""

    site: Site
    before: Mapping[str, object]
    result: Result

    def said(self, name: str) -> str:
        """What was said of one package, one blank for each run of them."""
        found = re.search(rf"^{name}-1.0_1: .*\n(?:  .*\n)*", self.result.out, re.MULTILINE)
        assert found, str(self.result)
        return re.sub(r" +", " ", found[0])


@pytest.fixture(scope="module")
def checked(land: Land, server: Server) -> Checked:
    """One check, for the clock's minute has to be waited for."""
    site = Site(land, server, land.folder("reproducible"))
    for name, (install, _) in DIFFERING.items():
        site.script(name, install, do_build=MANY)
    same = '[lint]\nignore = { build-path = "every build of it has this path" }\n'
    site.script("fine", FINE, do_build=MANY, tables=same)
    site.script("below")
    copied = f"{SHARE}cp /usr/share/below $DESTDIR/usr/share/above"
    site.script("above", copied, top='hostmakedepends = ["below"]\n')
    site.script("known", DIFFERING["jobs"][0].replace("share/jobs", "share/known"), tables=REASON)
    site.script("cured", tables=REASON)
    site.script("alone", do_build=f"! {SECOND} || {{ echo cannot; exit 3; }}\n")
    site.script("diffoscope", INSTALL_DIFFOSCOPE)
    site.write("templates/diffoscope/files/diffoscope", DIFFOSCOPE, executable=True)
    looked = f"{SHARE}ulimit -s >$DESTDIR/usr/share/looked\n"
    site.script("looked", looked, top='hostmakedepends = ["diffoscope"]\n')
    names = ("alone", *DIFFERING, "fine", "above", "known", "cured", "looked")
    site.build("-j2", "--no-stow", *names)
    before = site.farm()
    line = 'umask 077; cd templates/fine; ulimit -n 512; exec "$@"'
    xsrc = (land.python, "-I", "-X", "utf8", "-m", "xsrc", "-m", site.masterdir)
    result = land.run(
        *("sh", "-c", line, "sh"), *xsrc, *CHECK, "-j2", *names, cwd=site.root, env=OTHER_CALLER, timeout=TIMEOUT
    )
    return Checked(site, before, result.ended(1))


def built_before(site: Site, name: str) -> None:
    """As if the first build were of another minute, which else is waited for."""
    site.land.run("touch", "-d", "5 minutes ago", site.destdir(f"{name}-1.0_1") / "props.plist").ok()


def leftovers(site: Site) -> list[Path]:
    """What stands in places of second builds, the masterdir's and others."""
    others = [Path(folder) for folder in ("/dev/shm", "/tmp", "/var/tmp")]
    mine = [path for other in others for path in other.glob("xsrc-second-*") if path.owner() == site.land.user.name]
    return [*mine, *(path for path in (site.masterdir / "pkg-builddir").iterdir() if path.is_dir())]


@pytest.mark.parametrize("name", DIFFERING)
def test_each_cause_is_found_and_named_with_its_file(checked: Checked, name: str) -> None:
    told = checked.said(name)
    assert f"{name}-1.0_1: not reproducible: {2 if name == 'names' else 1} of 3 paths differ\n" in told
    assert f" {DIFFERING[name][1]}" in told
    first, second = (Path(path) for path in re.findall(r"^ (?:first|second): (/.*)$", told, re.MULTILINE))
    assert first == checked.site.destdir(f"{name}-1.0_1")
    assert second.parent == checked.site.work(f"{name}-1.0_second")
    one, other = (look.tree(tree / "usr/share") for tree in (first, second))
    assert one and other and one != {path: what.replace(" 0644", " 0444") for path, what in other.items()}


def test_what_is_the_same_is_said_with_what_was_different(checked: Checked) -> None:
    told = checked.said("fine")
    assert told.startswith("fine-1.0_1: reproducible (3 files; different: path, ")
    for word in ("order of entries", "time", "MAKEJOBS ", "umask", "limits"):
        assert f", {word}" in told
    if all(reason is None for reason in checked.site.land.modes.values()):
        assert ", by user namespace" in told


def test_what_is_only_needed_is_not_built_again(checked: Checked) -> None:
    assert checked.said("above").startswith("above-1.0_1: reproducible (1 file; ")
    assert "below-" not in checked.result.out + checked.result.err


def test_nothing_of_the_farm_is_touched(checked: Checked) -> None:
    assert checked.site.farm() == checked.before


def test_reason_of_a_template_counts(checked: Checked) -> None:
    assert checked.said("known") == "known-1.0_1: not reproducible: holds the number of jobs (1 of 3 paths differ)\n"
    told = checked.said("cured")
    assert told.startswith("cured-1.0_1: reproducible (")
    assert "remove reproducible from [lint] ignore" in told


def test_diffoscope_of_the_build_root_says_why(checked: Checked) -> None:
    told = checked.said("looked")
    assert " | looked at --text - /first/usr/share/looked /second/usr/share/looked\n" in told
    assert " | it is \\x1b now 20480\n" in told, "what a terminal would obey is shown"


def test_second_build_that_fails_is_said_and_the_next_begins(checked: Checked) -> None:
    checked.result.ended(1, "error: second build: alone-1.0_1: build failed: exit code 3", "| cannot")
    log = re.search(r"log: (\S+)", checked.result.err)
    assert log and Path(log[1]).read_text() == "cannot\n"
    assert "clock-1.0_1: not reproducible" in checked.result.out


def test_what_is_kept_is_cleaned(checked: Checked) -> None:
    site, kept = checked.site, {f"{name}-1.0_second" for name in (*DIFFERING, "alone", "looked")}
    assert {path.name for path in leftovers(site)} == kept
    site.xsrc("clean", "alone").ok("alone-1.0: removed")
    assert {path.name for path in leftovers(site)} == kept - {"alone-1.0_second"}
    site.xsrc("clean").ok()
    assert leftovers(site) == []


def test_what_is_interrupted_is_cleaned(site: Site) -> None:
    word = "94718273645"
    site.script("sleeper", do_build=f"! {SECOND} || sleep {word}\n")
    site.build("-j2", "sleeper")
    built_before(site, "sleeper")
    before = site.farm()
    for number in (signal.SIGINT, signal.SIGKILL):
        with people.ended(site.start(*CHECK, "-j2", "sleeper")) as running:
            look.until(lambda: look.processes(f"sleep {word}"), "the second build sleeps")
            assert site.xsrc("clean").ok().err == "sleeper-1.0: is being built, left alone\n"
            running.signal(number)
            assert running.wait().code in (130, -number)
        look.gone(word)
        assert leftovers(site)
        site.xsrc("clean").ok()
        assert leftovers(site) == []
        assert site.farm() == before
    site.build("sleeper").ok("up to date")


def test_where_it_cannot_be_otherwise_it_is_as_usual(site: Site, as_root: Land) -> None:
    """On a machine whose other file system is too small for the build, and whose /proc allows no user namespace."""
    if any(as_root.modes.values()):
        pytest.skip("needs both modes of isolation")
    site.script("greedy", do_build='[ "$(stat -fc %T .)" != tmpfs ] || cat /dev/zero >zeros\n')
    with double(site) as machine:
        machine.root("mount -t tmpfs -o size=520M,mode=1777 tmpfs /dev/shm").ok()
        machine.xsrc("build", "--no-stow", "greedy").ok()
        built_before(site, "greedy")
        full = machine.xsrc(*CHECK, "greedy").ok("greedy-1.0_1: built again in its usual place and mode, for: ")
        assert "greedy-1.0_1: reproducible (1 file; different: path, order of entries, " in full.out
        machine.root("mount -t tmpfs -o size=1M tmpfs /dev/shm; mount -t tmpfs tmpfs /proc/irq").ok()
        masked = machine.xsrc(*CHECK, "greedy").ok("place and mode, for: the sandbox could not be entered")
        assert "greedy-1.0_1: reproducible (" in masked.out
        for result in (full, masked):
            assert "user namespace" not in result.out
    assert leftovers(site) == []


def test_real_package(dash: Dash) -> None:
    """dash, built as the README says and then once more in other conditions."""
    before = look.tree(dash.destdir)
    result = dash.land.xsrc(*CHECK, "dash", cwd=dash.land.clone, timeout=TIMEOUT).ok()
    assert f"{DASH}: reproducible (" in result.out
    assert look.tree(dash.destdir) == before
    assert [path.name for path in (dash.masterdir / "pkg-builddir").iterdir() if path.is_dir()] == []
