"""The page of a run: its states, its expected end, a chart of its workers, and one table of all packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from xsrc.runs.forecast import Left, remaining
from xsrc.runs.run import Expected, JobRecord, Run, State, Tally
from xsrc.runs.svg import gantt, progress
from xsrc.runs.text import ORDER, Neighbours, ways

_MANY = 1000
"""Jobs from which on a page that shows a run under way is read anew less often."""


class JobRow(NamedTuple):
    """A row of the table of packages."""

    job: JobRecord
    version: str
    took: float
    paged: bool
    """Whether the package has a page of its own."""
    beside: bool
    """Whether the package for which it was skipped is in the same table."""
    logs: Sequence[tuple[str, str]]
    """The phases that left logs, each with the address of its log."""


class OtherRun(NamedTuple):
    """A row of the table of other runs."""

    run: Tally
    paged: bool
    counts: Sequence[tuple[State, int]]


@dataclass(frozen=True)
class RunPage:
    """All that the page of a run says, not as markup yet."""

    run: Run
    now: float
    done: int
    wait: int
    """Seconds after which the page of a run under way is read anew."""
    left: Left
    """How long a run under way may still take."""
    elapsed: float
    busy: float
    """How many workers had work on average, 0 where that is not known."""
    peak: int
    counts: Sequence[tuple[State, int]]
    bar: Markup
    lanes: Markup
    """A picture, empty where no job ran."""
    rows: Sequence[JobRow]
    others: Sequence[OtherRun]


def run_page(
    run: Run,
    earlier: Sequence[Tally],
    expected: Mapping[str, Expected],
    now: float,
    beside: Neighbours,
) -> RunPage:
    """The content of the page of a run; `earlier` are the other runs."""
    counts = Tally.of(run).counts
    last = run.ended if run.ended is not None else now
    elapsed = max(last - run.began, 0)
    worked = sum((j.ended if j.ended is not None else last) - j.began for j in run.jobs if j.began is not None)
    return RunPage(
        run=run,
        now=now,
        done=sum(count for state, count in counts.items() if state.over),
        wait=10 if len(run.jobs) < _MANY else 60,
        left=Left(0, 0) if run.state.over else remaining(run, expected, now),
        elapsed=elapsed,
        busy=worked / elapsed if elapsed > 0 and worked > 0 else 0,
        peak=max((job.peak for job in run.jobs), default=0),
        counts=_in_order(counts),
        bar=progress(counts),
        lanes=gantt(run.jobs, run.began, last),
        rows=_rows(run, beside, last),
        others=[OtherRun(other, other.number in beside.pages, _in_order(other.counts)) for other in earlier],
    )


def _in_order(counts: Mapping[State, int]) -> list[tuple[State, int]]:
    return [(state, counts[state]) for state in ORDER if counts.get(state)]


def _rows(run: Run, links: Neighbours, last: float) -> list[JobRow]:
    known = frozenset(links.known)
    rank = {state: number for number, state in enumerate(ORDER)}
    names = {job.name for job in run.jobs}
    return [
        JobRow(
            job=job,
            version=job.pkgver.removeprefix(f"{job.name}-"),
            took=max(last - job.began, 0) if job.state is State.RUNNING and job.began is not None else job.took,
            paged=job.name in known,
            beside=job.because in names,
            logs=ways(run.number, job, links),
        )
        for job in sorted(run.jobs, key=lambda job: (rank[job.state], job.name))
    ]
