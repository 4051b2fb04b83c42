"""Estimates the end of a run from earlier builds of its packages and from their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from statistics import median

from xsrc.runs.run import Expected, JobRecord, Run, State


def remaining(run: Run, expected: Mapping[str, Expected], now: float) -> float | None:
    """Seconds until the expected end of a running run; None while no time is known.

    For a package that was never built, expect the median of the builds in this run, or of earlier ones.
    """
    done = [job.took for job in run.jobs if job.state is State.BUILT] or [one.seconds for one in expected.values()]
    if not done:
        return None
    usual = median(done)

    def left(job: JobRecord) -> float:
        """How long a job still takes."""
        known = expected[job.name].seconds if job.name in expected else usual
        return max(known - (now - job.began if job.state is State.RUNNING and job.began is not None else 0), 0)

    going = [(left(job), job.name) for job in run.jobs if job.state is State.RUNNING]
    waiting = {job.name: (left(job), job.needs) for job in run.jobs if job.state is State.WAITING}
    return simulated(going, waiting, run.workers)


def simulated(
    going: Iterable[tuple[float, str]], waiting: Mapping[str, tuple[float, Iterable[str]]], workers: int
) -> float:
    """Return the seconds until all is over, where each free worker begins the next that waits for nothing.

    `going` has the seconds and the name of each that runs; `waiting` the seconds of each by name, and its needs. What
    waits for itself never begins.
    """
    running = list(going)
    heapify(running)
    undone = waiting.keys() | {name for _, name in running}
    blocked = {name: len(undone.intersection(needs)) for name, (_, needs) in waiting.items()}
    users: dict[str, list[str]] = {}
    for name, (_, needs) in waiting.items():
        for need in undone.intersection(needs):
            users.setdefault(need, []).append(name)
    ready = [name for name, count in reversed(blocked.items()) if count == 0]
    clock = 0.0
    while running or ready:
        while ready and len(running) < max(workers, 1):
            name = ready.pop()
            heappush(running, (clock + waiting[name][0], name))
        clock, name = heappop(running)
        for user in users.get(name, ()):
            blocked[user] -= 1
            if blocked[user] == 0:
                ready.append(user)
    return clock
