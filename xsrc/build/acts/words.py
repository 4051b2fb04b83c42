"""A plan of builds in words: packages, reasons, expected time, and the longest way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from xsrc.build.schedule import Schedule, tasks
from xsrc.build.steps import BuildPlan
from xsrc.core.session import Session
from xsrc.core.ui import seconds, spent_words
from xsrc.runs.disk.journal import Journal

if TYPE_CHECKING:
    from xsrc.repo.acts.caches import Offered

_NOTHING: Mapping[str, Offered] = MappingProxyType({})


def plan_lines(
    session: Session, plan: BuildPlan, extra: Mapping[str, str], offers: Mapping[str, Offered] = _NOTHING
) -> Iterator[str]:
    """A line for each package in build order, then a line of expectations; `extra` words by name.

    `offers` is what caches have of it, by name.
    """
    expected = Journal(session.masterdir, session.ui.warn).expected()
    partial = {name for name, words in extra.items() if words}
    for step in plan.steps:
        pkgver = step.job.package.pkgver
        if step.name in offers:
            yield f"fetch {pkgver}: from {offers[step.name].words}"
            continue
        if step.reason is None:
            yield f"keep  {pkgver}: up to date"
            continue
        known = expected.get(step.name)
        cost = "" if known is None or step.name in partial else f" ({seconds(known.seconds)}, {known.peak >> 20} MiB)"
        yield f"{'maybe' if step.because else 'build'} {pkgver}: {step.reason}{extra.get(step.name, '')}{cost}"
    if len(offers) > 1:
        yield f"{len(offers)} to fetch, {sum(one.trace.size for one in offers.values()) >> 10} KiB"
    if len(plan.todo) > 1:
        yield summary(session.jobs, plan, Schedule(tasks(plan.todo, expected, fetch=False), session.jobs))


def summary(jobs: int, plan: BuildPlan, schedule: Schedule) -> str:
    """How much there is to do, how long it may take, and the longest way through it."""
    sure = sum(not step.because for step in plan.todo)
    may = len(plan.todo) - sure
    longest, names = schedule.critical_path()
    words = f"{sure} to build" + (f", {may} that may be built" if may else "")
    way = " -> ".join(names if len(names) <= 12 else (*names[:6], "…", *names[-5:]))
    left = schedule.remaining()
    longest_words = f" {spent_words(*longest)}" if longest.seconds else ""
    unknown = f" ({left.unknown} of them never built here)" if left.unknown and left.seconds else ""
    return f"{words}; with -j {jobs} {spent_words(*left)}{unknown}; longest way{longest_words}: {way}"


def plan_table(session: Session, plan: BuildPlan, offers: Mapping[str, Offered] = _NOTHING) -> dict[str, Any]:
    """The same as a table for JSON."""
    expected = Journal(session.masterdir, session.ui.warn).expected()
    schedule = Schedule(tasks(plan.todo, expected, fetch=False), session.jobs)
    longest, names = schedule.critical_path()
    left = schedule.remaining()
    steps = []
    for step in plan.steps:
        one, offer = expected.get(step.name), offers.get(step.name)
        do = "fetch" if offer else "keep" if step.reason is None else "may build" if step.because else "build"
        steps.append(
            {
                "name": step.name,
                "pkgver": str(step.job.package.pkgver),
                "key": step.job.key,
                "do": do,
                "reason": step.reason,
                "because": step.because,
                "seconds": one and one.seconds,
                "peak": (one and one.peak) or None,
                "cache": offer and offer.site.shown,
                "bytes": offer and offer.trace.size,
            }
        )
    return {
        "cutoff": plan.rung,
        "jobs": session.jobs,
        "seconds": left.known,
        "unknown": left.unknown,
        "critical_path": {"seconds": longest.known, "names": names},
        "steps": steps,
    }
