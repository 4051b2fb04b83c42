"""Limits of a phase by cgroup v2, where root delegated a group to the user, as systemd does it or a container."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.kit import look
from tests.e2e.kit.land import Land
from tests.e2e.kit.people import Result, Running, ended
from tests.e2e.kit.site import Site
from xsrc.sandbox.disk.cgroup import CONTROLLERS, remove
from xsrc.unix.mounts import mount_table

FORK_BOMB = "f() { f | f & }; f; wait; sleep 60\n"
HOG = """hold() { head -c 60000000 /dev/zero | tail -c 60000000 | { sleep 60; cat; } >/dev/null; }
hold & hold & hold & hold & wait
"""
"""Four processes that hold 60 MB each: none of them is more than any limit here allows one."""
BUSY = "i=0; while [ $i -lt 50 ]; do /bin/true | /bin/true; i=$((i+1)); done\n"


ENABLE = "+cpu +memory +pids"


@dataclass(frozen=True)
class Delegated:
    """A group of P's, and the site that P works in."""

    site: Site
    top: Path

    def group(self, name: str) -> Path:
        """A group below it, P's too."""
        path = self.top / name
        path.mkdir(exist_ok=True)
        give(path, self.site)
        return path

    def start(self, group: Path, *words: str, before: str = "") -> Running:
        """Start xsrc as P in a group; `before` is a script of P's that is run there too, in the background."""
        user = self.site.land.user
        ids = f"--reuid={user.uid} --regid={user.gid} --init-groups"
        script = f'echo $$ >"$1/cgroup.procs"; cd "$2"; shift 2; umask 022; exec setpriv {ids} -- "$@"'
        xsrc = (str(self.site.land.python), "-I", "-X", "utf8", "-m", "xsrc", *words)
        shell = ("sh", "-c", f'{before} & "$@"; code=$?; kill $!; exit $code', "sh") if before else ()
        argv = ("sh", "-ec", script, "sh", str(group), str(self.site.root), *shell, *xsrc)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return Running(argv, subprocess.Popen(argv, env=user.env, start_new_session=True, **pipes))  # type: ignore[call-overload]

    def xsrc(self, group: Path, *words: str, before: str = "") -> Result:
        return self.start(group, *words, before=before).wait()

    def left(self) -> list[Path]:
        """Groups of phases that are still there."""
        return sorted(path for path in self.top.rglob("xsrc-*-*") if path.is_dir())


def give(path: Path, site: Site) -> None:
    """Delegate a group (cgroups(7)): its folder, and the files that move processes and enable controllers."""
    for name in ("", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
        os.chown(path / name, site.land.user.uid, site.land.user.gid)


@pytest.fixture
def delegated(as_root: Land, site: Site) -> Iterator[Delegated]:
    """A new group at the top, with its controllers."""
    mounted = next((Path(mount.point) for mount in mount_table() if mount.kind == "cgroup2"), None)
    if mounted is None:
        pytest.skip("cgroup v2 is not mounted")
    if lacking := {*CONTROLLERS, "cpu"} - set((mounted / "cgroup.controllers").read_text().split()):
        pytest.skip(f"cgroup v2 has no {', '.join(sorted(lacking))} here: version 1 holds them")
    control = mounted / "cgroup.subtree_control"
    before = set(control.read_text().split())
    control.write_text(ENABLE)
    top = mounted / f"xsrc-test-{secrets.token_hex(3)}"
    top.mkdir()
    give(top, site)
    try:
        yield Delegated(site, top)
    finally:
        for folder, _, _ in os.walk(top, topdown=False):
            remove(Path(folder))
        with contextlib.suppress(OSError):
            control.write_text(" ".join(f"-{name}" for name in {*CONTROLLERS, "cpu"} - before))


@pytest.fixture(params=["alone", "below"])
def place(delegated: Delegated, request: pytest.FixtureRequest) -> Path:
    """A group that xsrc alone is in; or one beside others, below a group that enables the controllers."""
    if request.param == "alone":
        return delegated.top
    (delegated.top / "cgroup.subtree_control").write_text(ENABLE)
    return delegated.group("session")


def test_memory_of_all_processes_of_a_phase(delegated: Delegated, place: Path) -> None:
    site = delegated.site
    site.write(".xsrc.toml", "[limits]\nmemory_mib = 100\n")
    site.script("hog", do_build=HOG)
    result = delegated.xsrc(place, "build", "hog")
    result.ended(1, "hog-1.0_1: build failed", "it used more than 100 MiB of memory", "(limits.memory_mib)")
    look.until(lambda: not look.processes_of(site.land.user.uid), "no process of P", look.GRACE)
    assert delegated.left() == []


def test_processes_of_a_phase(delegated: Delegated, place: Path) -> None:
    site = delegated.site
    site.write(".xsrc.toml", "[limits]\nprocesses = 60\nseconds = 20\n")
    site.script("bomb", do_build="for i in $(seq 100); do sleep 30 & done; wait\n")
    result = delegated.xsrc(place, "build", "bomb")
    result.ended(1, "bomb-1.0_1: build failed", "it started more than 60 processes (limits.processes)")
    look.until(lambda: not look.processes_of(site.land.user.uid), "no process of P", look.GRACE)
    assert delegated.left() == []


@pytest.mark.parametrize(("script", "limit"), [(FORK_BOMB, "processes = 100"), (HOG, "memory_mib = 100")])
def test_a_build_beside_it_goes_on(delegated: Delegated, script: str, limit: str) -> None:
    """The same user's: an rlimit of processes would stop both."""
    site = delegated.site
    (delegated.top / "cgroup.subtree_control").write_text(ENABLE)
    session = delegated.group("session")
    site.write(".xsrc.toml", f"[limits]\n{limit}\nseconds = 60\n")
    site.script("bad", do_build=script)
    site.script("good", do_build=f"until [ -e go ]; do sleep 0.05; done\n{BUSY}")
    with ended(delegated.start(session, "build", "good")) as good:
        look.until(lambda: (site.work("good-1.0") / "wrksrc").is_dir(), "it builds")
        with ended(delegated.start(session, "build", "bad")) as bad:
            look.until(lambda: len(delegated.left()) > 1 or bad.process.poll() is not None, "both build")
            site.land.run("touch", site.work("good-1.0") / "wrksrc/go").ok()
            good.wait().ok("good-1.0_1: stowed")
            bad.wait().ended(1, "bad-1.0_1: build failed", f"(limits.{limit.split()[0]})")
    look.until(lambda: not look.processes_of(site.land.user.uid), "no process of P", look.GRACE)
    assert delegated.left() == []


def test_what_a_killed_xsrc_leaves_is_removed_by_the_next(delegated: Delegated) -> None:
    site = delegated.site
    (delegated.top / "cgroup.subtree_control").write_text(ENABLE)
    session = delegated.group("session")
    site.script("slow", do_build="sleep 60\n")
    running = delegated.start(session, "build", "slow")
    look.until(delegated.left, "it builds in a group")
    running.kill()
    look.until(lambda: not look.processes_of(site.land.user.uid), "no process of P", look.GRACE)
    assert len(delegated.left()) == 1
    site.script("slow", do_build="true\n")
    delegated.xsrc(session, "build", "slow").ok("slow-1.0_1: stowed")
    assert delegated.left() == []


def test_doctor_says_what_keeps_the_limits(delegated: Delegated, place: Path) -> None:
    result = delegated.xsrc(place, "doctor").ok()
    assert f"cgroup v2, of all that a phase runs: {delegated.top}" in result.out, str(result)


def test_a_group_that_holds_others_too_is_not_used(delegated: Delegated) -> None:
    """The kernel wants groups with limits below a group without processes; rlimits do then."""
    site = delegated.site
    result = delegated.xsrc(delegated.top, "doctor", before="sleep 100").ok()
    assert f"rlimits, of each process and of the user: other processes are in {delegated.top}" in result.out
    site.write(".xsrc.toml", "[limits]\nmemory_mib = 300\n")
    site.script("s", do_build="ulimit -v\n")
    delegated.xsrc(delegated.top, "build", "s", before="sleep 100").ok("s-1.0_1: stowed")
    assert "307200" in site.log("build", "s-1.0_1")


def test_no_rlimits_in_a_group_of_its_own(delegated: Delegated) -> None:
    site = delegated.site
    site.write(".xsrc.toml", "[limits]\nmemory_mib = 300\nprocesses = 50\n")
    site.script("s", do_build="ulimit -v\ncat /proc/self/cgroup\n")
    delegated.xsrc(delegated.top, "build", "s").ok("s-1.0_1: stowed")
    assert site.log("build", "s-1.0_1").split() == ["unlimited", "0::/"]
