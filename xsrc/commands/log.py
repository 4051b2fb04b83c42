"""`xsrc log`: the output of a phase."""

from __future__ import annotations

from plumbum import cli

from xsrc.build.disk.logs import Flow, followed, newest
from xsrc.commands.verb import Takes, Verb
from xsrc.commands.words import names_in_tree
from xsrc.core.errors import UsageError
from xsrc.core.phase import ORDER, Phase
from xsrc.core.pkgver import PkgVer
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.tree.acts.closure import package_of
from xsrc.tree.disk.templates import load
from xsrc.tree.package import Package
from xsrc.unix.lock import held


class Log(Verb):
    """Print the log of a phase, or of the last one that ran; to a pipe it goes byte for byte"""

    takes = Takes("NAME [PHASE]", 2)
    example = "log dash configure"

    path = cli.Flag(["--path"], help="print where the log is, not what it says")
    follow = cli.Flag(["-f", "--follow"], help="go on with what is added, until the build ends", excludes=["--path"])

    def go(self, session: Session) -> int:
        given = list(self.given)
        wanted = given.pop() if given and given[-1] in ORDER and (len(given) > 1 or session.here()) else None
        phase = Phase(wanted) if wanted else None
        (name, *rest) = names_in_tree(session, given, "log")
        if rest:
            raise UsageError(
                f"log: want a phase ({', '.join(ORDER)}), got {rest[0]!r}",
                hint=nearest(rest[0], ORDER) or "xsrc help log",
            )
        package = package_of(session, load(session.tree, name), {})
        folder, lock = session.masterdir.logs(package.pkgver), session.masterdir.work_lock(package.pkgver)
        if self.follow and held(lock):
            session.ui.contents(Flow(followed(lambda: newest(folder, phase), lambda: held(lock))))  # type: ignore[arg-type]
            return 0
        log = newest(folder, phase)
        if log is None:
            raise _missing(session, package, phase)
        if self.path:
            session.ui.output(str(log))
            return 0
        if self.follow:
            session.ui.note(f"{package.pkgver}: nothing builds it now")
        if phase and not log.stat().st_size:
            session.ui.note(f"{package.pkgver}: its {phase} phase printed nothing")
        with log.open("rb") as file:
            session.ui.contents(file)
        return 0


def _missing(session: Session, package: Package, phase: Phase | None) -> UsageError:
    """The error for a log that does not exist."""
    name = package.pkgver.name
    if phase is not Phase.CHECK:
        what = f"no log of {phase}" if phase else "no log"
        return UsageError(f"{name}: {what}", hint=f"xsrc build {name}")
    if not package.make_check:
        return UsageError(f"{name}: no log of check: its template runs no tests")
    untested = _is_untested(session, package.pkgver)
    why = "it was built without its tests" if untested else "its tests did not run yet"
    return UsageError(f"{name}: no log of check: {why}", hint=f"xsrc check {name}")


def _is_untested(session: Session, pkgver: PkgVer) -> bool:
    with farm_at_rest(session) as farm:
        props = farm.props(pkgver)
    return props is not None and props.untested
