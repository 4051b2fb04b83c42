"""Words of the report: times, sizes, states, addresses. None of them is markup."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

from xsrc.runs.run import PARTIAL, JobRecord, State

ORDER = (
    State.FAILED,
    State.RUNNING,
    State.INTERRUPTED,
    State.SKIPPED,
    State.BUILT,
    *sorted(PARTIAL),
    State.WAITING,
    State.KEPT,
)
"""States by how much they ask for a look."""


@dataclass(frozen=True)
class Neighbours:
    """The files beside a page that it can link to."""

    logs: Mapping[str, Sequence[str]]
    """The phases that left a log, by the folder of the logs of a job."""
    to_logs: str
    """The relative path from the report to the folder of the logs."""
    known: Collection[str] = frozenset()
    """The packages that have a page."""
    pages: Collection[int] = frozenset()
    """The numbers of the runs that have a page."""


def size(count: int) -> str:
    """Bytes in units that are near.

    >>> size(512 << 10), size(300 << 20), size(3 << 30)
    ('0.5 MiB', '300 MiB', '3.0 GiB')
    """
    mib = count / (1 << 20)
    return f"{mib / 1024:.1f} GiB" if mib >= 1000 else f"{mib:.0f} MiB" if mib >= 10 else f"{mib:.1f} MiB"


def moment(at: float) -> datetime:
    """A point in time in UTC."""
    return datetime.fromtimestamp(at, UTC)


def style(state: State) -> str:
    """The class of a state.

    >>> style(State.KEPT), style(State.FETCHED)
    ('s-up-to-date', 's-partial')
    """
    return "s-partial" if state in PARTIAL else f"s-{state.value.replace(' ', '-')}"


_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch


def reference(path: str) -> str:
    """A relative path as an address.

    >>> reference("a+b/c d")
    'a%2Bb/c%20d'
    """
    return path if _PLAIN(path) else quote(path, errors="replace")  # most are, and a page has thousands


def anchor(name: str) -> str:
    """The address of a package's row within the page of its run."""
    return f"#p-{reference(name)}"


def log_folder(run: int, job: JobRecord) -> str:
    """The folder of the logs of a job, below that of all logs."""
    return f"{job.pkgver}/{run}"


def ways(run: int, job: JobRecord, beside: Neighbours, up: str = "") -> list[tuple[str, str]]:
    """The phases that ran and left logs, in their order, each with the address of its log; `up` leads to the report."""
    folder = log_folder(run, job)
    phases = beside.logs.get(folder, ())
    if not phases or job.began is None:
        return []
    to = reference(f"{up}{beside.to_logs}/{folder}")
    return [(phase, f"{to}/{_name(phase)}") for phase in phases if phase in job.seconds or phase == job.phase]


@lru_cache(64)
def _name(phase: str) -> str:
    """The name of a log as an address: thousands of jobs have the same few phases."""
    return f"{reference(phase)}.log"


def run_file(number: int) -> str:
    """The name of a run's page."""
    return f"run-{number}.html"
