"""When a run may end."""

from __future__ import annotations

import pytest

from tests.unit.records import BEGAN, small
from xsrc.runs.forecast import Left, remaining
from xsrc.runs.run import Expected, JobRecord, Run, State


def a_run(*jobs: JobRecord, workers: int = 2) -> Run:
    return Run(1, BEGAN, None, "build", workers, State.RUNNING, jobs)


def waiting(name: str, *needs: str) -> JobRecord:
    return JobRecord(name, f"{name}-1_1", State.WAITING, needs=needs)


KNOWN = {name: Expected(10.0, 0) for name in "abcdef"}


@pytest.mark.parametrize(
    ("jobs", "workers", "seconds"),
    [
        ((), 2, 0),
        ((waiting("a"),), 1, 10),
        ((waiting("a"), waiting("b"), waiting("c")), 1, 30),
        ((waiting("a"), waiting("b"), waiting("c")), 2, 20),
        ((waiting("a"), waiting("b", "a"), waiting("c", "b")), 8, 30),
        ((JobRecord("a", "a-1_1", State.RUNNING, began=BEGAN), waiting("b", "a")), 8, 16),
        ((JobRecord("a", "a-1_1", State.BUILT), waiting("b", "a")), 8, 10),
        ((waiting("a", "b"), waiting("b", "a")), 8, 0),
    ],
    ids=lambda value: "" if isinstance(value, tuple) else str(value),
)
def test_what_is_left(jobs: tuple[JobRecord, ...], workers: int, seconds: float) -> None:
    assert remaining(a_run(*jobs, workers=workers), KNOWN, BEGAN + 4) == Left(seconds, 0)


def test_nothing_is_guessed_of_what_was_never_built() -> None:
    """ "About 1.0 s left" stood still for a quarter of a minute."""
    done = JobRecord("x", "x-1_1", State.BUILT, began=BEGAN, ended=BEGAN + 7)
    assert remaining(a_run(done, waiting("new")), KNOWN, BEGAN + 8) == Left(0, 1)
    assert remaining(a_run(waiting("new"), waiting("a", "new")), KNOWN, BEGAN) == Left(10, 1)
    assert remaining(a_run(waiting("new")), {}, BEGAN).known is None


def test_what_takes_longer_than_ever_is_not_about_to_end() -> None:
    late = JobRecord("a", "a-1_1", State.RUNNING, began=BEGAN - 999)
    assert remaining(a_run(late, waiting("b", "a")), KNOWN, BEGAN + 4) == Left(10, 1)


def test_of_a_run_under_way() -> None:
    assert remaining(
        small(over=False), {"curl": Expected(20.0, 0), "git": Expected(5.0, 0)}, small().began + 90
    ) == Left(15, 0)
