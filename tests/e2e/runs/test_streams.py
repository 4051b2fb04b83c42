"""What a command prints where nobody reads it, and in encodings that do not have every sign."""

from __future__ import annotations

import os

import pytest

from tests.e2e.kit import people
from tests.e2e.kit.site import Site


@pytest.mark.parametrize("words", [("graph", "--json"), ("list",), ("--help",), ("build", "-n", "hello")])
def test_a_reader_that_has_gone_changes_nothing(site: Site, words: tuple[str, ...]) -> None:
    """Python's own flush at the end made it 120, with "Exception ignored in"."""
    site.hello()
    read, write = os.pipe()
    os.close(read)
    with people.ended(site.start(*words, stdout=write)) as running:
        os.close(write)
        result = running.wait().ok()
    assert [line for line in result.lines if "there is no masterdir at" not in line] == []


def test_a_full_output_is_one_error(site: Site) -> None:
    """It was two tracebacks and 120."""
    site.hello()
    site.build("hello")
    for words in (("show", "hello"), ("--help",), ("list",), ("log", "hello")):
        with open("/dev/full", "w") as full, people.ended(site.start(*words, stdout=full)) as running:  # noqa: PTH123
            result = running.wait().ended(4, "error: standard output: No space left on device")
        assert len(result.lines) == 2


def test_messages_that_nobody_hears_do_not_end_a_build(site: Site) -> None:
    """`xsrc build 2>&1 | head -1` ended with 0, and nothing was built."""
    site.hello()
    read, write = os.pipe()
    os.close(read)
    with people.ended(site.start("build", "hello", stdout=write, stderr=write)) as running:
        os.close(write)
        assert running.wait().code == 0
    assert (site.masterdir / "usr/bin/hello").is_symlink()


def test_one_package_is_told_as_many_are(site: Site) -> None:
    for name in ("a", "b"):
        site.script(name)
    alone = site.build("a").lines
    assert alone[0] == "a-1.0_1: build begins (first build)"
    assert alone[1].startswith("a-1.0_1: built (first build) in ") and alone[1].endswith(" MiB [1 of 1]")
    many = site.build("-f", "-j1", "a", "b").lines
    assert "a-1.0_1: build begins (forced)" in many
    assert any(line.startswith("b-1.0_1: built (first build) in ") and line.endswith(" of 2]") for line in many)


def test_a_partial_run_is_no_build(site: Site) -> None:
    """`xsrc fetch` said "2 built", and what it took was expected of the next build."""
    site.hello()
    for word, state in (
        ("fetch", "fetched"),
        ("extract", "extracted"),
        ("configure", "configured"),
        ("check", "checked"),
    ):
        said = site.xsrc(word, "hello").ok(f"hello-1.0_1: {state} (first build) in ").err
        assert "built (" not in said
    site.xsrc("build", "status:built").ok("status:built matches no package: nothing to do")
    site.build("hello")
    plan = site.xsrc("plan", "-f", "--json", "hello").ok()
    assert '"seconds": null' in plan.out, "only its install phase ran in one go"


def test_check_makes_up_for_tests_that_were_left_out(site: Site) -> None:
    site.hello()
    assert "built, untested (first build)" in site.build("--no-check", "hello").err
    report = site.xsrc("report").ok().out.strip()
    assert "untested" in site.land.run("cat", report).ok().out
    site.xsrc("list", "--untested").ok("hint: xsrc check NAME")
    site.xsrc("check", "hello").ok("hello-1.0_1: its build is tested now")
    assert "hello" not in site.xsrc("list", "--untested").ok().out
    site.xsrc("verify").ok()
    site.xsrc("build", "hello").ok("up to date")


def test_a_shell_after_a_fetch_has_sources(site: Site) -> None:
    """It opened an empty folder, "of build"."""
    site.hello()
    site.xsrc("fetch", "hello").ok()
    assert "Makefile" in site.xsrc("shell", "hello", "ls").ok().out
