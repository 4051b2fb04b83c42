"""The steps of a plan as tasks of a schedule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from xsrc.model.run import Expected
from xsrc.plan.build import Step
from xsrc.plan.schedule import Task

_USUAL = 1.0
"""Seconds that a build is expected to take where nothing is known of any."""


def tasks(todo: tuple[Step, ...], expected: Mapping[str, Expected], *, fetch: bool) -> tuple[Task, ...]:
    """The steps of `todo`; each waits for what stands in its build root, unless they are only to `fetch`.

    What the history does not know is expected to take as long as is usual for the others.
    """
    names = {step.name for step in todo}
    usual = median([known.seconds for name, known in expected.items() if name in names] or [_USUAL])
    result = []
    for step in todo:
        needs = () if fetch else (*step.within, *step.because)
        known = expected.get(step.name, Expected(usual, 0))
        result.append(Task(step.name, frozenset(names.intersection(needs)), known.seconds, known.peak))
    return tuple(result)


def direct_needs(waiting: Iterable[Task]) -> dict[str, tuple[str, ...]]:
    """What each task waits for and none of those waits for already: as much as must be known to put them in order."""
    needs = {task.name: task.needs for task in waiting}
    return {name: tuple(sorted(own.difference(*(needs[need] for need in own)))) for name, own in needs.items()}
