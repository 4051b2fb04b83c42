"""A run: what one command set out to build, and what became of each job; the history that expectations come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from statistics import median


class State(StrEnum):
    """How a job, or a whole run, stands."""

    WAITING = "waiting"
    RUNNING = "running"
    BUILT = "built"
    KEPT = "up to date"
    FAILED = "failed"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in (State.WAITING, State.RUNNING)


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
    """How long each phase took that ran."""
    peak: int = 0
    """The most memory that its processes had at one time, in bytes; 0 where that is not known."""
    reason: str = ""
    """Why it is built."""
    error: str = ""
    """Why it failed, on one line."""
    because: str = ""
    """The failed package for which it was skipped."""
    needs: tuple[str, ...] = ()
    """The packages of the run that it waits for, without those that one of them waits for itself."""
    makejobs: int = 0

    @property
    def took(self) -> float:
        """Seconds that its phases took together, or from its begin to its end where these are not known."""
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
        """The same run after its process is gone, though it never said that it ended."""
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
    """What a build of a package may take, by its history."""

    seconds: float
    peak: int
    """Bytes; 0 where it is not known."""

    @classmethod
    def of(cls, builds: Iterable[tuple[float, int]]) -> Expected:
        """The medians of builds, by seconds and peak; there is at least one."""
        seconds, peaks = zip(*builds, strict=True)
        return cls(median(seconds), int(median([peak for peak in peaks if peak] or [0])))
