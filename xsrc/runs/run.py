"""A run: the packages that one command builds, and the result of each job; the history behind expectations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median
from types import MappingProxyType

from xsrc.core.phase import Phase


class State(StrEnum):
    """The state of a job or of a whole run."""

    WAITING = "waiting"
    RUNNING = "running"
    BUILT = "built"
    FETCHED = "fetched"
    EXTRACTED = "extracted"
    PATCHED = "patched"
    CONFIGURED = "configured"
    COMPILED = "compiled"
    CHECKED = "checked"
    KEPT = "up to date"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"

    @property
    def over(self) -> bool:
        """Whether this state is final."""
        return self not in (State.WAITING, State.RUNNING)


REACHED: Mapping[Phase, State] = MappingProxyType(
    {
        Phase.FETCH: State.FETCHED,
        Phase.EXTRACT: State.EXTRACTED,
        Phase.PATCH: State.PATCHED,
        Phase.CONFIGURE: State.CONFIGURED,
        Phase.BUILD: State.COMPILED,
        Phase.CHECK: State.CHECKED,
        Phase.INSTALL: State.BUILT,
    }
)
"""The state of a job by the last phase that was asked for: only what was installed is built."""
PARTIAL = frozenset(REACHED.values()) - {State.BUILT}
"""The states of jobs that went as far as they were asked to, and are no builds."""


@dataclass(frozen=True)
class JobRecord:
    """One package of a run."""

    name: str
    pkgver: str
    state: State
    phase: str = ""
    """The phase that runs, or the last one that ran."""
    began: float | None = None
    """Seconds since the epoch, as every time here."""
    ended: float | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each phase took, of those that ran."""
    peak: int = 0
    """The most memory that its processes had at one time, in bytes; 0 if unknown."""
    reason: str = ""
    """Why it is built."""
    error: str = ""
    """Why it failed, on one line."""
    because: str = ""
    """The failed package for which it was skipped."""
    needs: tuple[str, ...] = ()
    """The packages of the run that it waits for, without those that one of them also waits for."""
    makejobs: int = 0
    untested: bool = False
    """Whether its tests were left out of this build."""

    @property
    def whole(self) -> bool:
        """Whether it began with the first phases, and did not go on from an earlier run."""
        return not self.seconds or Phase.FETCH in self.seconds or Phase.EXTRACT in self.seconds

    @property
    def took(self) -> float:
        """Seconds of all its phases together, or from its begin to its end if those are unknown."""
        if self.seconds or self.began is None or self.ended is None:
            return sum(self.seconds.values())
        return self.ended - self.began


@dataclass(frozen=True)
class Run:
    """One command and its jobs."""

    number: int
    began: float
    ended: float | None
    command: str
    workers: int
    state: State
    jobs: tuple[JobRecord, ...] = ()

    def cut_off(self) -> Run:
        """The same run as interrupted: its process is gone without a recorded end."""
        times = [at for job in self.jobs for at in (job.began, job.ended) if at is not None]
        jobs = (replace(job, state=State.INTERRUPTED) if job.state is State.RUNNING else job for job in self.jobs)
        return replace(self, state=State.INTERRUPTED, ended=max(times, default=self.began), jobs=tuple(jobs))


@dataclass(frozen=True)
class Tally:
    """A run without its jobs: how many there are of each state."""

    number: int
    began: float
    ended: float | None
    command: str
    workers: int
    state: State
    counts: Mapping[State, int]

    @classmethod
    def of(cls, run: Run) -> Tally:
        counts = Counter(job.state for job in run.jobs)
        return cls(run.number, run.began, run.ended, run.command, run.workers, run.state, counts)


@dataclass(frozen=True)
class Expected:
    """The expected time and memory of a build of a package, by its history."""

    seconds: float
    peak: int
    """Bytes; 0 where it is not known."""

    @classmethod
    def of(cls, builds: Iterable[tuple[float, int]]) -> Expected:
        """The medians of builds, by seconds and peak; there is at least one."""
        seconds, peaks = zip(*builds, strict=True)
        return cls(median(seconds), int(median([peak for peak in peaks if peak] or [0])))
