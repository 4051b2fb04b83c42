"""Writes the report: the newest run, those before it, and each package."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from xsrc.core.layout import Masterdir
from xsrc.core.phase import ORDER
from xsrc.runs.disk.journal import Journal
from xsrc.runs.disk.pages import copy_assets, copy_logs, files, render, write_page
from xsrc.runs.package_page import package_page
from xsrc.runs.run import Expected, JobRecord, Run
from xsrc.runs.run_page import run_page
from xsrc.runs.text import Neighbours, log_folder, run_file

RUNS = 20
"""Runs that have a page and a line in the list."""
_LOGS = "logs"
"""The folder of copies of logs, in a report outside the masterdir."""


def write_report(
    masterdir: Masterdir,
    journal: Journal,
    run: Run,
    now: float,
    *,
    expected: Mapping[str, Expected] | None = None,
    since: Run | None = None,
) -> Path:
    """Write the page of a run, also while it goes on; return the path of the report's first page. Raises OSError.

    `now` is in seconds since the epoch. `since` is the run as it was written last: also write the pages of packages
    whose records have changed since. Without it, write the pages of all packages of the journal; this may take seconds.
    """
    report = ReportPages(masterdir, journal)
    report.prepare()
    pages = report.pages | {run.number}
    before = {job.name: job for job in since.jobs} if since else {}
    report.write_packages([job.name for job in run.jobs if before.get(job.name) != job] if since else None, pages)
    report.write_run(run, now, expected or {}, pages)
    return report.make_first(run.number)


class ReportPages:
    """The report on disk, as it is at construction; methods raise OSError."""

    def __init__(self, masterdir: Masterdir, journal: Journal, folder: Path | None = None) -> None:
        self.journal = journal
        self.elsewhere = folder is not None
        self.folder = folder or masterdir.db / "report"
        self._logs: dict[str, tuple[str, ...]] = {}
        self.log_folder = masterdir.all_logs
        self.tallies = journal.tallies(RUNS)
        self.runs = [tally.number for tally in self.tallies]

    def logs(self, jobs: Iterable[tuple[int, JobRecord]]) -> dict[str, tuple[str, ...]]:
        """The phases that left a log, by the folder of the logs of a job; elsewhere, the report has copies of them."""
        known = self._logs
        for folder in {log_folder(run, job) for run, job in jobs if job.began is not None} - known.keys():
            phases = files(self.log_folder / folder, ".log")
            known[folder] = tuple(phase for phase in ORDER if phase in phases)
            if self.elsewhere and phases:
                copy_logs(self.log_folder / folder, self.folder / _LOGS / folder)
        return known

    @property
    def to_logs(self) -> str:
        """The relative path from the report to the logs."""
        return _LOGS if self.elsewhere else os.path.relpath(self.log_folder.resolve(), self.folder.resolve())

    @property
    def pages(self) -> set[int]:
        """The numbers of runs that have a page."""
        return {number for number in self.runs if (self.folder / run_file(number)).exists()}

    def prepare(self) -> None:
        """Make the folders and the shared files of all pages. Raises OSError."""
        (self.folder / "package").mkdir(parents=True, exist_ok=True)
        copy_assets(self.folder)

    def write_packages(self, names: Iterable[str] | None, pages: set[int]) -> None:
        """Write the pages of packages, or of all if none are named. Raises OSError."""
        for name, builds in self.journal.history(names).items():
            page = package_page(name, builds, Neighbours(self.logs(builds), self.to_logs, pages=pages))
            write_page(self.folder / "package" / f"{name}.html", render(page))

    def write_run(self, run: Run, now: float, expected: Mapping[str, Expected], pages: set[int]) -> None:
        """Write the page of a run. Raises OSError."""
        others = [tally for tally in self.tallies if tally.number != run.number]
        known = files(self.folder / "package", ".html")
        logs = self.logs((run.number, job) for job in run.jobs)
        page = run_page(run, others, expected, now, Neighbours(logs, self.to_logs, known, pages))
        write_page(self.folder / run_file(run.number), render(page))

    def make_first(self, number: int) -> Path:
        """Make the page of a run the first page of the report; return its path. Raises OSError."""
        first = self.folder / "index.html"
        write_page(first, (self.folder / run_file(number)).read_text(encoding="utf-8"))
        return first
