"""Stowed programs run after every change: what they were linked with comes along, or the change is refused.

Each test is named after what used to go wrong, with the public report of the like.
"""

from __future__ import annotations

import pytest

from tests.e2e.kit.site import Site

LIBRARY = """set -e
mkdir -p $DESTDIR/usr/lib $DESTDIR/usr/include
echo '{code}' >f.c
cc -shared -fPIC -Wl,-soname,libf.so.{soname} -o $DESTDIR/usr/lib/libf.so.{soname} f.c
ln -s libf.so.{soname} $DESTDIR/usr/lib/libf.so
echo '{code}' | sed 's/ {{.*/;/' >$DESTDIR/usr/include/f.h
"""
PROGRAM = """set -e
mkdir -p $DESTDIR/usr/bin
echo '#include <stdio.h>' >main.c
echo 'int {function}(void); int main(void) {{ return printf("%d", {function}()) < 0; }}' >>main.c
cc -o $DESTDIR/usr/bin/{name} main.c -lf
"""
F = "int f(void) { return %d; }"


def library(site: Site, version: str, soname: int = 1, code: str = F % 1) -> None:
    site.script("lib", LIBRARY.format(soname=soname, code=code), version=version)


def program(site: Site, name: str, function: str = "f", version: str = "1.0") -> None:
    text = PROGRAM.format(name=name, function=function)
    site.script(name, text, top='makedepends = ["lib"]', version=version)


def says(site: Site, name: str) -> str:
    """What a stowed program prints."""
    return site.xsrc("chroot", name).ok().out.strip()


def stowed(site: Site) -> list[str]:
    return [line[2:].split()[0] for line in site.xsrc("list").ok().out.splitlines() if line.startswith("*")]


@pytest.mark.parametrize("words", [("one",), ("-f", "one"), ("one", "two"), ("-k", "needs:lib"), ("lib", "one")])
def test_a_new_library_stays_out_of_the_root(site: Site, words: tuple[str, ...]) -> None:
    """github.com/Homebrew/brew/issues/17906, github.com/void-linux/xbps/issues/279."""
    library(site, "1.0")
    program(site, "one")
    program(site, "two")
    site.build("one", "two")
    library(site, "2.0", soname=2, code=F % 2)
    result = site.xsrc("build", *words)
    if result.code:  # two is linked with the old one, and was not built again
        assert words in [("one",), ("-f", "one"), ("lib", "one")]
        result.ended(5, "two-1.0_1 needs libf.so.1 (/usr/bin/two), and gets lib-2.0_1", "xsrc build two")
        assert says(site, "one") == says(site, "two") == "1"
        assert "lib-1.0_1" in stowed(site)
        result = site.xsrc("build", "two").ok()
    site.xsrc("build", "one", "two").ok()
    assert stowed(site) == ["lib-2.0_1", "one-1.0_1", "two-1.0_1"]
    assert says(site, "one") == says(site, "two") == "2"
    site.xsrc("verify").ok()


def test_a_new_symbol_of_the_same_soname_is_missing(site: Site) -> None:
    """github.com/Homebrew/homebrew-core/issues/33364."""
    library(site, "1.0")
    program(site, "app")
    site.build("app")
    library(site, "1.1", code=f"{F % 2} int g(void) {{ return 3; }}")
    program(site, "app", "g", version="1.1")
    site.build("--no-stow", "app")
    site.xsrc("stow", "app").ok("lib-1.1_1: stowed in place of lib-1.0_1")
    assert says(site, "app") == "3"
    site.xsrc("stow", "lib@1.0").ended(5, "app-1.1_1 needs g of libf.so.1 (/usr/bin/app), and lib-1.0_1 lacks it")
    assert says(site, "app") == "3"
    site.xsrc("stow", "--force", "lib@1.0").ok()
    result = site.xsrc("verify").ended(1, "hint: xsrc build app")
    assert "unmet    /usr/bin/app: app-1.1_1: needs g of libf.so.1, and lib-1.0_1 lacks it" in result.out
    site.xsrc("stow", "app").ok("lib-1.1_1: stowed in place of lib-1.0_1")
    site.xsrc("verify").ok()


def test_a_library_is_taken_away_from_under_a_program(site: Site) -> None:
    """github.com/void-linux/xbps/issues/85."""
    library(site, "1.0")
    program(site, "app")
    site.build("app")
    library(site, "2.0", soname=2)
    before = site.stowed_root()
    site.xsrc("build", "lib").ended(5, "app-1.0_1 needs libf.so.1 (/usr/bin/app)", "hint: xsrc build app")
    assert site.stowed_root() == before
    site.xsrc("unstow", "lib").ended(5, "app-1.0_1 needs libf.so.1", "hint: xsrc unstow lib app")
    assert site.stowed_root() == before
    site.xsrc("build", "app").ok()
    assert stowed(site) == ["app-1.0_1", "lib-2.0_1"]
    assert says(site, "app") == "1"


def test_new_builds_of_dependents_are_taken_along(site: Site) -> None:
    library(site, "1.0")
    program(site, "app")
    site.build("app")
    library(site, "2.0", soname=2)
    site.build("--no-stow", "app")
    assert "lib-1.0_1" in stowed(site)
    assert says(site, "app") == "1"
    site.xsrc("stow", "lib").ok()
    assert stowed(site) == ["app-1.0_1", "lib-2.0_1"]
    assert says(site, "app") == "1"
    site.xsrc("rollback").ok()
    assert "lib-1.0_1" in stowed(site)
    assert says(site, "app") == "1"
    site.xsrc("verify").ok()


@pytest.mark.parametrize("words", [("old", "new"), ("new", "old")])
def test_the_order_of_words_chooses_the_version(site: Site, words: tuple[str, str]) -> None:
    """github.com/void-linux/xbps/issues/392."""
    for version in ("1.0", "2.0"):
        site.script("lib", version=version)
        site.build("--no-stow", "lib")
    site.script("old", top='depends = ["lib<2"]')
    site.script("new", top='depends = ["lib>=2"]')
    site.build("--no-stow", "new")
    site.script("lib", version="1.0")
    site.build("--no-stow", "old")
    site.xsrc("stow", *words).ended(5, "needs lib")
    assert stowed(site) == []
    site.xsrc("stow", "new").ok()
    before = site.stowed_root()
    site.xsrc("stow", "old").ended(5, "new-1.0_1 needs lib>=2, and gets lib-1.0_1")
    site.xsrc("stow", "lib@1.0").ended(5, "new-1.0_1 needs lib>=2, and gets lib-1.0_1")
    assert site.stowed_root() == before


def test_two_bounds_of_one_package(site: Site) -> None:
    """Of two bounds the second was ignored."""
    for version in ("1.0", "1.5", "2.0"):
        site.script("lib", version=version)
        site.build("--no-stow", "lib")
    site.script("lib", version="1.5")
    site.script("mid", top='depends = ["lib>=1.2", "lib<2"]')
    site.script("between", top='depends = ["lib>=1.2<2"]')
    site.build("--no-stow", "mid", "between")
    site.script("lib", version="2.0")
    for name in ("mid", "between"):
        site.xsrc("stow", name).ok("lib-1.5_1: stowed")
        site.xsrc("unstow", name, "lib").ok()


def test_a_stowed_provider_is_forgotten_for_an_old_build(site: Site) -> None:
    """github.com/void-linux/xbps/issues/218: who needs the old name of a package that was renamed."""
    site.script("old", "mkdir -p $DESTDIR/usr/bin; echo old >$DESTDIR/usr/bin/t")
    site.script("user", top='depends = ["old>=1"]')
    site.build("user")
    (site.root / "templates/old/template.toml").unlink()
    (site.root / "templates/old").rmdir()
    site.script(
        "new",
        "mkdir -p $DESTDIR/usr/bin; echo new >$DESTDIR/usr/bin/t",
        top='replaces = ["old"]\nprovides = ["old=2.0"]',
    )
    site.build("new")
    assert stowed(site) == ["new-1.0_1", "user-1.0_1"]
    site.build("user")
    site.xsrc("stow", "user").ok()
    site.xsrc("unstow", "user").ok()
    site.xsrc("stow", "user").ok()
    assert stowed(site) == ["new-1.0_1", "user-1.0_1"]
    site.xsrc("unstow", "user", "new").ok()
    site.xsrc("stow", "user").ok()
    assert stowed(site) == ["new-1.0_1", "user-1.0_1"], "not the one whose template is gone"


def test_what_the_tree_went_back_to_is_stowed(site: Site) -> None:
    """github.com/void-linux/void-packages/issues/9301: a version that was taken back."""
    for version in ("2.0", "1.9"):
        site.script("foo", version=version)
        site.build("foo")
    assert stowed(site) == ["foo-1.9_1"]
    site.xsrc("unstow", "foo").ok()
    site.xsrc("stow", "foo").ok("foo-1.9_1: stowed")
    site.xsrc("unstow", "foo").ok()
    site.script("bar", top='depends = ["foo"]')
    site.build("bar")
    assert stowed(site) == ["bar-1.0_1", "foo-1.9_1"]


def test_a_version_that_is_not_stowed_is_not_unstowed(site: Site) -> None:
    site.script("foo")
    site.build("foo")
    site.xsrc("unstow", "foo@9.9").ended(2, "foo@9.9 is not stowed, but foo-1.0_1 is")
    assert stowed(site) == ["foo-1.0_1"]
    site.xsrc("unstow", "foo@1.0").ok()


def script(site: Site, word: str) -> None:
    make = f"printf '#!/bin/sh\\necho {word}\\n' >$DESTDIR/usr/bin/app"
    site.script("app", f"mkdir -p $DESTDIR/usr/bin; {make}; chmod +x $DESTDIR/usr/bin/app")


def test_no_stow_changes_the_root(site: Site) -> None:
    script(site, "one")
    site.build("app")
    before = site.stowed_root()
    script(site, "two")
    site.build("--no-stow", "app")
    assert site.stowed_root() == before
    assert says(site, "app") == "one"
    site.xsrc("verify").ok()
    assert "up to date" in site.xsrc("build", "--no-stow", "app").ok().err
    site.xsrc("stow", "app").ok()
    assert says(site, "app") == "two"
    site.xsrc("rollback").ok()
    assert says(site, "app") == "one"
    assert "built" not in site.xsrc("build", "app").ok().err.replace("is built", ""), "the second build is still there"
    assert says(site, "app") == "two"


def test_a_wave_that_fails_leaves_the_root_as_it_was(site: Site) -> None:
    library(site, "1.0")
    program(site, "one")
    program(site, "two")
    site.build("one", "two")
    before = site.stowed_root()
    library(site, "1.0", code=F % 2)
    site.script("two", "exit 1", top='makedepends = ["lib"]')
    site.xsrc("build", "one", "two").ended(1)
    assert site.stowed_root() == before
    assert says(site, "one") == "1"
    program(site, "two")
    site.build("one", "two")
    assert says(site, "one") == says(site, "two") == "2"


def test_a_build_that_is_kept_aside_is_used_again(site: Site) -> None:
    """A -> B -> A built A twice."""
    site.script("app", "mkdir -p $DESTDIR/usr/bin; echo one >$DESTDIR/usr/bin/app")
    site.build("app")
    site.script("app", "mkdir -p $DESTDIR/usr/bin; echo two >$DESTDIR/usr/bin/app")
    site.build("app")
    site.script("app", "mkdir -p $DESTDIR/usr/bin; echo one >$DESTDIR/usr/bin/app")
    assert "app-1.0_1: built" not in site.build("app").err
    assert (site.masterdir / "usr/bin/app").read_text() == "one\n"
