"""How near a run comes to what is possible, over the packages of a distribution: simulated, nothing is built.

As a program: simulate.py [SEEDS] prints the table for 2 to 1,000 workers.

Times of builds are log-normal: half take less than 30 s, one in six more than 110 s, one in a thousand more than
28 minutes, and of close to 10,000 packages the longest takes about an hour, as distributions see it.
"""

from __future__ import annotations

import heapq
import random
import statistics
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from math import log
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.bench.voidtree import KINDS, RUN, read_void
from xsrc.build.schedule import Schedule, Task
from xsrc.core.pkgver import Pattern

WORKERS = (2, 4, 8, 16, 32, 64, 128, 256, 1000)
MEDIAN, SIGMA = 30.0, 1.3
WRONG = 0.7
"""Sigma of the factor by which a wrong expectation is off: two of three within a half and the double."""


@cache
def needs() -> Mapping[str, frozenset[str]]:
    """For each package what has to be built before: what it needs to build, and what that needs to run."""
    sources = read_void().ordered().sources
    named = {
        (name, kind): tuple(Pattern.parse(text).name for text in source.texts(kind))
        for name, source in sources.items()
        for kind in KINDS
    }
    found = {}
    for name in sources:
        closure = dict.fromkeys(other for kind in KINDS if kind != RUN for other in named[name, kind])
        queue = list(closure)
        for other in queue:
            for further in named[other, RUN]:
                if further not in closure:
                    closure[further] = None
                    queue.append(further)
        found[name] = frozenset(closure)
    return found


def times(seed: int) -> dict[str, float]:
    """Seconds that each build takes."""
    chance = random.Random(seed)
    return {name: chance.lognormvariate(log(MEDIAN), SIGMA) for name in needs()}


def expectations(seed: int, truth: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """What a history may say of these times: the truth, something like it, or nothing."""
    chance = random.Random(-seed)
    wrong = {name: seconds * chance.lognormvariate(0.0, WRONG) for name, seconds in truth.items()}
    return {"known": dict(truth), "misjudged": wrong, "unknown": dict.fromkeys(truth, 1.0)}


def bound(truth: Mapping[str, float], workers: int) -> float:
    """The longest path or all work over all workers, whichever is more: no run can be shorter."""
    longest = Schedule(_tasks(truth), workers).critical_path()[0].seconds
    return max(longest, sum(truth.values()) / workers)


def makespan(truth: Mapping[str, float], expected: Mapping[str, float], workers: int) -> float:
    """Seconds of a run of all packages in the order of the schedule that real runs use."""
    schedule = Schedule(_tasks(expected), workers)
    now = 0.0
    running: list[tuple[float, str]] = []
    for _ in truth:
        for name in schedule.begin():
            heapq.heappush(running, (now + truth[name], name))
        now, name = heapq.heappop(running)
        schedule.finished(name)
    return now


def _tasks(seconds: Mapping[str, float]) -> Iterator[Task]:
    return (Task(name, needs()[name], seconds[name]) for name in seconds)


def main(seeds: int) -> None:
    """Print the ratios of makespan to bound, mean and worst of the seeds."""
    edges = sum(map(len, needs().values()))
    print(f"{len(needs())} packages, {edges} needs, {seeds} seeds; makespan / bound, mean (worst)")
    print("workers          bound         known     misjudged       unknown")
    for workers in WORKERS:
        ratios: dict[str, list[float]] = {}
        bounds = []
        for seed in range(seeds):
            truth = times(seed)
            bounds.append(bound(truth, workers))
            for kind, expected in expectations(seed, truth).items():
                ratios.setdefault(kind, []).append(makespan(truth, expected, workers) / bounds[-1])
        columns = (f"{statistics.mean(found):.3f} ({max(found):.3f})" for found in ratios.values())
        print(f"{workers:7} {statistics.mean(bounds):12.0f} s", *columns, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
