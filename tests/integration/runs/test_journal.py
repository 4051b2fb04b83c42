"""The journal of runs: what is noted is known again, by any process; no damage to it stops anybody."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from xsrc.core.layout import Masterdir
from xsrc.runs.disk.journal import Journal
from xsrc.runs.run import PARTIAL, Expected, JobRecord, Run, State, Tally

ZLIB = JobRecord("zlib", "zlib-1.3.1_1", State.WAITING, reason="asked for")
PNG = JobRecord("libpng", "libpng-1.6.43_1", State.WAITING, reason="zlib: key changed", needs=("zlib", "cmake"))
BUILT = replace(
    ZLIB,
    state=State.BUILT,
    phase="install",
    began=101.5,
    ended=110.25,
    peak=3 << 30,
    makejobs=4,
    seconds={"configure": 1.5, "build": 6.25},
)
FAILED = replace(
    PNG, state=State.FAILED, phase="build", began=111.0, ended=112.0, error="exit 2: \"make\" <all> 'é' \\ %s"
)


@pytest.fixture
def masterdir(tmp_path: Path) -> Masterdir:
    made = Masterdir(tmp_path)
    made.db.mkdir(parents=True)
    return made


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def journal(masterdir: Masterdir, warnings: list[str]) -> Journal:
    return Journal(masterdir, warnings.append)


def test_what_is_noted_is_known_again(journal: Journal, masterdir: Masterdir, warnings: list[str]) -> None:
    number = journal.begin("build libpng", 2, 100.0, (ZLIB, PNG))
    assert journal.run(number) == Run(number, 100.0, None, "build libpng", 2, State.RUNNING, (ZLIB, PNG))
    journal.note(number, FAILED)
    journal.note(number, BUILT)
    more = replace(ZLIB, name="more", pkgver="more-1_1")
    journal.note(number, more)
    journal.end(number, 113.5, State.FAILED)
    other = Journal(masterdir, warnings.append)
    assert other.run(number) == Run(number, 100.0, 113.5, "build libpng", 2, State.FAILED, (BUILT, FAILED, more))
    assert other.run(number + 1) is None
    assert warnings == []


def test_the_newest_runs_come_first(journal: Journal) -> None:
    for at in range(5):
        journal.end(journal.begin(f"build {at}", 1, float(at), (ZLIB,)), at + 0.5, State.BUILT)
    assert [run.command for run in journal.runs(3)] == ["build 4", "build 3", "build 2"]
    assert all(run.jobs == (ZLIB,) for run in journal.runs(3))


def test_runs_are_counted_without_their_jobs(journal: Journal, masterdir: Masterdir) -> None:
    journal.end(journal.begin("build a", 1, 1.0, (BUILT, FAILED)), 2.0, State.FAILED)
    going = journal.begin("build b", 2, 3.0, (BUILT, PNG, replace(ZLIB, name="more")))
    counts = {State.BUILT: 1, State.WAITING: 2}
    assert journal.tallies(9) == (
        Tally(going, 3.0, None, "build b", 2, State.RUNNING, counts),
        Tally(1, 1.0, 2.0, "build a", 1, State.FAILED, {State.BUILT: 1, State.FAILED: 1}),
    )
    assert journal.tallies(1) == tuple(map(Tally.of, journal.runs(1)))
    for claim in journal._claims.values():
        os.close(claim)  # as if its process were gone
    assert journal.tallies(1)[0].state is State.INTERRUPTED


def test_builds_of_a_package(journal: Journal) -> None:
    for error in "abc":
        journal.begin("build", 1, 1.0, (BUILT, replace(FAILED, error=error), replace(ZLIB, name="never")))
    history = journal.history()
    assert history.keys() == {"zlib", "libpng"}
    assert [(run, job.error) for run, job in history["libpng"]] == [(3, "c"), (2, "b"), (1, "a")]
    assert journal.history(["zlib", "never", "unknown"]) == {"zlib": history["zlib"]}
    assert journal.history([]) == {}


def test_nothing_is_made_for_a_look(journal: Journal, masterdir: Masterdir) -> None:
    assert (journal.runs(9), journal.run(1), journal.last(), journal.expected()) == ((), None, {}, {})
    assert (journal.tallies(9), journal.history()) == ((), {})
    assert list(masterdir.db.iterdir()) == []


def test_history(journal: Journal) -> None:
    for round_, seconds in enumerate((900.0, 1.0, 2.0, 3.0, 4.0, 50.0)):  # the first is too old to count
        done = replace(BUILT, seconds={"fetch": 0.0, "build": seconds}, peak=round_ << 20)
        journal.begin("build", 1, float(round_), (done, replace(FAILED, error=str(round_))))
    journal.begin("build", 1, 9.0, (replace(BUILT, state=State.KEPT), replace(PNG, state=State.SKIPPED, because="x")))
    assert journal.expected() == {"zlib": Expected(3.0, 3 << 20)}
    assert journal.last()["zlib"].seconds == {"fetch": 0.0, "build": 50.0}
    assert journal.last()["libpng"] == replace(FAILED, error="5")


def test_a_part_of_a_build_says_nothing_of_a_whole_one(journal: Journal) -> None:
    """gcc was taken to need 28 MiB and 0.2 s after all was fetched."""
    whole = replace(BUILT, seconds={"fetch": 1.0, "build": 7.0}, peak=9 << 20)
    journal.begin("build", 1, 1.0, (whole,))
    for state in PARTIAL:
        journal.begin("fetch", 1, 2.0, (replace(whole, state=state, seconds={"fetch": 0.1}, peak=1 << 20),))
    journal.begin("build", 1, 3.0, (replace(BUILT, seconds={"install": 0.2}, peak=1 << 20),))  # after `xsrc check`
    assert journal.expected() == {"zlib": Expected(8.0, 9 << 20)}
    assert journal.last()["zlib"].state is State.BUILT
    assert len(journal.history()["zlib"]) == 2


def test_tests_that_pass_later_clear_the_mark(journal: Journal) -> None:
    journal.begin("build --no-check", 1, 1.0, (replace(BUILT, untested=True),))
    assert journal.last()["zlib"].untested
    journal.tested("zlib", BUILT.pkgver)
    assert not journal.last()["zlib"].untested


def child(masterdir: Masterdir, code: str) -> subprocess.Popen[str]:
    """Another process with `journal` and a job; what it prints can be read."""
    head = (
        "import sys; from pathlib import Path; from xsrc.runs.disk.journal import Journal\n"
        "from xsrc.core.layout import Masterdir; from xsrc.runs.run import JobRecord, State\n"
        f"journal = Journal(Masterdir(Path({str(masterdir.root)!r})), lambda text: sys.exit(text))\n"
    )
    argv = [sys.executable, "-c", head + code]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])


def test_many_write_at_once(journal: Journal, masterdir: Masterdir) -> None:
    code = (
        "number = journal.begin('child', 1, 1.0, ())\n"
        "for i in range(40): journal.note(number, JobRecord(f'p{i}', f'p{i}-1_1', State.BUILT, began=0.0, ended=1.0))\n"
        "journal.end(number, 2.0, State.BUILT)\n"
    )
    children = [child(masterdir, code) for _ in range(3)]
    assert [(one.communicate(timeout=120)[0], one.returncode) for one in children] == [("", 0)] * 3
    assert [(run.number, run.state, len(run.jobs)) for run in journal.runs(9)] == [
        (number, State.BUILT, 40) for number in (3, 2, 1)
    ]


def test_a_run_goes_on_as_long_as_its_process(journal: Journal, masterdir: Masterdir) -> None:
    other = child(
        masterdir,
        "print(journal.begin('build', 1, 1.0, (JobRecord('a', 'a-1_1', State.RUNNING),)), flush=True); input()",
    )
    assert other.stdout is not None
    number = int(other.stdout.readline())
    assert [run.state for run in journal.runs(1)] == [State.RUNNING]
    mine = journal.begin("build", 1, 1.0, ())
    assert mine == number + 1
    other.kill()
    other.wait()
    other.stdout.close()
    (of_mine, of_other) = journal.runs(2)
    assert (of_mine.state, of_other.state, of_other.jobs[0].state) == (
        State.RUNNING,
        State.INTERRUPTED,
        State.INTERRUPTED,
    )


def test_workers_that_were_forked_may_end_first(journal: Journal) -> None:
    number = journal.begin("build", 1, 1.0, (ZLIB,))
    if (pid := os.fork()) == 0:
        journal.note(number, BUILT)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    run = journal.run(number)
    assert run is not None
    assert (run.state, run.jobs) == (State.RUNNING, (BUILT,))


def test_killed_while_it_writes(journal: Journal, masterdir: Masterdir, warnings: list[str]) -> None:
    code = (
        "for number in range(10**9):\n"
        "    run = journal.begin('x', 1, 1.0, [JobRecord(f'p{i}', 'p', State.WAITING) for i in range(50)])\n"
        "    for i in range(50): journal.note(run, JobRecord(f'p{i}', f'p{run}', State.BUILT))\n"
        "    print(run, flush=True)\n"
    )
    dice = random.Random(7)
    for _ in range(6):
        writer = child(masterdir, code)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(dice.random() / 4)
        writer.send_signal(signal.SIGKILL)
        said = writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
        for run in journal.runs(2):
            assert len(run.jobs) == 50
            assert run.state is State.INTERRUPTED
        assert all(
            job.pkgver == f"p{number}" for number in said for job in (journal.run(int(number)) or pytest.fail()).jobs
        )
    assert warnings == []


@pytest.mark.parametrize("how", ["no database", "cut off", "overwritten"])
def test_what_is_damaged_stands_aside(how: str, journal: Journal, warnings: list[str]) -> None:
    jobs = [JobRecord(f"p{i}", f"p{i}-1_1", State.BUILT, error="x" * 300) for i in range(200)]
    journal.begin("build", 1, 1.0, jobs)
    data = journal.path.read_bytes()
    bad = {
        "no database": b"garbage " * 999,
        "cut off": data[: len(data) // 2],
        "overwritten": data[:4096] + b"\xff" * 90000,
    }
    journal.path.write_bytes(bad[how])
    assert journal.begin("again", 1, 2.0, (ZLIB,)) > 0
    assert [(run.command, run.jobs) for run in journal.runs(9)] == [("again", (ZLIB,))]
    aside = journal.path.with_suffix(".sqlite.damaged")
    assert aside.read_bytes() == bad[how]
    assert len(warnings) == 1
    assert str(aside) in warnings[0]


def test_a_look_at_what_is_damaged(journal: Journal, warnings: list[str]) -> None:
    journal.path.write_bytes(b"garbage " * 999)
    assert journal.runs(5) == ()
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "change",
    ["PRAGMA user_version = 999", "UPDATE job SET state = 'odd'", "UPDATE job SET seconds = '[3]'", "DROP TABLE job"],
)
def test_what_was_never_written_so_stands_aside(change: str, journal: Journal, warnings: list[str]) -> None:
    journal.begin("build", 1, 1.0, (ZLIB,))
    with sqlite3.connect(journal.path) as db:
        db.execute(change)
    db.close()
    assert journal.runs(5) == ()
    assert len(warnings) == 1
    assert journal.begin("again", 1, 2.0, (ZLIB,)) > 0
    assert len(journal.runs(5)) == 1


def test_every_byte_of_it_may_be_damaged(journal: Journal, warnings: list[str]) -> None:
    """Whatever is read or written then, nothing is raised."""
    journal.end(journal.begin("build", 1, 1.0, (BUILT, FAILED)), 2.0, State.FAILED)
    whole = journal.path.read_bytes()
    dice = random.Random(3)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 40)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        journal.path.write_bytes(data)
        journal.runs(3), journal.last(), journal.expected()
        journal.begin("more", 1, 1.0, (BUILT,))
    assert warnings, "some of it was noticed"


def test_where_nothing_can_be_written(tmp_path: Path, warnings: list[str]) -> None:
    journal = Journal(Masterdir(tmp_path / "nowhere"), warnings.append)
    assert journal.begin("build", 1, 1.0, (ZLIB,)) == 0
    journal.note(0, BUILT)
    journal.end(0, 2.0, State.BUILT)
    assert len(warnings) == 1, "it is said once"


def test_a_full_disk_costs_history_only(journal: Journal, warnings: list[str]) -> None:
    import resource

    number = journal.begin("build", 1, 1.0, (ZLIB,))
    size = journal.path.stat().st_size
    if (pid := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for i in range(200):
            journal.note(number, replace(ZLIB, name=f"p{i}", error="x" * 300))
        os._exit(len(warnings))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1, "one warning, and no exception"
    run = journal.run(number)
    assert run is not None
    assert run.jobs[0] == ZLIB
