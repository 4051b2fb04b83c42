"""Estimates the end of a run from earlier builds of its packages and from their order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from xsrc.runs.run import Expected, JobRecord, Run, State


class Left(NamedTuple):
    """How long something still takes."""

    seconds: float
    """As if packages of unknown time took none."""
    unknown: int
    """How many packages were never built, or take longer than they did."""

    @property
    def known(self) -> float | None:
        """The seconds if all of them are known."""
        return None if self.unknown else self.seconds


def remaining(run: Run, expected: Mapping[str, Expected], now: float) -> Left:
    """How long a running run still takes; nothing is guessed of packages that were never built."""

    def left(job: JobRecord) -> float | None:
        """How long a job still takes, None if that is unknown."""
        if job.name not in expected:
            return None
        known = expected[job.name].seconds
        if job.state is State.WAITING or job.began is None:
            return known
        return known - (now - job.began) if known >= now - job.began else None

    times = {job.name: left(job) for job in run.jobs if not job.state.over}
    going = [(times[job.name] or 0, job.name) for job in run.jobs if job.state is State.RUNNING]
    waiting = {job.name: (times[job.name] or 0, job.needs) for job in run.jobs if job.state is State.WAITING}
    return Left(simulated(going, waiting, run.workers), sum(time is None for time in times.values()))


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
