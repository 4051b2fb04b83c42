"""`xsrc build -n`, and the switches that say how far a build goes and what it does again."""

from __future__ import annotations

import pytest

from tests.e2e.kit import look, pack
from tests.e2e.kit.site import Site

PHASES = ("fetch", "extract", "patch", "configure", "build", "check", "install")
PATCH = "--- a/COPYING\n+++ b/COPYING\n@@ -1 +1 @@\n-Do what you want.\n+Do what you will.\n"


def everything(site: Site) -> dict[str, str]:
    """All of the masterdir but who held a lock last."""
    return look.tree(site.masterdir, lambda path: path.endswith(".lock"))


def patched(site: Site) -> None:
    """hello, with something to do in every phase."""
    site.hello()
    site.write("templates/hello/patches/copying.patch", PATCH)


def test_plan_of_a_first_build_makes_nothing(site: Site) -> None:
    site.hello()
    before = look.tree(site.root)
    result = site.xsrc("build", "-n", "hello").ok()
    assert result.out == "build hello-1.0_1: first build\nstow  hello-1.0_1\n"
    assert look.tree(site.root) == before


def test_plan_changes_nothing(site: Site) -> None:
    site.hello()
    site.build("hello")
    before = everything(site)
    assert site.xsrc("build", "-n", "hello").ok().out == "keep  hello-1.0_1: up to date\nstow  hello-1.0_1\n"
    assert "build hello-1.0_1: forced (" in site.xsrc("build", "-nf", "hello").ok().out
    site.hello(tables='[env]\nODD = "1"\n')
    assert "build hello-1.0_1: changed: env.ODD (" in site.xsrc("build", "-n", "hello").ok().out
    for verb in ("fetch", "extract", "patch", "configure", "check", "install-destdir"):
        assert "hello-1.0_1" in site.xsrc(verb, "-n", "hello").ok().out
    for verb in ("stow", "unstow", "restow"):
        site.xsrc(verb, "-n", "hello").ok()
    assert everything(site) == before


def test_plan_of_stow_and_unstow_lists_every_link(site: Site) -> None:
    site.hello()
    site.build("--no-stow", "hello")
    link = "usr/bin/hello -> ../../pkg-destdir/hello-1.0_1/usr/bin/hello"
    assert site.xsrc("stow", "-n", "hello").ok().out.splitlines() == ["+ hello-1.0_1", f"  + {link}"]
    site.xsrc("stow", "hello").ok()
    assert site.xsrc("unstow", "-n", "hello").ok().out.splitlines() == ["- hello-1.0_1", "  - usr/bin/hello"]


def test_plan_with_dependencies_is_in_order(site: Site) -> None:
    site.script("lib")
    site.script("tool", top='makedepends = ["lib"]')
    site.script("app", top='hostmakedepends = ["tool"]\ndepends = ["data"]')
    site.script("data")
    lines = site.xsrc("build", "-n", "app").ok().out.splitlines()
    built = [line.split()[1].rstrip(":") for line in lines if line.startswith("build")]
    assert sorted(built) == ["app-1.0_1", "data-1.0_1", "lib-1.0_1", "tool-1.0_1"]
    assert built.index("lib-1.0_1") < built.index("tool-1.0_1") < built.index("app-1.0_1")
    assert [line for line in lines if line.startswith("stow")] == ["stow  app-1.0_1", "stow  data-1.0_1"]


def test_force_builds_again_although_nothing_has_changed(site: Site) -> None:
    site.hello()
    site.build("hello")
    before = site.farm()
    site.xsrc("build", "-f", "hello").ok("hello-1.0_1: build begins (forced)", "hello-1.0_1: built (forced)")
    assert site.farm() == before


def test_keep_leaves_the_work_directory(site: Site) -> None:
    site.hello()
    site.build("-K", "hello")
    assert (site.work() / "wrksrc/hello").is_file()
    site.build("-f", "hello")
    assert not site.work().exists()


@pytest.mark.parametrize("phase", PHASES)
def test_to_stops_after_a_phase(site: Site, phase: str) -> None:
    patched(site)
    result = site.build("-v", "--to", phase, "hello")
    done = PHASES[: PHASES.index(phase) + 1]
    every = [f"hello-1.0_1: {name}" for name in PHASES]
    assert [line for line in result.lines if line in every] == every[: len(done)]
    assert site.destdir().exists() == (phase == "install")
    # the rest goes on from there
    rest = site.build("-v", "hello")
    for name in PHASES:
        assert (f"hello-1.0_1: {name}" in rest.lines) == (name not in done), name
    rest.ok("stowed")


@pytest.mark.parametrize(
    ("verb", "phase"), [(phase, phase) for phase in PHASES[:4]] + [("check", "check"), ("install-destdir", "install")]
)
def test_phase_verbs_keep_the_work_and_do_not_stow(site: Site, verb: str, phase: str) -> None:
    patched(site)
    result = site.xsrc(verb, "hello").ok(f"hello-1.0_1: {'build' if phase == 'install' else phase} begins (")
    assert not any("stow" in line for line in result.lines)
    assert site.work().is_dir()
    assert not (site.masterdir / "usr/bin/hello").is_symlink()
    if phase != "fetch":
        assert (site.work() / "wrksrc/hello.c").is_file()
    assert (site.work() / "wrksrc/config.mk").exists() == (phase in ("configure", "check", "install"))


def test_phase_verb_of_a_package_that_is_up_to_date(site: Site) -> None:
    """It was asked for by name, so its sources are there afterwards."""
    site.hello()
    site.build("hello")
    before = site.farm()
    site.xsrc("configure", "hello").ok()
    assert (site.work() / "wrksrc/config.mk").is_file()
    assert site.farm() == before


def test_no_stow_then_build_stows(site: Site) -> None:
    site.hello()
    result = site.build("--no-stow", "hello")
    assert "stowed" not in result.err
    assert site.destdir().is_dir() and not (site.masterdir / "usr/bin/hello").is_symlink()
    site.xsrc("build", "hello").ok("hello-1.0_1: stowed", "up to date")
    assert (site.masterdir / "usr/bin/hello").is_symlink()


def test_no_check_leaves_the_tests_out(site: Site) -> None:
    site.hello(Makefile=pack.MAKEFILE.replace("./hello | grep '^hello'", "false"))
    site.xsrc("build", "hello").ended(1, "check failed")
    result = site.build("-v", "--no-check", "hello")
    assert "hello-1.0_1: install" in result.lines and "hello-1.0_1: check" not in result.lines


def test_what_only_tests_need_is_not_built_for_what_runs_none(site: Site) -> None:
    site.script(
        "prover", "mkdir -p $DESTDIR/usr/bin\necho '#!/bin/sh' >$DESTDIR/usr/bin/prover\nchmod +x $DESTDIR/usr/bin/*\n"
    )
    site.hello(top='checkdepends = ["prover"]', Makefile=pack.MAKEFILE.replace("./hello | grep '^hello'", "prover"))
    site.xsrc("configure", "hello").ok()
    site.build("--no-check", "hello")
    assert site.xsrc("list").out.startswith("* hello-1.0_1 ")
    assert "prover" not in site.xsrc("list").out
    site.xsrc("build", "hello").ok("up to date and stowed")
    assert "prover-1.0_1: built (first build)" in site.build("-f", "hello").err
    site.script(
        "prover",
        "mkdir -p $DESTDIR/usr/bin\nprintf '#!/bin/sh\\n:\\n' >$DESTDIR/usr/bin/prover\nchmod +x $DESTDIR/usr/bin/*\n",
    )
    assert "built" not in site.build("--no-check", "hello").err
    said = site.build("hello").err
    assert "prover-1.0_1: built (changed" in said and "hello-1.0_1: built (prover: another result)" in said


def test_what_failed_its_tests_goes_on_without_them_and_what_they_needed(site: Site) -> None:
    site.script("prover", "mkdir -p $DESTDIR/usr/bin\ncp /bin/false $DESTDIR/usr/bin/prover\n")
    site.hello(top='checkdepends = ["prover"]', Makefile=pack.MAKEFILE.replace("./hello | grep '^hello'", "prover"))
    site.xsrc("build", "hello").ended(1, "check failed")
    site.xsrc("gc", "--all").ok()
    assert not site.destdir("prover-1.0_1").exists()
    said = site.build("-v", "--no-check", "hello").err
    assert "hello-1.0_1: install" in said and "hello-1.0_1: build\n" not in said


def test_make_check_false_has_no_check_phase(site: Site) -> None:
    site.hello(top="make_check = false", Makefile=pack.MAKEFILE.replace("./hello | grep '^hello'", "false"))
    assert "hello-1.0_1: check" not in site.build("-v", "hello").lines


def test_jobs_are_given_to_make(site: Site) -> None:
    site.script("j", do_build='echo "jobs $MAKEJOBS"\n')
    site.build("-j", "7", "j")
    assert site.log("build", "j-1.0_1") == "jobs 7\n"
    site.script("j", do_build='echo "jobs $MAKEJOBS"\n', top="disable_parallel_build = true")
    site.build("-j7", "j")
    assert site.log("build", "j-1.0_1") == "jobs 1\n"
    site.xsrc("build", "-j", "0", "j").ended(2)


def test_jobs_are_no_part_of_the_key(site: Site) -> None:
    site.hello()
    site.build("-j1", "hello")
    site.xsrc("build", "-j2", "hello").ok("up to date")


def test_verbose_streams_what_the_build_says(site: Site) -> None:
    site.script("loud", do_build="echo LOUD AND CLEAR\n")
    assert "LOUD AND CLEAR" not in site.build("loud").err
    assert "LOUD AND CLEAR" in site.xsrc("-v", "build", "-f", "loud").ok().err
    assert "LOUD AND CLEAR" in site.xsrc("build", "-v", "-f", "loud").ok().err


def test_several_names_at_once(site: Site) -> None:
    site.script("one")
    site.script("two")
    site.build("two", "one", "two").ok("one-1.0_1: built", "two-1.0_1: built")
    assert (site.masterdir / "usr/share/one").is_symlink() and (site.masterdir / "usr/share/two").is_symlink()


def test_names_are_left_out_inside_the_templates_folder(site: Site) -> None:
    site.hello()
    here = site.root / "templates/hello"
    site.xsrc("build", cwd=here).ok("hello-1.0_1: stowed")
    assert site.xsrc("files", cwd=here).ok().out == "/usr/bin/hello\n"
    assert site.xsrc("show", "version", cwd=here).ok().out == "1.0\n"
    assert "configured with" in site.xsrc("log", "configure", cwd=here).ok().out
    site.xsrc("unstow", cwd=here).ok("hello: unstowed")
    site.xsrc("stow", cwd=here).ok()
    site.write("templates/hello/files/x", "")
    site.xsrc("build", "-n", cwd=here / "files").ok()


@pytest.mark.parametrize("verb", ["build", "fetch", "stow", "unstow", "files", "show", "deps", "shell", "log"])
def test_no_name_elsewhere_is_a_usage_error(site: Site, verb: str) -> None:
    site.xsrc(verb).ended(2, "hint: xsrc ")


def test_names_as_the_shell_completes_them(site: Site) -> None:
    site.hello()
    site.build("templates/hello/").ok("hello-1.0_1: stowed")


def test_masterdir_by_flag_before_and_after_the_verb(site: Site) -> None:
    site.hello()
    one, two = site.root / "one", site.root / "two"
    site.xsrc("-m", one, "build", "hello").ok(f"stowed into {one}")
    site.xsrc("build", "-m", "two", "hello").ok(f"stowed into {two}")
    assert (one / "bin/hello").is_file() and (two / "bin/hello").is_file()
    assert not site.masterdir.exists()


def test_masterdir_by_environment(site: Site) -> None:
    site.hello()
    other = site.root / "other"
    site.xsrc("build", "hello", env={"XSRC_MASTERDIR": str(other)}).ok(f"stowed into {other}")
    third = site.root / "third"
    site.xsrc("build", "-m", third, "hello", env={"XSRC_MASTERDIR": str(other)}).ok(f"stowed into {third}")


def test_looking_at_sources_builds_nothing_for_them(site: Site) -> None:
    """`extract openldap` wanted perl, openssl, lmdb and cyrus-sasl first."""
    site.script("tool")
    site.hello(top='hostmakedepends = ["tool"]\nmakedepends = ["tool"]\ndepends = ["tool"]')
    for verb in ("extract", "patch"):
        assert "tool" not in site.xsrc(verb, "-n", "hello").ok().out
        assert "tool-1.0_1" not in site.xsrc(verb, "hello").ok().err
    assert "hello.c" in site.xsrc("shell", "hello", "ls").ok().out
    assert site.xsrc("list").ok().out == ""

    # a build goes on with those sources
    site.build("--no-stow", "tool")
    result = site.build("-v", "--no-stow", "hello")
    assert "hello-1.0_1: extract" not in result.err
    assert "hello-1.0_1: configure" in result.err
