"""A change that was cut off by kill -9 is never shown as a whole root: each reader finishes or undoes it, or says so.

XSRC_KILLS says how many random kills there are; tests/full asks for 500.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import time

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.site import Site

KILLS = int(os.environ.get("XSRC_KILLS", "16"))
MANY = "mkdir -p $DESTDIR/usr/{name}; cd $DESTDIR/usr/{name}; seq -f %04g {count} | xargs touch\n"
READERS = (
    *(("verify", "--quick"), ("list",), ("files", "many")),
    *(("owner", "/usr/many/0001"), ("plan", "many"), ("chroot", "true")),
)


def many(site: Site, count: int, name: str = "many") -> None:
    site.script(name, MANY.format(name=name, count=count))


def half_done(site: Site, count: int) -> None:
    """Leave the root in the middle of `stow many`."""
    folder = site.masterdir / "usr/many"
    for _ in range(8):
        with people.ended(site.start("stow", "many")) as running:
            look.until(lambda: (folder / "0001").is_symlink(), "it has begun")
            running.signal(signal.SIGKILL)
            running.wait()
        if site.farm()["database: begun"]:
            return
        site.xsrc("unstow", "many").ok()
    pytest.skip(f"the change of {count} links was always done before it could be killed")


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_a_reader_shows_a_half_done_root_as_whole(site: Site, words: tuple[str, ...]) -> None:
    many(site, 6000)
    site.build("--no-stow", "many")
    half_done(site, 6000)
    site.xsrc(*words).ok("finishing a change of the farm that was cut off")
    assert len(list((site.masterdir / "usr/many").iterdir())) == 6000
    assert "note" not in site.xsrc("verify", "--quick").ok().err


def test_a_reader_beside_a_change_says_so(site: Site) -> None:
    many(site, 6000)
    site.build("--no-stow", "many")
    half_done(site, 6000)
    with (site.masterdir / "var/db/xsrc/farm.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        site.xsrc("list").ok("the root is in the middle of a change (stow many-1.0_1): another command is at it")
        site.xsrc("verify", "--quick").ended(1, "the root is in the middle of a change")
    site.xsrc("verify", "--quick").ok()


def test_random_kills(site: Site) -> None:
    """Whatever was killed, and when: the next reader shows a root that is wholly before or wholly after it."""
    dice = random.Random(int(os.environ.get("XSRC_FUZZ_SEED", "1")))
    many(site, 3000)
    many(site, 1500, "more")
    site.build("--no-stow", "more")
    site.build("many")
    half = 0
    for number in range(KILLS):
        verb = dice.choice(("stow", "unstow", "rollback", "build"))
        words = {"stow": ("stow", "many", "more"), "unstow": ("unstow", dice.choice(("many", "more")))}.get(
            verb, (verb,)
        )
        if verb == "build":
            many(site, 3000 + number)
            words = ("build", "many", "more")
        with people.ended(site.start(*words)) as running:
            time.sleep(dice.uniform(0.1, 0.9) * (3 if verb == "build" else 1))
            running.signal(signal.SIGKILL)
            running.wait()
        half += bool(site.farm()["database: begun"])
        reader = dice.choice((("verify", "--quick"), ("list",), ("files", "more")))
        site.xsrc(*reader).ok()
        assert site.farm()["database: begun"] == []
        site.xsrc("verify", "--quick").ok("no problems")
    print(f"{KILLS} kills, {half} of them in the middle of a change")
