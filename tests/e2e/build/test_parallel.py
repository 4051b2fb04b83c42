"""`xsrc build -j N`: side by side what may be, in order what must be, and on past what fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.e2e.build.test_limits import GREEDY
from tests.e2e.kit import look, people
from tests.e2e.kit.many import DOZEN, Small, children, history, lists
from tests.e2e.kit.site import Site

NAMES = sorted(small.name for small in DOZEN)
TOP = "top c1 b1 a1 b2 a1 a2 c2 b3 a2"
"""What the tip is built on, each after what itself was built on."""


def put(site: Site, smalls: Iterable[Small]) -> None:
    for small in smalls:
        site.template(small.name, small.template)


def but(name: str, **scripts: str) -> list[Small]:
    """The dozen with one whose scripts are others."""
    return [Small(s.name, s.needs, s.seconds, scripts) if s.name == name else s for s in DOZEN]


def left_nothing(site: Site) -> None:
    look.gone(str(site.masterdir))
    if site.land.is_root:
        look.until(lambda: not look.processes_of(site.land.user.uid), "no process of P", look.GRACE)


@pytest.mark.parametrize("workers", [2, 3])
def test_side_by_side_what_may_be_and_in_order_what_must_be(site_in_mode: Site, workers: int) -> None:
    site = site_in_mode
    put(site, DOZEN)
    result = site.build(f"-j{workers}", *NAMES)
    run = history(site.masterdir)
    assert (run.state, run.workers, run.of("built")) == ("built", workers, NAMES)
    assert run.late() == []
    assert run.at_once() == workers
    for small in DOZEN:
        assert run.jobs[small.name].needs == tuple(sorted(small.needs))
        assert f"{small.pkgver}: stowed" in result.err
    assert lists(site.masterdir, DOZEN)["top"] == TOP
    left_nothing(site)

    again = site.build(f"-j{workers}", *NAMES)
    assert "built (" not in again.err
    assert [small.pkgver for small in DOZEN if f"{small.pkgver}: up to date and stowed" not in again.err] == []


def test_what_is_needed_and_not_named_is_built_as_well(site: Site) -> None:
    put(site, DOZEN)
    site.build("-j2", "c1")
    assert history(site.masterdir).of("built") == ["a1", "a2", "b1", "b2", "c1"]


def test_all_of_the_tree(site: Site) -> None:
    put(site, DOZEN)
    site.build("--all", "-j2")
    assert history(site.masterdir).of("built") == NAMES


def test_one_failure_ends_the_run(site: Site) -> None:
    put(site, but("a2", do_build="echo because of me\nexit 9\n"))
    result = site.xsrc("build", "-j2", *NAMES)
    result.ended(1, "a2-1.0_1: build failed: exit code 9", "  | because of me", "hint: ")
    run = history(site.masterdir)
    assert (run.state, run.of("failed")) == ("failed", ["a2"])
    assert run.of("built") != [], "what ran beside it was brought to its end"
    assert set(run.of("built")) < {"a1", "b1", "d1", "d2", "d3", "d4"}
    left_nothing(site)


def test_k_goes_on_and_names_what_was_skipped_because_of_what(site: Site) -> None:
    broken = but("b2", do_build="echo because of me\nexit 9\n")
    broken = [Small("d3", scripts={"do_configure": "exit 7\n"}) if s.name == "d3" else s for s in broken]
    put(site, broken)
    result = site.xsrc("build", "-k", "-j2", *NAMES)
    result.ended(1, "b2-1.0_1: build failed: exit code 9", "d3-1.0_1: configure failed: exit code 7")
    run = history(site.masterdir)
    assert (run.state, run.of("failed"), run.of("skipped")) == ("failed", ["b2", "d3"], ["c1", "d4", "top"])
    assert {name: run.jobs[name].because for name in run.of("skipped")} == {"c1": "b2", "d4": "d3", "top": "b2"}
    assert "exit code 9" in run.jobs["b2"].error
    for name, because in (("c1", "b2"), ("d4", "d3"), ("top", "b2")):
        assert any(name in line and because in line and "skipped" in line for line in result.lines), str(result)
    assert run.of("built") == sorted(set(NAMES) - {"b2", "d3", "c1", "d4", "top"})
    assert all(set(history(site.masterdir).jobs[name].needs).isdisjoint({"b2", "d3"}) for name in run.of("built"))
    left_nothing(site)

    put(site, DOZEN)
    site.build("-k", "-j2", *NAMES)
    assert history(site.masterdir).of("built") == ["b2", "c1", "d3", "d4", "top"]
    assert lists(site.masterdir, DOZEN)["c1"] == "c1 b1 a1 b2 a1 a2"


ASLEEP = ": >asleep\nfor i in $(seq 300); do [ ! -e go ] || break; sleep 0.1; done\n"
"""Waits for a file beside it, half a minute at most."""


def marks(site: Site) -> dict[str, str]:
    """When the configure phase of each package ran, as it said itself."""
    logs = site.masterdir / "var/db/xsrc/logs"
    return {path.parent.name: path.read_text() for path in logs.glob("*/configure.log")}


@pytest.mark.parametrize("whole", [False, True], ids=["parent", "group"])
def test_ctrl_c_ends_all_and_the_next_run_resumes(site_in_mode: Site, whole: bool) -> None:
    site, slow = site_in_mode, ("b2", "c2")
    put(
        site,
        [Small(s.name, s.needs, s.seconds, {"do_build": ASLEEP + s.build} if s.name in slow else {}) for s in DOZEN],
    )
    with people.ended(site.start("build", "-j2", *NAMES)) as running:
        asleep = [site.work(f"{name}-1.0") / "wrksrc/asleep" for name in slow]
        look.until(lambda: all(path.exists() for path in asleep) or running.process.poll() is not None, "they sleep")
        (os.killpg if whole else os.kill)(running.process.pid, signal.SIGINT)
        result = running.wait().ended(130, "interrupted", "hint: the same command goes on where it was")
    left_nothing(site)
    run = history(site.masterdir)
    assert (run.state, run.of("interrupted"), run.of("running")) == ("interrupted", sorted(slow), []), str(result)
    finished, before = run.of("built"), marks(site)
    assert {"a1", "a2", "b3"} <= set(finished)

    for path in asleep:
        site.land.run("touch", path.with_name("go")).ok()
    again = site.build("-j2", *NAMES)
    assert "waiting for" not in again.err
    run = history(site.masterdir)
    assert run.of("built") == sorted(set(NAMES) - set(finished)), "finished packages are not built again"
    after = marks(site)
    for name in slow:
        assert after[f"{name}-1.0_1"] == before[f"{name}-1.0_1"], "finished phases are not done again"
    assert lists(site.masterdir, DOZEN)["top"] == TOP


@pytest.mark.parametrize("words", [(), ("-k",)])
def test_a_worker_that_alone_is_interrupted_interrupts_the_run(site: Site, words: tuple[str, ...]) -> None:
    site.script("sleeper", do_build=ASLEEP)
    with people.ended(site.start("build", *words, "sleeper")) as running:
        look.until((site.work("sleeper-1.0") / "wrksrc/asleep").exists, "it sleeps")
        (worker,) = children(running.process.pid)
        os.kill(worker, signal.SIGINT)
        running.wait().ended(130, "sleeper-1.0_1: interrupted in build", "hint: xsrc build sleeper")
    left_nothing(site)


def test_packages_that_go_beyond_limits_are_named_and_the_others_finish(site: Site) -> None:
    bad = {
        "fails": ("exit 3\n", "exit code 3"),
        "hangs": ("sleep 600\n", "it said nothing for 3 seconds (limits.silent_seconds)"),
        "floods": ("yes\n", "it said more than 1 MiB (limits.log_mib)"),
        "eats": (f"{GREEDY}\n", "(limits.memory_mib = 200)"),
    }
    good = [Small(f"good{at}", ("good0",) if at else ()) for at in range(4)]
    put(site, [*good, *(Small(name, scripts={"do_build": script}) for name, (script, _) in bad.items())])
    put(site, [Small("above", ("hangs", "good1"))])
    site.write(".xsrc.toml", "[limits]\nsilent_seconds = 3\nlog_mib = 1\nmemory_mib = 200\n")
    result = site.xsrc("build", "-k", "-j3", "--all")
    result.ended(1, *(f"{name}-1.0_1: build failed: " for name in bad), *(words for _, words in bad.values()))
    run = history(site.masterdir)
    assert (run.of("failed"), run.of("skipped")) == (sorted(bad), ["above"])
    assert run.of("built") == [small.name for small in good]
    for name, (_, words) in bad.items():
        assert words in run.jobs[name].error
    left_nothing(site)


@pytest.mark.parametrize("goes_on", [False, True], ids=["stops", "goes-on"])
def test_a_worker_that_is_killed_is_named(site: Site, goes_on: bool) -> None:
    put(site, [Small("victim", seconds=60.0), Small("above", ("victim",)), *DOZEN])
    names = ("victim", "above", *NAMES)
    running = site.start("build", "-j2", *(["-k"] if goes_on else []), *names)
    with people.ended(running):
        look.until(lambda: look.processes("sleep 60.0") or running.process.poll() is not None, "victim builds")
        worker = worker_of(running.process.pid, look.processes("sleep 60.0"))
        os.kill(worker, signal.SIGKILL)
        result = running.wait().ended(1, "victim-1.0_1: ", "signal 9")
    left_nothing(site)
    run = history(site.masterdir)
    assert run.of("failed") == ["victim"]
    assert "signal 9" in run.jobs["victim"].error
    if goes_on:
        assert run.of("built") == NAMES
        assert (run.of("skipped"), run.jobs["above"].because) == (["above"], "victim")
        assert any("above" in line and "victim" in line for line in result.lines), str(result)
    put(site, [Small("victim")])
    site.build("-j2", *names)
    assert sorted((site.masterdir / "pkg-destdir").iterdir()) == sorted(site.destdir(f"{name}-1.0_1") for name in names)


def worker_of(parent: int, sleeping: Iterable[int]) -> int:
    """The child of `parent` under which one of the processes runs."""
    for pid in sleeping:
        line = [pid]
        while line[-1] > 1:
            stat = Path(f"/proc/{line[-1]}/stat").read_text()
            line.append(int(stat.rpartition(")")[2].split()[1]))
            if line[-1] == parent:
                return line[-2]
    raise AssertionError(f"none of {list(sleeping)} runs below {parent}: {children(parent)}")


def test_a_plan_of_many_is_only_printed(site: Site) -> None:
    put(site, DOZEN)
    result = site.xsrc("build", "-n", "-j2", *NAMES).ok()
    assert [line for line in result.out.splitlines() if line.startswith("build ")] != []
    assert not (site.masterdir / "pkg-destdir").exists() or not list((site.masterdir / "pkg-destdir").iterdir())
    assert not (site.masterdir / "var/db/xsrc/journal.sqlite").exists()


@pytest.mark.parametrize("words", [("-j0",), ("-j", "many")])
def test_words_that_make_no_sense(site: Site, words: tuple[str, ...]) -> None:
    put(site, DOZEN[:1])
    site.xsrc("build", *words, "a1").ended(2)


def test_two_runs_at_one_time_do_each_package_once(site: Site) -> None:
    put(site, DOZEN)
    with (
        people.ended(site.start("build", "-j2", *NAMES)) as one,
        people.ended(site.start("build", "-j2", *NAMES)) as two,
    ):
        said = [running.wait().ok().err for running in (one, two)]
    for small in DOZEN:
        built = sum(text.count(f"{small.pkgver}: built (") for text in said)
        assert built == 1, f"{small.pkgver}: built {built} times\n{said[0]}\n{said[1]}"
    assert lists(site.masterdir, DOZEN)["top"] == TOP
    left_nothing(site)
