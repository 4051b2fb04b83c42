"""Phases that fail, and what a person is told; what a build may not leave behind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site


def before_of(site: Site) -> dict[str, object]:
    """The farm before the failure, with something in it."""
    site.script("other")
    site.build("other")
    return site.farm()


def test_failing_configure_shows_all_that_one_needs(site_in_mode: Site) -> None:
    site = site_in_mode
    before = before_of(site)
    site.hello(
        configure="#!/bin/sh\nfor i in $(seq 100); do echo line $i; done\necho error: no compiler >&2\nexit 77\n"
    )
    result = site.xsrc("build", "hello").ended(1, "error: hello-1.0_1: configure failed: exit code 77")
    shown = [line.removeprefix("  | ") for line in result.lines if line.startswith("  | ")]
    assert shown == [f"line {i}" for i in range(72, 101)] + ["error: no compiler"]
    (path,) = [line.removeprefix("  log: ") for line in result.lines if line.startswith("  log: ")]
    assert Path(path).read_text().count("\n") == 101
    assert result.lines[-1] == "  hint: xsrc shell hello opens a shell there"
    assert site.xsrc("shell", "hello", "ls", "configure").ok().out == "configure\n"
    assert site.farm() == before
    site.hello()
    site.build("hello")


@pytest.mark.parametrize("phase", ["extract", "patch", "configure", "build", "check", "install"])
@pytest.mark.parametrize("part", ["pre", "post"])
def test_script_that_fails_in_each_phase(site: Site, phase: str, part: str) -> None:
    before = before_of(site)
    site.hello(tables=f"[phases]\n{part}_{phase} = 'echo because of me; exit 9'\n")
    result = site.xsrc("build", "hello").ended(1, f"hello-1.0_1: {phase} failed: exit code 9", "  | because of me")
    assert "log: " in result.err and "hint: xsrc shell hello" in result.err
    assert site.farm() == before
    site.hello()
    site.build("hello")


def test_signal_is_named(site: Site) -> None:
    site.script("s", do_build="kill -SEGV $$\n")
    site.xsrc("build", "s").ended(1, "s-1.0_1: build failed: signal 11")


def test_failed_build_goes_on_where_it_failed_when_the_machine_was_mended(site: Site) -> None:
    """Same template, same key: what was done is not done again."""
    site.hello(tables="[phases]\npre_build = '[ \"$MAKEJOBS\" = 1 ]'\n")
    site.xsrc("build", "-j2", "hello").ended(1, "build failed")
    result = site.build("-v", "-j1", "hello")
    assert [line for line in result.lines if re.fullmatch(r"hello-1\.0_1: [a-z]+", line)] == [
        "hello-1.0_1: build",
        "hello-1.0_1: check",
        "hello-1.0_1: install",
    ]


def test_changed_template_begins_anew(site: Site) -> None:
    site.hello(Makefile="all:\n\tfalse\n")
    site.xsrc("build", "hello").ended(1)
    site.hello()
    assert "hello-1.0_1: extract" in site.build("-v", "hello").lines


def test_failing_test_in_check(site: Site) -> None:
    before = before_of(site)
    site.hello(Makefile=pack.MAKEFILE.replace("./hello | grep '^hello'", "@echo FAIL: 1 of 3; exit 1"))
    site.xsrc("build", "hello").ended(1, "hello-1.0_1: check failed", "FAIL: 1 of 3")
    assert site.farm() == before
    site.build("--no-check", "hello")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (":\n", ("installed nothing", "hint: does it honour DESTDIR?")),
        ("mkdir $DESTDIR/usr\n", ("installed nothing",)),
        ("ln -s /pkg-builddir/bad-1.0/x $DESTDIR/x\n", ("/x: a link to /pkg-builddir/bad-1.0/x",)),
        ("ln -s /pkg-destdir/bad-1.0_1/x $DESTDIR/x\n", ("/x: a link to /pkg-destdir/bad-1.0_1/x",)),
        ("echo $DESTDIR/share >$DESTDIR/x\n", ("/x: holds the string /pkg-destdir/",)),
        ("mkfifo $DESTDIR/x\n", ("/x: neither a file, a link nor a directory",)),
        ("mkdir $DESTDIR/usr; : >\"$DESTDIR/usr/$(printf 'a\\377')\"\n", ("its name is not UTF-8",)),
        ("mkfifo $DESTDIR/x; ln -s /pkg-builddir/y $DESTDIR/y\n", ("/x: neither", "/y: a link to")),
        (
            "mkdir -p $DESTDIR/bin $DESTDIR/usr/bin; : >$DESTDIR/bin/a; : >$DESTDIR/usr/bin/a\n",
            ("both /bin/a and /usr/bin/a",),
        ),
    ],
)
def test_destdir_that_cannot_be_a_package(site: Site, script: str, words: tuple[str, ...]) -> None:
    before = before_of(site)
    site.script("bad", script)
    site.xsrc("build", "bad").ended(1, "bad-1.0_1", *words)
    assert site.farm() == before
    # once more: it was the install phase that failed, and it fails again
    site.xsrc("build", "bad").ended(1, *words)
    site.script("bad")
    site.build("bad")


def test_destdir_never_touches_what_its_links_point_at(site: Site) -> None:
    victim = site.write("victim/file", "mine\n")
    mode = victim.stat().st_mode
    links = f"ln -s {victim} $DESTDIR/usr/share/f; ln -s {victim.parent} $DESTDIR/usr/share/d\n"
    site.script("l", f"mkdir -p $DESTDIR/usr/share; {links}")
    site.build("l")
    site.build("-f", "l")
    site.xsrc("unstow", "l").ok()
    site.xsrc("build", "-K", "-f", "l").ok()
    site.xsrc("clean").ok()
    assert victim.read_text() == "mine\n" and victim.stat().st_mode == mode


def test_work_directory_with_planted_links_is_cleaned_without_following(site: Site) -> None:
    victim = site.write("victim/file", "mine\n")
    site.script(
        "p", do_build=f"ln -s {victim.parent} out; ln -s {victim} file; mkdir deep; ln -s {victim.parent} deep/out\n"
    )
    site.build("-K", "p")
    site.xsrc("clean", "p").ok()
    assert victim.read_text() == "mine\n"


def test_log_with_bytes_that_are_no_text(site: Site) -> None:
    site.script("b", do_build="printf 'caf\\351 \\033[31mred\\000\\n'; exit 1\n")
    result = site.xsrc("build", "b").ended(1, "build failed")
    assert "caf" in result.err
    site.xsrc("log", "b").ok()


def test_very_long_output(site: Site) -> None:
    site.script("b", do_build="head -c 20000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1\n")
    result = site.xsrc("build", "b").ended(1, "  | end")
    assert len(result.err) < 200_000


def test_background_process_does_not_hold_the_build_up(site: Site) -> None:
    site.script("d", do_build="sleep 1000 & echo started\n")
    site.build("d")
    assert site.log("build", "d-1.0_1") == "started\n"
