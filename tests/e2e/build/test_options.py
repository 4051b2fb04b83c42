"""Options: chosen by flag and by settings, part of the key, never of another package."""

from __future__ import annotations

import json

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site

OPTIONS = """
[options.fancy]
desc = "Fancy output"
configure = { on = ["--fancy"], off = ["--plain"] }
env = { FANCY = "yes" }
[options.small]
desc = "Small"
default = true
conflicts = ["huge"]
[options.huge]
desc = "Huge"
makedepends = ["lib"]
[[when]]
if = { option = "fancy" }
configure_args = ["--when"]
"""


def site_with_options(site: Site) -> Site:
    site.hello(tables=OPTIONS)
    site.script("lib")
    return site


def said(site: Site) -> str:
    return site.log("configure").strip().rpartition("--host=")[2].partition(" ")[2]


def test_on_and_off(site: Site) -> None:
    site_with_options(site)
    site.build("hello")
    assert said(site) == "--plain"
    site.build("-o", "fancy", "hello").ok("changed: ")
    assert said(site) == "--fancy --when"
    assert site.xsrc("build", "-o", "fancy", "hello").ok().err.count("up to date") == 1
    site.build("-o", "fancy,~fancy", "hello")
    assert said(site) == "--plain"


def test_option_of_one_package(site: Site) -> None:
    site_with_options(site)
    site.script("app", top='makedepends = ["hello"]')
    site.build("-o", "hello.fancy", "app")
    assert said(site) == "--fancy --when"
    listed = json.loads(site.xsrc("list", "--json").ok().out)
    assert {row["pkgver"]: row["options"] for row in listed}["hello-1.0_1"] == ["fancy", "small"]


def test_option_brings_a_dependency(site: Site) -> None:
    site_with_options(site)
    assert "lib" not in site.xsrc("build", "-n", "hello").ok().out
    assert "build lib-1.0_1" in site.xsrc("build", "-n", "-o", "huge,~small", "hello").ok().out
    assert "lib-1.0_1" in site.xsrc("deps", "-o", "huge,~small", "hello").ok().out


def test_options_that_exclude_each_other(site: Site) -> None:
    site_with_options(site)
    site.xsrc("build", "-o", "huge", "hello").ended(2, "small and huge exclude each other", "hint: add -o ~")


def test_unknown_option_names_the_nearest(site: Site) -> None:
    site_with_options(site)
    site.xsrc("build", "-o", "fanci", "hello").ended(
        2, "no option 'fanci'", "fancy, small, huge", "did you mean fancy?"
    )
    site.xsrc("build", "-o", "x", "lib").ended(2, "it has none")


def test_option_of_a_package_that_is_not_in_the_plan(site: Site) -> None:
    """`-o NAME.opt` for a misspelt NAME must not be ignored."""
    site_with_options(site)
    site.xsrc("build", "-o", "helo.fancy", "hello").ended(2, "helo")


def test_options_of_the_settings(site: Site) -> None:
    site_with_options(site)
    site.settings('[options]\nhello = ["fancy"]\n')
    env = {"HOME": str(site.root / "home")}
    site.build("hello", env=env)
    assert said(site) == "--fancy --when"
    site.build("-o", "~fancy", "hello", env=env)
    assert said(site) == "--plain"


def test_options_of_a_package_that_is_shown_by_its_subpackage(site: Site) -> None:
    """No option is dropped: it is the package's, and one of no package that is shown is an error."""
    tables = '[subpackages.two-doc]\nfiles = ["usr/share/doc"]\n[options.fancy]\ndesc = "Fancy output"\n'
    site.script("two", tables=tables)
    site.xsrc("show", "-o", "nothing", "two-doc").ended(2, "no option 'nothing'")
    site.xsrc("show", "-o", "other.fancy", "two-doc").ended(2, "-o other.…: other is none of what is shown")
    site.xsrc("show", "-o", "fancy", "two-doc").ok()


def test_show_prints_the_chosen_options(site: Site) -> None:
    site_with_options(site)
    shown = json.loads(site.xsrc("show", "-o", "fancy", "--json", "hello").ok().out)["hello"]
    assert shown["options"]["fancy"] == {"on": True, "desc": "Fancy output"}
    assert shown["configure_args"] == ["--fancy", "--when"]


def test_flags_and_vars_reach_the_build(site: Site) -> None:
    tables = '[flags]\nCFLAGS = "-DX=1"\n[vars]\nword = "w"\n[env]\nMINE = "{version}-{vars.word}"\n'
    site.script("f", tables=tables, do_build='echo "$CFLAGS|$MINE|$word"\n')
    site.build("f")
    assert site.log("build", "f-1.0_1").strip().endswith("-DX=1|1.0-w|w")


def test_meta_package_builds_and_stows_what_it_gathers(site: Site) -> None:
    site.script("one")
    site.script("two", top='depends = ["one>=1.0"]')
    site.template("all", pack.template("all", style="meta", top='depends = ["two"]'))
    site.build("all").ok("all-1.0_1: stowed", "two-1.0_1: stowed", "one-1.0_1: stowed")
    assert (site.masterdir / "usr/share/one").is_symlink()
    assert site.xsrc("files", "all").ok().out == ""
    site.xsrc("unstow", "--force", "one").ok("warning: two-1.0_1 needs one>=1.0, and no package of the root has it")
