"""Sets of small packages that need each other, and what the journal says of a run of them."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.kit import pack


@dataclass(frozen=True)
class Small:
    """A package without sources that takes `seconds` to build and passes on what it needs."""

    name: str
    needs: tuple[str, ...] = ()
    seconds: float = 0.3
    scripts: Mapping[str, str] | None = None
    """More phases, or others in place of its own."""

    @property
    def pkgver(self) -> str:
        return f"{self.name}-1.0_1"

    @property
    def build(self) -> str:
        """The script of its build phase."""
        lists = " ".join(f"/usr/share/{need}/list" for need in self.needs)
        return f"sleep {self.seconds}\n{{ echo {self.name}; cat {lists or '/dev/null'}; }} >list\n"

    @property
    def template(self) -> str:
        """The text of its template; it installs a list of itself and of all that it was built on."""
        scripts = {
            "pre_configure": "date +%s%N\n",
            "do_build": self.build,
            "do_install": f"mkdir -p $DESTDIR/usr/share/{self.name}\ncp list $DESTDIR/usr/share/{self.name}/list\n",
            **(self.scripts or {}),
        }
        top = f'make_check = "no tests"\nmakedepends = {json.dumps(self.needs)}\n'
        return pack.template(self.name, style="gnu-makefile", top=top, tables=pack.phases(scripts))


DOZEN = tuple(
    Small(name, tuple(needs.split()), seconds)
    for name, needs, seconds in (
        ("a1", "", 0.4),
        ("a2", "", 0.3),
        ("b1", "a1", 0.2),
        ("b2", "a1 a2", 0.3),
        ("b3", "a2", 0.1),
        ("c1", "b1 b2", 0.3),
        ("c2", "b3", 0.5),
        ("d1", "", 0.5),
        ("d2", "", 0.4),
        ("d3", "", 0.2),
        ("d4", "d3", 0.1),
        ("top", "c1 c2", 0.2),
    )
)
"""Three layers with a tip, and four that nothing of it needs."""


@dataclass(frozen=True)
class Noted:
    """One job as the journal has it."""

    name: str
    state: str
    phase: str
    began: float
    ended: float
    error: str
    because: str
    needs: tuple[str, ...]
    reason: str
    peak: int
    makejobs: int

    @property
    def took(self) -> float:
        return self.ended - self.began


@dataclass(frozen=True)
class History:
    """The newest run of a masterdir."""

    number: int
    state: str
    began: float
    ended: float
    workers: int
    jobs: Mapping[str, Noted]

    def of(self, state: str) -> list[str]:
        """The names of the jobs in a state, sorted."""
        return sorted(name for name, job in self.jobs.items() if job.state == state)

    def at_once(self) -> int:
        """The most jobs that ran at one time."""
        ran = [job for job in self.jobs.values() if job.began]
        return max((sum(other.began <= job.began < other.ended for other in ran) for job in ran), default=0)

    def late(self) -> list[tuple[str, str]]:
        """Each job with a need that had not ended when it began."""
        return [
            (job.name, need)
            for job in self.jobs.values()
            for need in job.needs
            if job.began and need in self.jobs and job.began < self.jobs[need].ended
        ]

    def shortest(self) -> float:
        """Seconds below which no order of these jobs can come: the longest chain, or all work over all workers."""
        lengths: dict[str, float] = {}

        def length(name: str) -> float:
            if name not in lengths:
                job = self.jobs[name]
                behind = (length(need) for need in job.needs if need in self.jobs)
                lengths[name] = job.took + max(behind, default=0.0)
            return lengths[name]

        return max(max(map(length, self.jobs)), sum(job.took for job in self.jobs.values()) / self.workers)


def history(masterdir: Path) -> History:
    """The newest run, read from a copy: as root, sqlite would make files of root beside the journal."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.deserialize((masterdir / "var/db/xsrc/journal.sqlite").read_bytes())
        db.row_factory = sqlite3.Row
        run = db.execute("SELECT * FROM run ORDER BY number DESC LIMIT 1").fetchone()
        rows = db.execute("SELECT * FROM job WHERE run = ?", (run["number"],)).fetchall()
    jobs = {
        row["name"]: Noted(
            row["name"],
            row["state"],
            row["phase"],
            row["began"] or 0.0,
            row["ended"] or 0.0,
            row["error"],
            row["because"],
            tuple(row["needs"].split()),
            row["reason"],
            row["peak"],
            row["makejobs"],
        )
        for row in rows
    }
    return History(run["number"], run["state"], run["began"], run["ended"] or 0.0, run["workers"], jobs)


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are not yet gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def lists(masterdir: Path, smalls: Iterable[Small]) -> dict[str, str]:
    """What each package installed, in its destdir, as one line."""
    return {
        small.name: " ".join(
            (masterdir / "pkg-destdir" / small.pkgver / f"usr/share/{small.name}/list").read_text().split()
        )
        for small in smalls
    }
