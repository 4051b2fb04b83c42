"""Which task of a run to begin next: the one with the longest way to the end, as far as workers and memory go.

Time is not known here: tasks carry what they are expected to take, and the caller says what began and ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter


@dataclass(frozen=True, slots=True)
class Task:
    """One package to build; `needs` names tasks of the same run that have to be over before it begins."""

    name: str
    needs: frozenset[str] = frozenset()
    seconds: float = 1.0
    """Expected; where nothing is known, the caller puts a usual value."""
    memory: int = 0
    """Expected peak in bytes; 0 where it is not known, which fits anywhere."""


class Schedule:
    """The state of a run. Every task ends once: finished, failed, dropped, or skipped because another failed.

    A step costs O(log n) and a look at the direct dependents. Equal tasks go in the order of names.

    Memory: the expected peaks of what runs add up to `room` at most, but a task alone is always let in. One that is
    first and does not fit lets others past, as many as there are workers; then room is reserved for it, and only what
    fits beside it and what was let in since may begin. So it waits for what ran at that time, and for nothing else.
    """

    def __init__(self, tasks: Iterable[Task], workers: int, room: int | None = None) -> None:
        """`room`: bytes for all workers together, None for no limit. A cycle raises graphlib.CycleError."""
        self._tasks = {task.name: task for task in tasks}
        self._workers, self._room = workers, room
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
        """In the order in which they began."""
        return tuple(self._running)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Neither begun nor over, those with the longest way behind them first."""
        return tuple(name for name in self._ranked if name not in self._running and name not in self._over)

    @property
    def done(self) -> tuple[str, ...]:
        """All that is over, however it ended, in the order of the ends."""
        return tuple(self._over)

    def share(self) -> int:
        """How many processes the make of a task that begins now may have, at most one for each worker.

        Twice what would fill the processors: configure scripts, links and tests leave a share idle, and a long build
        that began beside short ones would keep a small one to its end.
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
        """`name` ended well: what needs it has one thing less to wait for."""
        self._end(name)
        for dependent in self._dependents[name]:
            self._pending[dependent] -= 1
            if not self._pending[dependent] and dependent not in self._over:
                self._ready.add(self._rank[dependent])

    def dropped(self, name: str) -> None:
        """`name`, running or not yet, turned out to need nothing done; for the others it is as good as finished."""
        self.finished(name)

    def failed(self, name: str) -> tuple[str, ...]:
        """`name` ended badly; all that cannot be done because of it, each once in a run, the longest way first."""
        self._end(name)
        skipped: dict[str, None] = {}
        queue = [name]
        for failed in queue:
            for dependent in self._dependents[failed]:
                if dependent not in self._over:
                    self._over[dependent] = skipped[dependent] = None
                    queue.append(dependent)
        return tuple(sorted(skipped, key=self._rank.__getitem__))

    def remaining(self, elapsed: Mapping[str, float] | None = None) -> float:
        """Seconds to the expected end: the longest way left or all work over all workers, whichever is more.

        `elapsed` says for how long each of the running has been at it. Costs O(what is left).
        """
        saved = {name: min(seconds, self._tasks[name].seconds) for name, seconds in (elapsed or {}).items()}
        lengths = self._lengths()
        work = sum(self._tasks[name].seconds - saved.get(name, 0.0) for name in lengths)
        longest = max((length - saved.get(name, 0.0) for name, length in lengths.items()), default=0.0)
        return max(longest, work / self._workers)

    def critical_path(self) -> tuple[float, tuple[str, ...]]:
        """The longest way through what is not over, in expected seconds and by names; at first that of the run."""
        lengths = self._lengths()
        path: list[str] = []
        ways = list(lengths)
        while ways:
            path.append(min(ways, key=lambda name: (-lengths[name], name)))
            ways = [name for name in self._dependents[path[-1]] if name in lengths]
        return (lengths[path[0]] if path else 0.0), tuple(path)

    def _lengths(self) -> dict[str, float]:
        """Of all that is not over: its own seconds and those of the longest chain of dependents behind it."""
        lengths: dict[str, float] = {}
        for name in self._backward:
            if name not in self._over:
                behind = (lengths.get(dependent, 0.0) for dependent in self._dependents[name])
                lengths[name] = self._tasks[name].seconds + max(behind, default=0.0)
        return lengths

    def _next(self) -> str | None:
        """The task to let in, if one may be."""
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
    """A set of ranks that knows its least one within a limit of memory: a tree of minima over ranks by memory."""

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
        """Nothing happens where it is not in the set."""
        self._put(rank, self._none)

    def first(self, limit: int | None = None) -> int | None:
        """The least rank with a memory of `limit` at most, None where there is none."""
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
