"""`xsrc report`: what was built, when, and how it went, as pages that need neither a server nor a network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path

from plumbum import cli

from xsrc.effects.journal import Journal
from xsrc.effects.site import copy_assets, files, write_page
from xsrc.errors import HostError, UsageError
from xsrc.model.layout import Masterdir
from xsrc.model.run import Expected, Run
from xsrc.plan.phases import ORDER
from xsrc.report.history import package_page
from xsrc.report.page import run_file, run_page
from xsrc.verbs.context import Context
from xsrc.verbs.verb import Verb

RUNS = 20
"""Runs that have a page and a line in the list."""


class Report(Verb):
    """Write what was built as a site of plain files: the newest run, those before it, each package"""

    number = cli.SwitchAttr(["--run"], cli.Range(1, 1 << 31), argname="N", help="show run N first, not the newest")
    folder = cli.SwitchAttr(["-o", "--output"], str, argname="DIR", help="write into DIR, not into the masterdir")

    def go(self, context: Context) -> int:
        if self.given:
            raise UsageError(f"report: takes no names, got {self.given[0]!r}", hint="xsrc report")
        journal = Journal(context.masterdir, context.ui.warn)
        folder = (context.host.cwd / Path(self.folder).expanduser()).resolve() if self.folder else None
        site = Site(context.masterdir, journal, folder)
        if not site.runs:
            raise UsageError("nothing was ever built here", hint="xsrc build NAME")
        first = self.number or site.runs[0]
        if journal.run(first) is None:
            raise UsageError(f"there is no run {first}", hint=f"xsrc report --run {site.runs[0]}")
        now = datetime.fromisoformat(context.host.now).timestamp()
        try:
            site.prepare()
            site.write_packages(None, {*site.runs, first})
            for number in dict.fromkeys((first, *site.runs)):
                if run := journal.run(number):
                    site.write_run(run, now, journal.expected() if run.ended is None else {}, {*site.runs, first})
            context.ui.output(str(site.make_first(first)))
        except OSError as error:
            raise HostError(f"cannot write the report: {error}", hint="xsrc report -o DIR") from error
        return 0


def write_report(
    masterdir: Masterdir,
    journal: Journal,
    run: Run,
    now: float,
    *,
    expected: Mapping[str, Expected] | None = None,
    since: Run | None = None,
) -> Path:
    """Write the page of a run, also while it goes on; gives the path of the site's first page. Raises OSError.

    `now` is in seconds since the epoch. Pages are written too of the packages whose records are not what they were in
    `since`, the run as it was written last; without it, of all that the journal knows, which may take seconds.
    """
    site = Site(masterdir, journal)
    site.prepare()
    pages = site.pages | {run.number}
    before = {job.name: job for job in since.jobs} if since else {}
    site.write_packages([job.name for job in run.jobs if before.get(job.name) != job] if since else None, pages)
    site.write_run(run, now, expected or {}, pages)
    return site.make_first(run.number)


class Site:
    """The report on disk, as it is when this is made; methods raise OSError."""

    def __init__(self, masterdir: Masterdir, journal: Journal, folder: Path | None = None) -> None:
        self.journal = journal
        self.folder = folder or masterdir.db / "report"
        self.log_folder = masterdir.db / "logs"
        self.tallies = journal.tallies(RUNS)
        self.runs = [tally.number for tally in self.tallies]

    @cached_property
    def logs(self) -> dict[str, tuple[str, ...]]:
        """The phases that left a log, by pkgver."""
        found = {pkgver: files(self.log_folder / pkgver, ".log") for pkgver in files(self.log_folder, "")}
        return {pkgver: tuple(p.value for p in ORDER if p.value in phases) for pkgver, phases in found.items()}

    @property
    def to_logs(self) -> str:
        """The way from the site to the logs."""
        return os.path.relpath(self.log_folder.resolve(), self.folder.resolve())

    @property
    def pages(self) -> set[int]:
        """The numbers of runs whose pages are there."""
        return {number for number in self.runs if (self.folder / run_file(number)).exists()}

    def prepare(self) -> None:
        """Make the folders, and what all pages share."""
        (self.folder / "package").mkdir(parents=True, exist_ok=True)
        copy_assets(self.folder)

    def write_packages(self, names: Iterable[str] | None, pages: set[int]) -> None:
        """Write the pages of packages, of all where none are named."""
        for name, builds in self.journal.history(names).items():
            text = package_page(name, builds, logs=self.logs, to_logs=self.to_logs, pages=pages)
            write_page(self.folder / "package" / f"{name}.html", text)

    def write_run(self, run: Run, now: float, expected: Mapping[str, Expected], pages: set[int]) -> None:
        """Write the page of a run."""
        others = [tally for tally in self.tallies if tally.number != run.number]
        known = files(self.folder / "package", ".html")
        text = run_page(*(run, others, expected, now), logs=self.logs, to_logs=self.to_logs, known=known, pages=pages)
        write_page(self.folder / run_file(run.number), text)

    def make_first(self, number: int) -> Path:
        """Let the site begin with the page of a run; gives the path of its first page."""
        first = self.folder / "index.html"
        write_page(first, (self.folder / run_file(number)).read_text())
        return first
