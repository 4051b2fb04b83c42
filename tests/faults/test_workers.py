"""Whenever xsrc or one of its workers is killed, the next run ends with the very packages of an undisturbed one.

XSRC_FAULT_ROUNDS says how often that is tried, XSRC_FAULT_SEED with which moments.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.many import Small, children
from tests.e2e.kit.people import Result
from tests.e2e.kit.site import Site
from tests.faults.tally import FIGURE

ROUNDS = int(os.environ.get("XSRC_FAULT_ROUNDS", "8"))
MANY = """\
mkdir -p $DESTDIR/usr/share/many/deep $DESTDIR/usr/bin $DESTDIR/etc
cd $DESTDIR/usr/share/many
cp /usr/share/base/list list
for i in $(seq 200); do echo "$i" >file$i; done
ln file1 deep/again
ln -s ../file2 deep/link
printf '#!/bin/sh\\necho many\\n' >$DESTDIR/usr/bin/many
chmod 0750 deep
chmod 0755 $DESTDIR/usr/bin/many
chmod 0600 file3
cp /usr/share/base/list $DESTDIR/etc/many.conf
"""
SET = (
    Small("base", seconds=0.05),
    Small("left", ("base",), 0.2),
    Small("many", ("base",), 0.05, {"do_install": MANY}),
    Small("tip", ("left", "many"), 0.05),
)
NAMES = ("hello", *(small.name for small in SET))


def scan(top: Path) -> dict[str, str]:
    """Every path below `top`: kind, mode, owner, time, content or target, and the first name of the same file."""
    found: dict[str, str] = {}
    first: dict[int, str] = {}
    for path, status in look.walk(top):
        mode = f"{status.st_mode:o} {status.st_uid}:{status.st_gid} {status.st_mtime_ns}"
        if stat.S_ISREG(status.st_mode):
            mode += f" {hashlib.sha256((top / path).read_bytes()).hexdigest()} {first.setdefault(status.st_ino, path)}"
        elif stat.S_ISLNK(status.st_mode):
            mode += f" {(top / path).readlink()}"
        found[path] = mode
    return found


@dataclass(frozen=True)
class World:
    """A set of packages, and what an undisturbed run makes of it."""

    site: Site
    destdirs: dict[str, str]
    farm: dict[str, str]
    seconds: float

    def anew(self) -> None:
        """Without a masterdir."""
        self.site.land.run("chmod", "-R", "u+rwX", self.site.masterdir)
        self.site.land.run("rm", "-rf", self.site.masterdir).ok()


@pytest.fixture
def world(site: Site) -> World:
    for small in SET:
        site.template(small.name, small.template)
    site.hello()
    made = World(site, {}, {}, 0.0)
    seen = []
    for _ in range(2):
        made.anew()
        start = time.monotonic()
        site.build("-j2", *NAMES)
        made = World(site, scan(site.masterdir / "pkg-destdir"), stowed(site), time.monotonic() - start)
        seen.append(made)
    assert differences(seen[0].destdirs, seen[1].destdirs) == []
    assert {path.split("/")[0] for path in made.destdirs} == {f"{name}-1.0_1" for name in NAMES}
    return made


def stowed(site: Site) -> dict[str, str]:
    """The root as a user sees it."""
    return look.tree(site.masterdir, lambda path: path.startswith(("pkg-", "var/db/xsrc")))


def differences(want: dict[str, str], got: dict[str, str]) -> list[str]:
    return [
        f"{path}: want {want.get(path)}, got {got.get(path)}"
        for path in sorted(want.keys() | got.keys())
        if want.get(path) != got.get(path)
    ]


def workers_of(parent: int) -> list[int]:
    """The workers of a process: each leads a group in its session. Commands that it runs have sessions of their own."""
    found = []
    for pid in children(parent):
        with contextlib.suppress(ProcessLookupError):
            if os.getpgid(pid) == pid and os.getsid(pid) == os.getsid(parent):
                found.append(pid)
    return found


def disturbed(site: Site, chance: random.Random, seconds: float) -> tuple[str, Result]:
    """A run in which xsrc, or one of its workers, is killed at some moment; says which."""
    moment = chance.uniform(0.0, seconds)
    victim = chance.choice(("xsrc", "worker"))
    with people.ended(site.start("build", "-j2", "-k", *NAMES)) as running:
        parent = running.process.pid
        end = time.monotonic() + moment
        while time.monotonic() < end and running.process.poll() is None:
            time.sleep(0.002)
        workers = workers_of(parent)
        while victim == "worker" and not workers and running.process.poll() is None:
            workers = workers_of(parent)
        what = f"{victim} at {moment:.2f} s"
        with contextlib.suppress(ProcessLookupError):
            if running.process.poll() is not None:
                what = "nothing"
            elif victim == "xsrc":
                os.kill(parent, signal.SIGKILL)
            else:
                os.kill(chance.choice(workers), signal.SIGKILL)
        return what, running.wait()


def test_kill_of_xsrc_or_of_a_worker_at_any_moment(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    seed = int(os.environ.get("XSRC_FAULT_SEED", str(random.SystemRandom().randrange(10**6))))
    chance, site = random.Random(seed), world.site
    hit = {"xsrc": 0, "worker": 0, "nothing": 0}
    for number in range(ROUNDS):
        world.anew()
        what, cut = disturbed(site, chance, world.seconds)
        hit[what.split()[0]] += 1
        where = f"seed {seed}, round {number}: {what}"
        if what.startswith("worker") and cut.code:
            assert cut.code == 1 and "signal 9" in cut.err, f"{where}\n{cut}"
        result = site.xsrc("build", "-j2", *NAMES)
        assert result.code == 0 and "Traceback" not in result.err, f"{where}\n{cut}\n{result}"
        assert differences(world.destdirs, scan(site.masterdir / "pkg-destdir")) == [], f"{where}\n{cut}\n{result}"
        assert differences(world.farm, stowed(site)) == [], f"{where}\n{cut}\n{result}"
        if site.land.is_root:
            look.until(lambda: not look.processes_of(site.land.user.uid), f"no process of P; {where}", look.GRACE)
    assert hit["xsrc"] + hit["worker"] > ROUNDS / 2, f"most runs were over before they could be disturbed: {hit}"
    record_property(
        FIGURE, f"{ROUNDS} runs (seed {seed}), killed: xsrc {hit['xsrc']}, a worker {hit['worker']}; all mended"
    )
