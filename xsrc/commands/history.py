"""`xsrc history`, `rollback`: the generations of the stowed root, and the way back to one."""

from __future__ import annotations

from plumbum import cli

from xsrc.commands.farm_verb import FarmVerb, show_change, stowed_versions
from xsrc.commands.verb import Takes, WithAdopt, WithJson
from xsrc.core.errors import UsageError
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.farm.acts.commit import farm_locked
from xsrc.farm.acts.masterdir import is_made
from xsrc.farm.acts.requests import StowOptions, return_to
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.farm.disk import generations
from xsrc.farm.generation import Generation, difference


class History(WithJson):
    """Print the generations of the stowed root: number, when, the command, what it changed"""

    example = "history"

    def go(self, session: Session) -> int:
        with farm_at_rest(session) as farm:
            last = farm.generation()
        former: Generation | None = None
        rows = []
        for one in generations.every(session.masterdir, last):
            # the record before it may be gone
            known = one.number == 1 or (former is not None and former.number == one.number - 1)
            changed = str(difference(former, one)) if known else counted(len(one.packages), "package")
            packages = {name: str(stowed.pkgver) for name, stowed in one.packages.items()}
            rows.append({"number": one.number, "at": one.at, "why": one.why, "changed": changed, "packages": packages})
            former = one
        if self.json:
            session.ui.json(rows)
            return 0
        if not rows and is_made(session.masterdir):
            session.ui.note("nothing was ever stowed here")
        for row in rows:
            mark = "*" if row["number"] == last else " "
            session.ui.output(f"{mark} {row['number']:>4}  {row['at']}  {row['why']}: {row['changed']}")
        return 0


class Rollback(FarmVerb, WithAdopt):
    """Make the stowed root what it was after generation N; without N, undo the last change"""

    takes = Takes("[N]", 1)
    example = "rollback -n  # shows what would change"

    force = cli.Flag(["-f", "--force"], help="also if packages of that generation lack what they need")

    def go(self, session: Session) -> int:
        how = StowOptions(plan_only=self.plan_only, adopt=self.adopt, force=self.force)
        with farm_locked(session, "rollback") as farm:
            last = farm.generation()
            number = self.number(last)
            target = generations.read(session.masterdir, number) if number else Generation(0, "", "")
            if target is None or number > last:
                raise UsageError(f"there is no generation {number}", hint="xsrc history")
            before = stowed_versions(farm)
            change, _ = return_to(session, farm, target, how)
            now = farm.generation()
        if self.plan_only:
            show_change(session.ui, change, before)
        elif now == last:
            session.ui.note(f"generation {number} is what is stowed now")
        else:
            session.ui.note(f"generation {number} is stowed again, as generation {now}")
        return 0

    def number(self, last: int) -> int:
        """The number of the wanted generation. Raises UsageError for no number, and if there is no generation."""
        if not self.given:
            if last == 0:
                raise UsageError("nothing was ever stowed here", hint="xsrc stow NAME")
            return last - 1
        if len(self.given) != 1 or not self.given[0].isdecimal():
            raise UsageError(f"rollback: want one number, got {' '.join(self.given)!r}", hint="xsrc history")
        return int(self.given[0])
