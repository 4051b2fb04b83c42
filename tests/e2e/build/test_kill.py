"""Whatever ends a build: nothing of it runs on, no mount and no lock is left, the next build succeeds."""

from __future__ import annotations

import signal
import uuid

import pytest

from tests.e2e.kit import look, people
from tests.e2e.kit.people import Running
from tests.e2e.kit.server import Act
from tests.e2e.kit.site import Site

PHASES = ("extract", "patch", "configure", "build", "check", "install")
PATCH = "--- a/COPYING\n+++ b/COPYING\n@@ -1 +1 @@\n-Do what you want.\n+Do what you will.\n"


def sleeper(site: Site, phase: str) -> str:
    """hello, which in one phase sleeps unless it is built with -j1; gives the word by which its processes are known."""
    word = f"9{uuid.uuid4().int % 10**12}"
    script = f"""[ "$MAKEJOBS" = 1 ] || {{
	setsid nohup sh -c 'trap "" HUP INT TERM QUIT; sleep {word}; :' >/dev/null 2>&1 &
	sleep {word}
}}
"""
    site.hello(tables=f"[phases]\npre_{phase} = '''\n{script}'''\n")
    site.write("templates/hello/patches/a.patch", PATCH)
    return word


def begin(site: Site, word: str) -> Running:
    running = site.start("build", "-j2", "hello")
    look.until(lambda: len(look.processes(f"sleep {word}")) >= 3 or running.process.poll() is not None, "it sleeps")
    if running.process.poll() is not None:
        raise AssertionError(str(running.wait()))
    return running


def after(site: Site, word: str, before: dict[str, object]) -> None:
    """Nothing is left, and the next build of the very same package starts at once and gives what it always gives."""
    look.gone(word)
    look.gone(str(site.masterdir))
    if site.land.is_root:
        look.until(lambda: not look.processes_of(site.land.user.uid), "no process of P", look.GRACE)
    assert site.farm() == before
    result = site.build("-j1", "hello")
    assert "waiting for" not in result.err
    assert site.land.run(site.masterdir / "bin/hello").ok().out == "hello 1.0\n"
    assert [path.name for path in (site.masterdir / "pkg-destdir").iterdir()] == ["hello-1.0_1"]


@pytest.mark.parametrize("phase", PHASES)
def test_interrupt_in_each_phase(site: Site, phase: str) -> None:
    word = sleeper(site, phase)
    site.xsrc("chroot", "true").ok()
    before = site.farm()
    with people.ended(begin(site, word)) as running:
        running.signal(signal.SIGINT)
        running.wait().ended(130, f"hello-1.0_1: interrupted in {phase}", "hint: xsrc build hello")
    after(site, word, before)


MAKEFILE = r"""
all: one two
one:
	date +%s%N >one
two: one
	$(DULL)echo half >two; [ "$(MAKEJOBS)" = 1 ] || { touch asleep; sleep 600; }; echo whole >two
"""


@pytest.mark.parametrize("dull", [False, True], ids=["ends", "does-not-end"])
def test_what_an_interrupt_leaves_half_written_is_not_taken_for_whole(site: Site, dull: bool) -> None:
    """make(1) takes it away, and goes on from there; what does not end is killed, and the build begins anew."""
    share = "mkdir -p $DESTDIR/usr/share; cp one two $DESTDIR/usr/share\n"
    site.script("half", share, do_build="cp -n $FILESDIR/Makefile .; make\n")
    site.write("templates/half/files/Makefile", MAKEFILE.replace("$(DULL)", "trap '' INT; " if dull else ""))
    wrksrc = site.work("half-1.0") / "wrksrc"
    with people.ended(site.start("build", "-j2", "half")) as running:
        look.until(lambda: (wrksrc / "asleep").exists() or running.process.poll() is not None, "it sleeps")
        if running.process.poll() is not None:
            raise AssertionError(str(running.wait()))
        first = (wrksrc / "one").read_text()
        running.signal(signal.SIGINT)
        running.wait().ended(130, "half-1.0_1: interrupted in build")
    assert dull or not (wrksrc / "two").exists()
    site.build("-j1", "half")
    assert (site.masterdir / "usr/share/two").read_text() == "whole\n"
    assert ((site.masterdir / "usr/share/one").read_text() == first) is not dull


def test_interrupt_in_fetch(site: Site) -> None:
    site.hello()
    path = f"/{site.root.name}/hello-1.0.tar.gz"
    site.server.acts[path].append(Act(stall=30))
    site.xsrc("chroot", "true").ok()
    before = site.farm()
    with people.ended(site.start("build", "hello")) as running:
        look.until(lambda: site.server.requests(path), "it fetches")
        running.signal(signal.SIGINT)
        running.wait().ended(130, "hello-1.0_1: interrupted in fetch")
    assert [name for name in site.distfiles() if not name.startswith(".")] == []
    assert site.farm() == before
    site.build("hello")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP], ids=["KILL", "TERM", "HUP"])
def test_other_ends_in_both_modes(site_in_mode: Site, number: int) -> None:
    site = site_in_mode
    word = sleeper(site, "build")
    site.xsrc("chroot", "true").ok()
    before, mounts = site.farm(), look.mounts()
    with people.ended(begin(site, word)) as running:
        assert look.mounts() == mounts  # nothing of the sandbox is seen from outside
        running.signal(number)
        assert running.wait().code in (-number, 128 + number)
    after(site, word, before)
    assert look.mounts() == mounts


def test_kill_of_a_first_build(site: Site) -> None:
    """Not even the masterdir was there."""
    word = sleeper(site, "install")
    with people.ended(begin(site, word)) as running:
        running.signal(signal.SIGKILL)
        running.wait()
    look.gone(word)
    site.build("-j1", "hello")


def test_same_files_after_a_kill(site: Site) -> None:
    word = sleeper(site, "install")
    site.build("-j1", "hello")
    expected = look.tree(site.destdir())
    site.xsrc("clean").ok()
    with people.ended(site.start("build", "-f", "-j2", "hello")) as running:
        look.until(lambda: look.processes(f"sleep {word}"), "it sleeps")
        running.signal(signal.SIGKILL)
        running.wait()
    look.gone(word)
    assert look.tree(site.destdir()) == expected
    site.build("-f", "-j1", "hello")
    assert look.tree(site.destdir()) == expected


def test_helper_that_is_killed_fails_the_phase(site: Site) -> None:
    word = sleeper(site, "build")
    site.xsrc("chroot", "true").ok()
    before = site.farm()
    with people.ended(begin(site, word)) as running:
        helper = min(pid for pid, line in look.processes(str(site.masterdir)).items() if "xsrc-mount" in line)
        site.land.run("kill", "-9", str(helper)).ok()
        running.wait().ended(1, "hello-1.0_1: build failed: signal 9")
    after(site, word, before)


def test_interrupt_of_a_command_in_the_chroot(site: Site) -> None:
    word = f"9{uuid.uuid4().int % 10**12}"
    site.xsrc("chroot", "true").ok()
    with people.ended(site.start("chroot", "sleep", word)) as running:
        look.until(lambda: look.processes(f"sleep {word}"), "it sleeps")
        running.signal(signal.SIGINT)
        assert running.wait().code in (130, -signal.SIGINT)
    look.gone(word)


MANY = "mkdir -p $DESTDIR/usr/many; cd $DESTDIR/usr/many; seq -f %04g 6000 | xargs touch\n"


@pytest.mark.parametrize("verb", ["stow", "unstow"])
def test_kill_in_the_middle_of_a_change_of_the_farm(site: Site, verb: str) -> None:
    """The next command finishes what was begun."""
    site.script("many", MANY)
    site.script("one")
    site.build("--no-stow", "many", "one")
    many = site.masterdir / "usr/many"
    if verb == "unstow":
        site.xsrc("stow", "many").ok()
    for _ in range(5):
        with people.ended(site.start(verb, "many")) as running:
            first = many / ("0001" if verb == "stow" else "6000")
            look.until(lambda first=first: first.is_symlink() == (verb == "stow"), "it has begun")  # type: ignore[misc]
            running.signal(signal.SIGKILL)
            running.wait()
        if site.farm()["database: begun"]:
            break
        site.xsrc("stow" if verb == "unstow" else "unstow", "many").ok()
    else:
        pytest.skip("the change was always done before it could be killed")
    site.xsrc("stow", "one").ok("finishing a change of the farm that was cut off", "one-1.0_1: stowed")
    assert (len(list(many.iterdir())) if many.exists() else 0) == (6000 if verb == "stow" else 0)
    assert site.farm()["database: begun"] == []
    site.xsrc("unstow" if verb == "stow" else "stow", "many").ok()
