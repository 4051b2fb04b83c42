"""`xsrc log`: the output of a phase."""

from __future__ import annotations

from pathlib import Path

from plumbum import cli

from xsrc.commands.verb import Verb
from xsrc.core.errors import UsageError
from xsrc.core.phase import ORDER
from xsrc.core.session import Session
from xsrc.tree.acts.closure import package_of
from xsrc.tree.disk.templates import load


class Log(Verb):
    """Print the log of a phase, or of the last one that ran: log NAME [PHASE]; to a pipe it goes byte for byte"""

    path = cli.Flag(["--path"], help="print where the log is, not what it says")

    def go(self, session: Session) -> int:
        given = list(self.given)
        wanted = given.pop() if given and given[-1] in ORDER and (len(given) > 1 or session.here()) else None
        (name, *rest) = session.names(given, "log")
        if rest:
            raise UsageError(f"log: want a phase ({', '.join(ORDER)}), got {rest[0]!r}")
        logs = self.logs(session, name)
        if wanted is not None:
            logs = [log for log in logs if log.stem == wanted]
        if not logs:
            what = f"no log of {wanted}" if wanted else "no log"
            raise UsageError(f"{name}: {what}", hint=f"xsrc build {name}")
        if self.path:
            session.ui.output(str(logs[-1]))
        else:
            with logs[-1].open("rb") as file:
                session.ui.contents(file)
        return 0

    def logs(self, session: Session, name: str) -> list[Path]:
        """The logs of the latest build of a package, in the order of phases. Raises UsageError and TemplateError."""
        folder = session.masterdir.logs(package_of(session, load(session.tree, name), {}).pkgver)
        found = [folder / f"{phase}.log" for phase in ORDER]
        return [log for log in found if log.exists()]
