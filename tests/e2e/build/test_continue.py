"""A template that was changed after a failure continues at the phase that the change concerns."""

from __future__ import annotations

from typing import Any

from tests.e2e.kit.site import Site

INSTALL = "mkdir -p $DESTDIR/usr/share/t; cp count $DESTDIR/usr/share/t/; : >$DESTDIR/usr/share/t/doc\n"
PHASES = ("extract", "configure", "build", "check", "install")


def phases(said: str) -> list[str]:
    """The phases of t that a command ran."""
    return [phase for phase in PHASES if f"t-1.0_1: {phase}\n" in said]


def same_as_fresh(site: Site, number: int) -> None:
    """What was continued is what is built from nothing, bit for bit."""
    other = site.root / f"fresh-{number}"
    site.build("-m", str(other), "--no-stow", "t")
    for one in ("t-1.0_1", "t-doc-1.0_1"):
        if (other / "pkg-destdir" / one).exists():
            files = (site.destdir(one) / "files.plist").read_bytes()
            assert files == (other / "pkg-destdir" / one / "files.plist").read_bytes()


def test_a_change_continues_at_the_phase_that_it_concerns(site: Site) -> None:
    """Each change of a template cost the whole build again."""

    def say(check: str = "exit 3\n", install: str = INSTALL, **more: Any) -> None:
        more = {"do_configure": "echo 1 >>count\n", "do_build": "echo 2 >>count\n", **more}
        site.script("t", install, do_check=check, **more)

    site.script("tool")
    site.build("--no-stow", "tool")
    say()
    site.xsrc("build", "-v", "--no-stow", "t").ended(1, "t-1.0_1: check failed: exit code 3")

    say("test -f /usr/share/tool; exit 4\n", top='checkdepends = ["tool"]')
    assert phases(site.xsrc("build", "-v", "--no-stow", "t").ended(1, "check failed: exit code 4").err) == ["check"]

    sub = '[subpackages.t-doc]\nshort_desc = "Words"\nfiles = ["usr/share/none"]\n'
    say(":\n", tables=sub)
    result = site.xsrc("build", "-v", "--no-stow", "t").ended(3, "it matches nothing that is installed")
    assert phases(result.err) == ["check", "install"]

    assert "continues at install" in site.xsrc("why", "t").ok().out
    say(":\n", tables=sub.replace("none", "t/doc"))
    assert phases(site.build("-v", "--no-stow", "t").err) == ["install"]
    assert (site.destdir("t-1.0_1") / "usr/share/t/count").read_text() == "1\n2\n"
    same_as_fresh(site, 1)

    # what comes before the tests begins anew
    say("exit 5\n")
    site.xsrc("build", "-v", "--no-stow", "t").ended(1, "check failed: exit code 5")
    say(":\n", do_build="echo 3 >>count\n")
    assert phases(site.build("-v", "--no-stow", "t").err) == ["extract", "configure", "build", "check", "install"]
    assert (site.destdir("t-1.0_1") / "usr/share/t/count").read_text() == "1\n3\n"

    # a reason takes the place of tests that fail
    say("exit 6\n", do_build="echo 4 >>count\n")
    site.xsrc("build", "-v", "--no-stow", "t").ended(1, "check failed: exit code 6")
    say("exit 6\n", do_build="echo 4 >>count\n", top='make_check = "they want a network"')
    assert phases(site.build("-v", "--no-stow", "t").err) == ["install"]
    same_as_fresh(site, 2)
