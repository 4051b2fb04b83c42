"""`xsrc bootstrap`: makes, lists, removes, exports and imports bases."""

from __future__ import annotations

from pathlib import Path

from plumbum import cli

from xsrc.base.acts.choose import exists
from xsrc.base.disk import shelf
from xsrc.bootstrap.acts import source
from xsrc.bootstrap.acts.debian import make_debian
from xsrc.commands.verb import SOME_NAMES, WithBase, WithJobs, WithPlan, WithVerbose
from xsrc.core.base import HOST
from xsrc.core.errors import HostError, UsageError
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import make_masterdir
from xsrc.unix.lock import locked


class Bootstrap(WithPlan, WithJobs, WithVerbose, WithBase):
    """Make a base, of the packages of Debian or from source; list, remove, export and import bases

    After `--from source`, names of further packages: built by both of the last stages, and compared.
    """

    takes = SOME_NAMES
    example = "bootstrap --from debian"
    more = "bases"

    origin = cli.SwitchAttr(
        ["--from"], str, argname="debian[:SUITE[/ARCH]]|source", help="make a base of this release, or from source"
    )
    force = cli.Flag(["-f", "--force"], help="make or import it although it is there")
    listing = cli.Flag(["--list"], help="list the bases that are there")
    json = cli.Flag(["--json"], help="with --list: as JSON, with all their packages")
    drop = cli.SwitchAttr(["--remove"], str, argname="NAME", help="remove a base")
    export = cli.SwitchAttr(["--export"], str, argname="FILE", help="write the base that --base names to one file")
    bring = cli.SwitchAttr(["--import"], str, argname="FILE", help="make a base of what --export wrote")

    def go(self, session: Session) -> int:
        asked = (self.origin, self.listing or None, self.drop, self.export, self.bring)
        if sum(word is not None for word in asked) != 1 or (self.given and self.origin != source.NAME):
            if self.given and self.origin:
                words = "bootstrap: names of packages go only with --from source"
                raise UsageError(words, hint=f"xsrc bootstrap --from source {' '.join(self.given)}")
            raise UsageError(
                "bootstrap: want one of --from, --list, --remove, --export, --import",
                hint="xsrc bootstrap --from debian",
            )
        if self.listing:
            return self.show(session)
        if self.export:
            return self.write(session, session.host.cwd / self.export)
        try:
            if session.bases == session.masterdir.bases:
                make_masterdir(session)
            session.bases.mkdir(parents=True, exist_ok=True)
            with locked(session.bases / ".lock", "xsrc bootstrap", session.ui.note):
                shelf.sweep(session.bases)
                try:
                    return self.change(session)
                finally:
                    shelf.sweep(session.bases)
        except OSError as error:
            hint = "set basedir to another place, or choose one with -m DIR" if self.bring is None else None
            raise HostError(f"{error.filename or session.bases}: {error.strerror}", hint=hint) from error

    def change(self, session: Session) -> int:
        """Remove, import or make a base; the caller holds the lock of their folder.

        Raises UsageError, HostError, ConflictError, ArchiveError as the acts do.
        """
        if self.drop:
            if self.drop == HOST:
                hint = "xsrc bootstrap --list"
                raise UsageError("bootstrap: the base host is this machine itself: it cannot be removed", hint=hint)
            record = shelf.choose(self.drop, session.bases, "xsrc bootstrap --list")
            if self.plan_only:
                session.ui.output(f"- {record.name}")
                return 0
            shelf.remove(session.bases, record.name)
            if record.name == source.base_name():
                source.remove_stages(session.bases)
            session.ui.note(f"{record.name}: removed")
            return 0
        if self.bring:
            file, limits = session.host.cwd / self.bring, session.settings.limits
            record = shelf.bring_in(file, session.bases, limits, replace=self.force)
            session.ui.note(record.summary)
            return 0
        if self.origin == source.NAME:
            return self.make_source(session)
        make_debian(session, self.origin or "", force=self.force, plan_only=self.plan_only)
        return 0

    def make_source(self, session: Session) -> int:
        """Make a base from source: stage after stage. Raises as `source.make_source` does."""
        session = session.over(jobs=self.jobs)
        if not self.force and not self.given and exists(session, source.base_name()):
            return 0
        if self.plan_only:
            chosen = source.base_set(session)
            for number in source.STAGES:
                session.ui.output(f"stage {number}: {' '.join(source.names_of(number, chosen, self.given))}")
            return 0
        record = source.make_source(session, self.given)
        session.ui.note(f"{record.summary}; xsrc build --base source NAME builds on it")
        return 0

    def show(self, session: Session) -> int:
        """Print the bases."""
        found = shelf.every(session.bases)
        if self.json:
            session.ui.json([vars(record) for record in found])
            return 0
        for record in found:
            session.ui.output(record.summary)
        return 0

    def write(self, session: Session, file: Path) -> int:
        """Export the chosen base, else the Debian one.

        Raises HostError if it is missing or the file cannot be written, UsageError for an ambiguous choice,
        ConflictError for a base in use.
        """
        record = shelf.choose(session.flags.base or session.host.env.get("XSRC_BASE") or "debian", session.bases)
        shelf.hold(session.bases / record.name)
        try:
            shelf.export(session.bases / record.name, file)
        except OSError as error:
            raise HostError(f"{error.filename or file}: {error.strerror}", hint="choose another file") from error
        session.ui.note(f"{file}: {record.summary}")
        return 0
