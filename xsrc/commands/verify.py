"""`xsrc verify`: compares the stowed root and the destdirs with the records, and repairs damage."""

from __future__ import annotations

from plumbum import cli

from xsrc.commands.verb import WithBase, WithJson
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.farm.acts.change import bones, change_of, plan_change, refuse_conflicts
from xsrc.farm.acts.commit import carry_out, farm_locked
from xsrc.farm.acts.masterdir import farm_to_read, is_lost, is_made, tell_missing
from xsrc.farm.acts.recover import rebuild_database
from xsrc.farm.acts.requests import StowOptions, finish
from xsrc.farm.acts.rest import settle
from xsrc.farm.acts.triggers import known_triggers, with_triggers
from xsrc.farm.acts.verify import close_destdirs, open_directories, unusable, verify, verify_root
from xsrc.farm.place import Change, made_member
from xsrc.farm.stow import StowRequest
from xsrc.farm.verify import Damage


class Verify(WithJson, WithBase):
    """Compare the root and every destdir with the records; exit code 1 if there are problems"""

    example = "verify"

    quick = cli.Flag(["--quick"], help="do not read the contents of destdirs")
    repair = cli.Flag(["--repair"], help="make links again, and a lost database from destdirs and links")

    def go(self, session: Session) -> int:
        masterdir = session.masterdir
        if self.repair and (is_made(masterdir) or is_lost(masterdir)):
            self.mend(session)
        if not is_made(masterdir):
            return self.report_missing(session)
        under_way = settle(session)
        with farm_to_read(session.masterdir) as farm:
            farm.check()
            found = list(verify(session, farm, hashed=not self.quick))
            nostow = session.settings.nostow
            otherwise = sum(globs != nostow for globs in farm.nostow().values())
        if self.json:
            rows = [{"path": "/" + f.path, "trouble": f.trouble.value, "owner": f.owner, "text": f.text} for f in found]
            session.ui.json(rows)
        else:
            for finding in found:
                session.ui.output(str(finding))
        grave = [finding for finding in found if finding.trouble.grave]
        for owner in sorted({f.owner for f in grave if f.trouble.in_destdir}):
            session.ui.note(f"hint: only another build mends a destdir: xsrc build -f {PkgVer.parse(owner).name}")
        for owner in sorted({f.owner for f in grave if f.trouble is Damage.UNMET}):
            session.ui.note(f"hint: xsrc build {PkgVer.parse(owner).name}")
        by_repair = [f for f in grave if not f.trouble.in_destdir and f.trouble is not Damage.UNMET]
        if by_repair and not self.repair:
            session.ui.note("hint: xsrc verify --repair")
        if otherwise:
            session.ui.note(
                f"{counted(otherwise, 'package was', 'packages were')} stowed with another nostow: xsrc restow"
            )
        session.ui.note(summary(len(grave), len(found) - len(grave)))
        return 1 if grave or under_way else 0

    def report_missing(self, session: Session) -> int:
        """Report a lost database, or that there is no masterdir yet; the exit code."""
        lost = is_lost(session.masterdir)
        path = f"/{session.masterdir.farm.relative_to(session.masterdir.root)}"
        text = "the database is lost, the builds are there"
        if self.json:
            session.ui.json([{"path": path, "trouble": "lost", "owner": "", "text": text}] if lost else [])
        elif lost:
            session.ui.output(f"lost      {path}: {text}")
        tell_missing(session)
        return 1 if lost else 0

    def mend(self, session: Session) -> None:
        """Make a lost database anew, then all links, copies and caches. Raises HostError, ConflictError, OSError.

        Raises TemplateError for a bad skeleton.
        """
        if (why := unusable(session.masterdir)) is not None:
            rebuild_database(session, why)
        with farm_locked(session, "verify") as farm:
            names = tuple(farm.stowed())
            members = tuple(m for v, _ in farm.stowed().values() if (m := farm.member(v)))
            made = made_member(farm.made())
            found = tuple(verify_root(session, farm))
            open_directories(session.masterdir, found)
            closed = close_destdirs(session.masterdir, farm)
            # equal to what was linked and yet another file: only what follows another build is linked again
            drifted = frozenset(f.owner for f in found if f.trouble is Damage.DRIFT)
            both = (*members, made, bones(session.tree))
            request = StowRequest(both, both, repair=True, rebuilt=drifted)
            plan = plan_change(session, farm, request)
            refuse_conflicts(plan, "verify --repair", adopt=False)
            fire = tuple(known_triggers())
            change = change_of(plan, "verify --repair", Change(fire=fire))
            if plan.ops or plan.conf or plan.aside:
                finish(session, farm, change, plan, StowOptions())
            else:
                more, change = with_triggers(session, farm, change)
                if more:
                    carry_out(session, farm, change)
            session.ui.note(f"{counted(len(names), 'package')}: {counted(len(plan.ops) + closed, 'path')} mended")


def summary(problems: int, notes: int) -> str:
    """How many findings there are.

    >>> summary(0, 0), summary(2, 1), summary(0, 3)
    ('no problems', '2 problems to repair, 1 note', 'no problems, 3 notes')
    """
    words = f"{counted(problems, 'problem')} to repair" if problems else "no problems"
    return words + (f", {counted(notes, 'note')}" if notes else "")
