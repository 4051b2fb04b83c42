"""A plan of builds in words: what, why, how long it is expected to take, and what cannot be faster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from xsrc.effects.journal import Journal
from xsrc.plan.build import BuildPlan
from xsrc.plan.schedule import Schedule
from xsrc.plan.tasks import tasks
from xsrc.ui import seconds
from xsrc.verbs.context import Context


def plan_lines(context: Context, plan: BuildPlan, extra: Mapping[str, str]) -> Iterator[str]:
    """What would be done, a line a package in build order, then what is expected of all of it; `extra` by name."""
    expected = Journal(context.masterdir, context.ui.warn).expected()
    for step in plan.steps:
        pkgver = step.job.package.pkgver
        if step.reason is None:
            yield f"keep  {pkgver}: up to date"
            continue
        known = expected.get(step.name)
        cost = "" if known is None else f" ({seconds(known.seconds)}, {known.peak >> 20} MiB)"
        yield f"{'may  ' if step.because else 'build'} {pkgver}: {step.reason}{extra.get(step.name, '')}{cost}"
    if len(plan.todo) > 1:
        yield summary(context, plan, Schedule(tasks(plan.todo, expected, fetch=False), context.jobs))


def summary(context: Context, plan: BuildPlan, schedule: Schedule) -> str:
    """How much there is to do, how long it may take, and the longest way through it."""
    sure = sum(not step.because for step in plan.todo)
    may = len(plan.todo) - sure
    longest, names = schedule.critical_path()
    words = f"{sure} to build" + (f", {may} that may be built" if may else "")
    way = " -> ".join(names if len(names) <= 12 else (*names[:6], "…", *names[-5:]))
    return (
        f"{words}; with -j {context.jobs} about {seconds(schedule.remaining())}; longest way {seconds(longest)}: {way}"
    )


def plan_table(context: Context, plan: BuildPlan) -> dict[str, Any]:
    """The same as a table for JSON."""
    expected = Journal(context.masterdir, context.ui.warn).expected()
    schedule = Schedule(tasks(plan.todo, expected, fetch=False), context.jobs)
    longest, names = schedule.critical_path()
    steps = []
    for step in plan.steps:
        known = expected.get(step.name)
        steps.append(
            {
                "name": step.name,
                "pkgver": str(step.job.package.pkgver),
                "key": step.job.key,
                "do": "keep" if step.reason is None else "may build" if step.because else "build",
                "reason": step.reason,
                "because": step.because,
                "seconds": known and known.seconds,
                "peak": known and known.peak,
            }
        )
    return {
        "cutoff": plan.rung,
        "jobs": context.jobs,
        "seconds": schedule.remaining(),
        "critical path": {"seconds": longest, "names": names},
        "steps": steps,
    }
