"""What is known of runs: how long a job took, what a build may take, what became of a run that was killed."""

from __future__ import annotations

import pytest

from xsrc.runs.run import Expected, JobRecord, Run, State


@pytest.mark.parametrize("state", State)
def test_what_is_over(state: State) -> None:
    assert state.over == (state.value not in ("waiting", "running"))


@pytest.mark.parametrize(
    ("job", "took"),
    [
        (JobRecord("a", "a-1_1", State.WAITING), 0),
        (JobRecord("a", "a-1_1", State.RUNNING, began=5.0), 0),
        (JobRecord("a", "a-1_1", State.BUILT, began=5.0, ended=8.5), 3.5),
        (JobRecord("a", "a-1_1", State.BUILT, began=5.0, ended=9.0, seconds={"build": 2.0, "install": 0.5}), 2.5),
    ],
)
def test_how_long_a_job_took(job: JobRecord, took: float) -> None:
    assert job.took == took


def test_what_a_build_may_take() -> None:
    assert Expected.of([(1.0, 10), (100.0, 30), (2.0, 20)]) == Expected(2.0, 20)
    assert Expected.of([(1.0, 0), (3.0, 40)]) == Expected(2.0, 40), "a peak that is not known counts for nothing"
    assert Expected.of([(1.0, 0)]) == Expected(1.0, 0)


def test_a_run_that_was_killed_ended_when_the_last_thing_is_known_of_it() -> None:
    jobs = (
        JobRecord("a", "a-1_1", State.BUILT, began=11.0, ended=14.0),
        JobRecord("b", "b-1_1", State.RUNNING, began=16.0),
        JobRecord("c", "c-1_1", State.WAITING),
    )
    cut = Run(1, 10.0, None, "build a", 2, State.RUNNING, jobs).cut_off()
    assert (cut.state, cut.ended) == (State.INTERRUPTED, 16.0)
    assert [job.state for job in cut.jobs] == [State.BUILT, State.INTERRUPTED, State.WAITING]
    assert Run(1, 10.0, None, "build a", 2, State.RUNNING).cut_off().ended == 10.0
