"""xsrc test: what templates try on what is stowed."""

from __future__ import annotations

from tests.e2e.build.test_depends import PROGRAM_OF_SH
from tests.e2e.kit.site import Site


def test_tests_of_templates_run_in_the_stowed_root(site: Site) -> None:
    install = PROGRAM_OF_SH.format(name="greet", said="hello")
    tries = '[ "$(greet)" = hello ]; [ "$PWD" = /tmp ]; touch file; ! touch /usr/file; ! [ -e /sys/class/net/eth0 ]'
    site.script("greet", install, top=f"test = '''{tries}'''")
    site.script("none")
    site.xsrc("test", "greet").ended(2, "greet is not stowed", "hint: xsrc stow greet")
    site.build("greet")
    site.build("none")
    assert site.xsrc("test", "--all").ok("1 without a test").out.startswith("greet-1.0_1: works (")

    before = site.destdir("greet-1.0_1").stat().st_mtime_ns
    site.script("greet", install, top="test = 'echo looked; greet; exit 255'")
    result = site.xsrc("test", "greet")
    result.ended(1, "1 failed")
    lines = result.out.splitlines()
    assert lines[0].startswith("greet-1.0_1: failed: exit code 255 (") and lines[1:] == ["  | looked", "  | hello"]
    site.build("greet").ok("up to date")
    assert site.destdir("greet-1.0_1").stat().st_mtime_ns == before, "what is tried is no part of what is built"
