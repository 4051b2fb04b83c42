"""The page of a package: all its known builds, and how their time has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from xsrc.core.phase import ORDER, Phase
from xsrc.runs.run import Expected, JobRecord, State
from xsrc.runs.svg import plot
from xsrc.runs.text import Neighbours, ways

_DRAWN = 60
"""Builds that a plot shows, the newest."""


class BuildRow(NamedTuple):
    """A row of the table of builds."""

    number: int
    """That of the run."""
    job: JobRecord
    version: str
    paged: bool
    """Whether the run has a page."""
    logs: Sequence[tuple[str, str]]
    """The phases that left logs, each with the address of its log."""


@dataclass(frozen=True)
class PackagePage:
    """All that the page of a package says, not as markup yet."""

    name: str
    usual: Expected | None
    """What its builds take, None where none came to its end."""
    times: Markup
    """A picture, empty where no build has a time."""
    phases: Sequence[str]
    builds: Sequence[BuildRow]
    """Newest first, at least one."""


def _place(phase: str) -> tuple[int, str]:
    """The place of a phase among all, whichever was seen first."""
    return (ORDER.index(Phase(phase)) if phase in ORDER else len(ORDER), phase)


def package_page(name: str, builds: Sequence[tuple[int, JobRecord]], beside: Neighbours) -> PackagePage:
    """The content of the page of a package; `builds` are its records with their runs, newest first, at least one."""
    done = [(job.took, job.peak) for _, job in builds if job.state is State.BUILT and job.whole]
    shown = [(number, job) for number, job in builds if job.seconds or job.took][:_DRAWN]
    return PackagePage(
        name=name,
        usual=Expected.of(done) if done else None,
        times=plot(shown[::-1]) if shown else Markup(""),
        phases=sorted({phase for _, job in builds for phase in job.seconds}, key=_place),
        builds=[
            BuildRow(run, job, job.pkgver.removeprefix(f"{name}-"), run in beside.pages, ways(run, job, beside, "../"))
            for run, job in builds
        ],
    )
