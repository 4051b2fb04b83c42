"""`xsrc doctor`: looks at each piece that xsrc needs of a machine, and prints the command that mends what is wrong."""

from __future__ import annotations

from dataclasses import asdict

from xsrc.commands.verb import WithBase, WithJson
from xsrc.core.session import Session


class Doctor(WithJson, WithBase):
    """Check the machine; print a command that fixes each problem"""

    example = "doctor"

    def go(self, session: Session) -> int:
        # imported here: xsrc --help imports each command
        from xsrc.sandbox.acts.doctor import findings

        found = list(findings(session))
        if self.json:
            session.ui.json([asdict(finding) for finding in found])
        else:
            width = max(len(finding.what) for finding in found)
            for finding in found:
                mark = "ok  " if finding.good else "BAD " if finding.grave else "note"
                session.ui.output(f"{mark} {finding.what:{width}}  {finding.found}")
                if not finding.good and finding.mend:
                    session.ui.output(f"     {'':{width}}  mend: {finding.mend}")
        return 0 if all(finding.good or not finding.grave for finding in found) else 4
