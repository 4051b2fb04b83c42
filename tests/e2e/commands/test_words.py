"""Words of the command line: none is dropped in silence, and a package is named as xsrc itself prints it."""

from __future__ import annotations

from tests.e2e.kit.site import Site


def test_names_are_neither_dropped_nor_misunderstood(site: Site) -> None:
    """`gc --all ed` removed zlib; `stow dash-0.5.12_1` said that it is not built; `stow A@1 A@2` stowed one of them."""
    for version in ("1.0", "2.0"):
        site.script("tool", version=version)
        site.build("tool")
    site.script("other")
    site.build("other")
    site.xsrc("unstow", "other").ok()
    site.xsrc("gc", "--all", "--keep", "0", "tool").ended(2, "gc takes no names, got 'tool'")
    assert site.destdir("other-1.0_1").is_dir()
    for verb in ("verify", "history", "doctor", "list"):
        site.xsrc(verb, "nosuch").ended(2, f"{verb} takes no names")

    site.xsrc("stow", "tool-1.0_1").ok("tool-1.0_1: stowed in place of tool-2.0_1")
    site.xsrc("stow", "tool@1.0", "tool@2.0").ended(2, "tool@1.0 and tool@2.0: the root has one version of tool")
    site.xsrc("stow", "tool@1.0", "tool-1.0_1").ok("already stowed")
    site.xsrc("stow", "tool@").ended(2, "want NAME or NAME@VERSION, got 'tool@'")
    site.xsrc("stow", "tol").ended(2, "tol is not built", "did you mean tool?")
    assert "/usr/share/tool" in site.xsrc("files", "tool-2.0_1").ok().out
    site.xsrc("unstow", "tool-1.0_1").ok("tool: unstowed")

    site.build("tool-2.0_1").ok("up to date")
    site.build("tool@2.0").ok("up to date")
    site.xsrc("build", "tool-1.0_1").ended(
        2, "tool-1.0_1: the tree has tool-2.0_1", "hint: leave out the version: tool"
    )
    for words in (("why", "tool-2.0_1"), ("deps", "tool-2.0_1"), ("log", "tool-2.0_1"), ("show", "tool-2.0_1", "name")):
        site.xsrc(*words).ok()
    site.xsrc("log", "tool", "instal").ended(2, "want a phase", "did you mean install?")


def test_check_deps_looks_at_the_build_of_the_template(site: Site) -> None:
    """It looked at the newest build, also where the template had gone back to an older version."""
    site.script("tool", version="2.0")
    site.build("tool")
    site.script("tool", version="1.0")
    site.build("tool")
    assert "is what is built" not in site.xsrc("check-deps", "tool").ok().err
