"""When a run may end, by what its packages took before and by who waits for whom."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from statistics import median

from xsrc.model.run import Expected, JobRecord, Run, State


def remaining(run: Run, expected: Mapping[str, Expected], now: float) -> float | None:
    """Seconds until a run that goes on may end; None while nothing is known to tell it by.

    What was never built is taken for as long as the median of what was built in this run, or before it.
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
    heapify(going)
    waiting = {job.name: job for job in run.jobs if job.state is State.WAITING}
    undone = waiting.keys() | {name for _, name in going}
    blocked = {name: len(undone.intersection(job.needs)) for name, job in waiting.items()}
    users: dict[str, list[str]] = {}
    for name, job in waiting.items():
        for need in undone.intersection(job.needs):
            users.setdefault(need, []).append(name)
    ready = [name for name, count in reversed(blocked.items()) if count == 0]
    clock = 0.0
    while going or ready:
        while ready and len(going) < max(run.workers, 1):
            name = ready.pop()
            heappush(going, (clock + left(waiting[name]), name))
        clock, name = heappop(going)
        for user in users.get(name, ()):
            blocked[user] -= 1
            if blocked[user] == 0:
                ready.append(user)
    return clock
