"""Chooses the next task of a run: the one with the longest way to the end, within workers and memory.

This module has no clock: tasks have their expected times, and the caller reports their begins and ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from statistics import median

from xsrc.build.steps import Step
from xsrc.runs.forecast import Left, simulated
from xsrc.runs.run import Expected

_USUAL = 1.0
"""What a build weighs beside others if no time is known; nobody is told this figure."""


@dataclass(frozen=True, slots=True)
class Task:
    """One package to build; `needs` names tasks of the same run that must be over before it begins."""

    name: str
    needs: frozenset[str] = frozenset()
    seconds: float | None = None
    """Expected seconds, None if unknown."""
    memory: int = 0
    """Expected peak in bytes; 0 if unknown, which always fits."""


class Schedule:
    """The state of a run. Every task ends once: finished, failed, dropped, or skipped because another failed.

    A step costs O(log n) and a look at the direct dependents. Equal tasks go in the order of names.

    Memory: the expected peaks of running tasks add up to `room` at most, but a single task may always run. If the first
    task does not fit, as many others as there are workers may pass it. Then room is reserved for it, and only tasks
    that fit beside it and beside those begun since may begin. So it waits only for the tasks that ran at that time.
    """

    def __init__(self, tasks: Iterable[Task], workers: int, room: int | None = None) -> None:
        """`room`: bytes for all workers together, None for no limit. A cycle raises graphlib.CycleError."""
        self._tasks = {task.name: task for task in tasks}
        self._workers, self._room = workers, room
        known = [task.seconds for task in self._tasks.values() if task.seconds is not None]
        self._usual = median(known or [_USUAL])
        self._dependents: dict[str, list[str]] = {name: [] for name in self._tasks}
        for task in self._tasks.values():
            for need in task.needs:
                self._dependents[need].append(task.name)
        needs = {name: task.needs for name, task in self._tasks.items()}
        self._backward = tuple(TopologicalSorter(needs).static_order())[::-1]
        self._pending = {name: len(needs[name]) for name in self._backward}
        self._over: dict[str, None] = {}
        self._running: dict[str, None] = {}
        lengths = self._lengths()
        self._ranked = sorted(self._tasks, key=lambda name: (-lengths[name], name))
        self._rank = {name: rank for rank, name in enumerate(self._ranked)}
        self._ready = _Ready([self._tasks[name].memory for name in self._ranked])
        self._used = 0
        self._passed: Counter[str] = Counter()
        self._reserved: str | None = None
        self._spare = 0
        self._beside: set[str] = set()
        for name, count in self._pending.items():
            if not count:
                self._ready.add(self._rank[name])

    @property
    def running(self) -> tuple[str, ...]:
        """The running tasks, in the order in which they began."""
        return tuple(self._running)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The tasks that have not begun, those with the longest way behind them first."""
        return tuple(name for name in self._ranked if name not in self._running and name not in self._over)

    @property
    def done(self) -> tuple[str, ...]:
        """The tasks that are over, however they ended, in the order of their ends."""
        return tuple(self._over)

    def share(self) -> int:
        """How many processes the make of a task that begins now may have, at most one for each worker.

        It is twice the fair share: configure scripts, links and tests leave a share idle, and a long build that began
        beside short ones would keep a small share to its end.
        """
        return min(self._workers, -(-2 * self._workers // max(1, len(self._running))))

    def begin(self) -> tuple[str, ...]:
        """The tasks to begin now, in this order; they count as running from here on."""
        begun = []
        while len(self._running) < self._workers and (name := self._next()) is not None:
            self._ready.remove(self._rank[name])
            self._running[name] = None
            self._used += self._tasks[name].memory
            begun.append(name)
        return tuple(begun)

    def finished(self, name: str) -> None:
        """`name` ended well: its dependents wait for one task less."""
        self._end(name)
        for dependent in self._dependents[name]:
            self._pending[dependent] -= 1
            if not self._pending[dependent] and dependent not in self._over:
                self._ready.add(self._rank[dependent])

    def dropped(self, name: str) -> None:
        """`name`, running or not, turned out to be up to date; for the others it counts as finished."""
        self.finished(name)

    def failed(self, name: str) -> tuple[str, ...]:
        """`name` ended badly; return the tasks that are skipped for it, each once in a run, the longest way first."""
        self._end(name)
        skipped: dict[str, None] = {}
        queue = [name]
        for failed in queue:
            for dependent in self._dependents[failed]:
                if dependent not in self._over:
                    self._over[dependent] = skipped[dependent] = None
                    queue.append(dependent)
        return tuple(sorted(skipped, key=self._rank.__getitem__))

    def remaining(self) -> Left:
        """Return the expected end of what waits, as the report of a run would tell it."""
        waiting = {name: (self._tasks[name].seconds or 0, self._tasks[name].needs) for name in self.waiting}
        return Left(simulated((), waiting, self._workers), self._unknown(waiting))

    def _unknown(self, names: Iterable[str]) -> int:
        return sum(self._tasks[name].seconds is None for name in names)

    def _weight(self, name: str) -> float:
        """Seconds by which tasks are ordered; those of unknown time come between the others."""
        known = self._tasks[name].seconds
        return self._usual if known is None else known

    def critical_path(self) -> tuple[Left, tuple[str, ...]]:
        """The longest way through the remaining tasks, in expected seconds and by names."""
        lengths = self._lengths()
        path: list[str] = []
        ways = list(lengths)
        while ways:
            path.append(min(ways, key=lambda name: (-lengths[name], name)))
            ways = [name for name in self._dependents[path[-1]] if name in lengths]
        return Left(sum(self._tasks[name].seconds or 0 for name in path), self._unknown(path)), tuple(path)

    def _lengths(self) -> dict[str, float]:
        """For each remaining task, its seconds and those of the longest chain of dependents behind it."""
        lengths: dict[str, float] = {}
        for name in self._backward:
            if name not in self._over:
                behind = (lengths.get(dependent, 0.0) for dependent in self._dependents[name])
                lengths[name] = self._weight(name) + max(behind, default=0.0)
        return lengths

    def _next(self) -> str | None:
        """The task to begin, if one may begin."""
        rank = self._ready.first()
        if rank is None:
            return None
        first = self._reserved or self._ranked[rank]
        memory = self._tasks[first].memory
        if self._room is None or not self._running or memory <= self._room - self._used:
            self._reserved = None
            return first
        if self._reserved is None and self._passed[first] >= self._workers:
            self._reserved, self._spare = first, self._room - memory
            self._beside.clear()
        free = self._room - self._used
        rank = self._ready.first(min(free, self._spare) if self._reserved else free)
        if rank is None:
            return None
        other = self._ranked[rank]
        self._passed[first] += 1
        self._spare -= self._tasks[other].memory
        self._beside.add(other)
        return other

    def _end(self, name: str) -> None:
        assert name not in self._over, f"{name} ended twice"
        if name in self._running:
            del self._running[name]
            self._used -= self._tasks[name].memory
            if name in self._beside:
                self._beside.remove(name)
                self._spare += self._tasks[name].memory
        else:
            self._ready.remove(self._rank[name])
            if name == self._reserved:
                self._reserved = None
        self._over[name] = None


class _Ready:
    """A set of ranks that finds the least one within a limit of memory: a tree of minima over ranks by memory."""

    def __init__(self, memories: Sequence[int]) -> None:
        """`memories`: by rank."""
        by_memory = sorted(range(len(memories)), key=memories.__getitem__)
        self._memories = [memories[rank] for rank in by_memory]
        self._leaf = {rank: len(memories) + at for at, rank in enumerate(by_memory)}
        self._none = len(memories)
        self._least = [self._none] * (2 * len(memories))

    def add(self, rank: int) -> None:
        self._put(rank, rank)

    def remove(self, rank: int) -> None:
        """Remove a rank, if it is in the set."""
        self._put(rank, self._none)

    def first(self, limit: int | None = None) -> int | None:
        """The least rank with a memory of at most `limit`, None if there is none."""
        size, least = self._none, self._none
        low, high = size, size + (size if limit is None else bisect_right(self._memories, limit))
        while low < high:
            if low & 1:
                least = min(least, self._least[low])
                low += 1
            if high & 1:
                high -= 1
                least = min(least, self._least[high])
            low, high = low >> 1, high >> 1
        return None if least == self._none else least

    def _put(self, rank: int, value: int) -> None:
        at = self._leaf[rank]
        self._least[at] = value
        while at > 1:
            at >>= 1
            self._least[at] = min(self._least[2 * at], self._least[2 * at + 1])


def tasks(todo: tuple[Step, ...], expected: Mapping[str, Expected], *, fetch: bool) -> tuple[Task, ...]:
    """The steps of `todo` as tasks; each waits for the packages in its build root, unless the run only fetches."""
    names = {step.name for step in todo}
    result = []
    for step in todo:
        needs = () if fetch else (*step.within, *step.because)
        known = expected.get(step.name)
        seconds, peak = (known.seconds, known.peak) if known else (None, 0)
        result.append(Task(step.name, frozenset(names.intersection(needs)), seconds, peak))
    return tuple(result)


def direct_needs(waiting: Iterable[Task]) -> dict[str, tuple[str, ...]]:
    """The direct needs of each task, without those that another of its needs already waits for."""
    needs = {task.name: task.needs for task in waiting}
    return {name: tuple(sorted(own.difference(*(needs[need] for need in own)))) for name, own in needs.items()}
