"""Limits of a phase: what goes beyond is ended, the message names the setting, and nothing else is taken along."""

from __future__ import annotations

import pytest

from tests.e2e.kit import look
from tests.e2e.kit.site import Site

GREEDY = "dd if=/dev/zero of=/dev/null bs=900M count=1 2>&1 || { echo Cannot allocate memory; exit 1; }"
FORK_BOMB = "f() { f | f & }; f; wait; sleep 60"


@pytest.mark.parametrize(
    ("limit", "script", "words"),
    [
        ("seconds = 2", "while :; do echo working; sleep 0.2; done", "it ran for 2 seconds (limits.seconds)"),
        ("silent_seconds = 2", "sleep 600", "it said nothing for 2 seconds (limits.silent_seconds)"),
        ("log_mib = 1", "yes", "it said more than 1 MiB (limits.log_mib)"),
        ("memory_mib = 200", GREEDY, "(limits.memory_mib = 200)"),
    ],
)
def test_what_goes_beyond_a_limit_is_ended(site_in_mode: Site, limit: str, script: str, words: str) -> None:
    site = site_in_mode
    site.script("greedy", do_build=f"{script}\n")
    site.write(".xsrc.toml", f"[limits]\n{limit}\n")
    site.xsrc("build", "greedy").ended(1, "greedy-1.0_1: build failed", words, "hint: xsrc shell greedy")
    look.gone(str(site.masterdir))
    site.write(".xsrc.toml", "")
    site.script("greedy", do_build="true\n")
    site.build("greedy")


def test_a_fork_bomb_is_held_and_leaves_nothing(site_in_mode: Site) -> None:
    site = site_in_mode
    site.write(".xsrc.toml", "[limits]\nprocesses = 300\nseconds = 4\n")
    site.script("bomb", do_build=f"{FORK_BOMB}\n")
    site.script("other")
    site.xsrc("build", "bomb").ended(1, "bomb-1.0_1: build failed")
    if site.land.is_root:
        look.until(lambda: not look.processes_of(site.land.user.uid), "no process of P", look.GRACE)
    site.build("other")


def test_settings_of_limits_are_checked(site: Site) -> None:
    site.script("hello")
    site.write(".xsrc.toml", "[limits]\nsecods = 1\nlog_mib = -1\n")
    site.xsrc("build", "hello").ended(
        3, ".xsrc.toml:2:1: error: limits.secods: unknown key", "did you mean", "limits.log_mib"
    )
