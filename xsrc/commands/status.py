"""`xsrc status`: what runs in the masterdir now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from xsrc.commands.verb import WithJson
from xsrc.core.errors import HostError
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.core.ui import left_words, seconds
from xsrc.runs.disk.journal import Journal
from xsrc.runs.forecast import remaining
from xsrc.runs.run import JobRecord, Run, State
from xsrc.unix.lock import Holder, holder

_RUNS = 20
"""The newest runs among which those that go on are looked for."""


class Status(WithJson):
    """Print what is built in the masterdir now, in which phase, for how long, and whose process does it"""

    example = "status"

    def go(self, session: Session) -> int:
        journal = Journal(session.masterdir, session.ui.warn)
        now = datetime.fromisoformat(session.host.now).timestamp()
        numbers = [tally.number for tally in journal.tallies(_RUNS) if not tally.state.over]
        runs = [run for number in numbers if (run := journal.run(number)) and not run.state.over]
        expected = journal.expected() if runs else {}
        try:
            changes = holder(session.masterdir.farm_lock)
            rows = [{**_table(run, now), "jobs": list(_jobs(session.masterdir, run, now))} for run in runs]
        except OSError as error:
            raise HostError(f"{error.filename}: {error.strerror}", hint="ask the owner of the masterdir") from error
        if self.json:
            session.ui.json({"runs": rows, "change": changes and asdict(changes)})
            return 0
        for run, row in zip(runs, rows, strict=True):
            words = left_words(*remaining(run, expected, now))
            session.ui.output(f"run {run.number}: xsrc {run.command}: {row['done']} of {len(run.jobs)} done, {words}")
            for job in row["jobs"]:
                session.ui.output(f"  {job['pkgver']}: {job['phase']} for {seconds(job['seconds'])}{_by(job)}")
        if changes:
            session.ui.output(f"the stowed root: {changes.purpose}{_by(asdict(changes))}")
        if not runs and not changes:
            session.ui.note(f"nothing runs in {session.masterdir.root}")
        return 0


def _table(run: Run, now: float) -> dict[str, Any]:
    """A run without its jobs."""
    done = sum(job.state.over for job in run.jobs)
    return {
        "run": run.number,
        "command": run.command,
        "seconds": max(now - run.began, 0.0),
        "done": done,
        "packages": len(run.jobs),
    }


def _jobs(masterdir: Masterdir, run: Run, now: float) -> Iterator[dict[str, Any]]:
    """The jobs of a run that go on. Raises OSError."""
    for job in run.jobs:
        if job.state is State.RUNNING:
            by = holder(masterdir.work_lock(PkgVer.parse(job.pkgver))) or Holder(0, "", "")
            phase = job.phase or "start"
            row = {"name": job.name, "pkgver": job.pkgver, "phase": phase, "seconds": _since(job, now)}
            yield {**row, "process": by.process or None, "user": by.user or None}


def _since(job: JobRecord, now: float) -> float:
    """How long the present phase of a job has run."""
    return max(now - (job.began or now) - sum(job.seconds.values()), 0.0)


def _by(row: dict[str, Any]) -> str:
    """Whose process it is, in words."""
    return f" (process {row['process']} of {row['user']})" if row["process"] and row["user"] else ""
