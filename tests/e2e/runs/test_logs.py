"""Logs of builds: nothing of them is lost, whatever ends a build or runs after it."""

from __future__ import annotations

import contextlib
import json
import signal
from pathlib import Path

from tests.e2e.kit import look, people
from tests.e2e.kit.site import Site

WAITS = (
    "echo checking whether it waits\nfor i in $(seq 300); do [ ! -e go ] || break; sleep 0.1; done\necho it went on\n"
)


def reads(pid: int, name: str) -> bool:
    """Whether a process has a file of this name open."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # it was closed meanwhile
            if entry.readlink().name == name:
                return True
    return False


def test_what_a_killed_build_printed_is_in_its_log(site: Site) -> None:
    """https://github.com/containerbuildsystem/koji-containerbuild/pull/42: up to 8 KiB were only in memory."""
    site.script("hang", do_build=WAITS)
    with people.ended(site.start("build", "hang")) as running:
        log = site.masterdir / "var/db/xsrc/logs/hang-1.0_1/build.log"
        look.until(lambda: log.exists() and log.read_text(), "it prints")
        running.signal(signal.SIGKILL)
        running.wait()
    assert site.xsrc("log", "hang", "build").ok().out == "checking whether it waits\n"


def test_a_running_phase_is_followed_to_the_end_of_the_build(site: Site) -> None:
    install = "echo installs\nmkdir -p $DESTDIR/usr/share/hang; : >$DESTDIR/usr/share/hang/x\n"
    site.script("hang", install, do_build=WAITS)
    wrksrc = site.work("hang-1.0") / "wrksrc"
    with people.ended(site.start("build", "hang")) as running:
        log = site.masterdir / "var/db/xsrc/logs/hang-1.0_1/build.log"
        look.until(lambda: log.exists() and log.read_text(), "it prints")
        with (
            people.ended(site.start("log", "-f", "hang")) as one,
            people.ended(site.start("log", "-f", "hang", "build")) as two,
        ):
            look.until(lambda: all(reads(running.process.pid, "build.log") for running in (one, two)), "they follow")
            site.land.run("touch", wrksrc / "go").ok()
            said, build = one.wait().ok().out, two.wait().ok().out
        running.wait().ok()
    assert build == "checking whether it waits\nit went on\n"
    assert said.startswith(build) and "installs\n" in said
    site.xsrc("log", "-f", "hang").ok("hang-1.0_1: nothing builds it now")


def test_a_partial_run_keeps_the_logs_of_a_finished_build(site: Site) -> None:
    """`xsrc log dash configure` found nothing after `xsrc build --to extract dash`, although dash was built."""
    site.hello()
    site.build("hello")
    before = {phase: site.log(phase, "hello-1.0_1") for phase in ("configure", "build", "check", "install")}
    for words in (("build", "--to", "extract"), ("fetch",), ("configure",), ("check",)):
        site.xsrc(*words, "hello").ok()
        assert site.xsrc("log", "hello", "install").ok().out == before["install"]
    assert "check.log" in site.xsrc("log", "--path", "hello").ok().out
    runs = site.masterdir / "var/db/xsrc/logs/hello-1.0_1"
    assert {path.name for path in runs.iterdir() if path.is_dir()} == {"1", "2", "3", "4", "5"}
    assert (runs / "1/build.log").read_text() == before["build"]


def test_why_there_is_no_log_of_check(site: Site) -> None:
    site.script("none")
    site.hello()
    site.build("none")
    site.build("--no-check", "hello")
    site.xsrc("log", "none", "check").ended(2, "none: no log of check: its template runs no tests")
    site.xsrc("log", "hello", "check").ended(2, "it was built without its tests", "hint: xsrc check hello")


def test_the_end_of_a_failed_phase_is_not_its_progress(site: Site) -> None:
    """https://github.com/NixOS/nix/issues/4133"""
    progress = "i=0; while [ $i -lt 60 ]; do printf '\\r[%d/60]' $i; i=$((i + 1)); done; printf '\\033[2J\\n'; exit 1\n"
    site.script("bad", do_build=f"echo error: it is broken\n{progress}")
    result = site.xsrc("build", "bad").ended(1, "  | error: it is broken", "  | [59/60]\\x1b[2J")
    assert "\x1b" not in result.err


def test_another_terminal_sees_what_runs(site: Site) -> None:
    site.script("hang", do_build=WAITS)
    with people.ended(site.start("build", "hang")) as running:
        log = site.masterdir / "var/db/xsrc/logs/hang-1.0_1/build.log"
        look.until(lambda: log.exists() and log.read_text(), "it prints")
        said = site.xsrc("status").ok().out
        assert "run 1: xsrc build hang: 0 of 1 done, time left unknown\n" in said
        assert "  hang-1.0_1: build for " in said
        assert f" s (process {running.process.pid} of {site.land.user.name})\n" in said
        (run,) = json.loads(site.xsrc("status", "--json").ok().out)["runs"]
        (job,) = run["jobs"]
        assert (job["pkgver"], job["phase"], job["process"]) == ("hang-1.0_1", "build", running.process.pid)
        running.signal(signal.SIGINT)
        running.wait()
    site.xsrc("status").ok("nothing runs in")
    site.xsrc("status", "hang").ended(2)
