"""`xsrc report`: what was built, when, and how it went, as pages that need neither a server nor a network."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from plumbum import cli

from xsrc.commands.verb import Verb
from xsrc.core.errors import HostError, UsageError
from xsrc.core.session import Session
from xsrc.runs.disk.journal import Journal


class Report(Verb):
    """Write what was built as plain pages: the newest run, those before it, each package"""

    example = "report -o ~/report"

    number = cli.SwitchAttr(["--run"], cli.Range(1, 1 << 31), argname="N", help="show run N first, not the newest")
    folder = cli.SwitchAttr(["-o", "--output"], str, argname="DIR", help="write into DIR, with copies of the logs")

    def go(self, session: Session) -> int:
        # imported here: xsrc --help imports each command
        from xsrc.runs.acts.report import ReportPages

        journal = Journal(session.masterdir, session.ui.warn)
        folder = (session.host.cwd / Path(self.folder).expanduser()).resolve() if self.folder else None
        report = ReportPages(session.masterdir, journal, folder)
        if not report.runs:
            raise UsageError("nothing was ever built here", hint="xsrc build NAME")
        first = self.number or report.runs[0]
        if journal.run(first) is None:
            raise UsageError(f"there is no run {first}", hint=f"xsrc report --run {report.runs[0]}")
        now = datetime.fromisoformat(session.host.now).timestamp()
        try:
            report.prepare()
            report.write_packages(None, {*report.runs, first})
            for number in dict.fromkeys((first, *report.runs)):
                if run := journal.run(number):
                    report.write_run(run, now, journal.expected() if run.ended is None else {}, {*report.runs, first})
            session.ui.output(str(report.make_first(first)))
        except OSError as error:
            raise HostError(f"cannot write the report: {error}", hint="xsrc report -o DIR") from error
        return 0
