"""`xsrc gc`: removes builds that nothing stowed, no kept generation and no newest version needs."""

from __future__ import annotations

from plumbum import cli

from xsrc.commands.farm_verb import FarmVerb
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.farm.acts.collect import find, refuse_while_building, sweep
from xsrc.farm.acts.commit import farm_locked
from xsrc.farm.acts.masterdir import is_lost, tell_missing

KEPT = 10


class Gc(FarmVerb):
    """Remove builds that nothing needs

    A build stays if it is stowed, belongs to one of the last generations, is the newest of its package, or is needed
    by one of these.
    """

    example = "gc -n  # lists what would go"

    keep = cli.SwitchAttr(["--keep"], cli.Range(0, 1_000_000), argname="N", default=KEPT, help="generations to keep")
    all = cli.Flag(["--all"], help="also the newest build of what is not stowed")

    def go(self, session: Session) -> int:
        if not is_lost(session.masterdir) and tell_missing(session):
            return 0
        with farm_locked(session, "gc") as farm:
            refuse_while_building(session.masterdir)
            found = find(session.masterdir, farm, self.keep, everything=self.all)
            if self.plan_only:
                for pkgver, build in found.builds:
                    session.ui.output(
                        f"- {pkgver}" + ("" if farm.builds().get((pkgver, build)) else f" (build {build})")
                    )
                for number in found.generations:
                    session.ui.output(f"- generation {number}")
                return 0
            freed = sweep(session.masterdir, farm, found)
        gone = f"{counted(len(found.builds), 'build')} and {counted(len(found.generations), 'generation')}"
        session.ui.note(f"{gone} removed, {freed >> 20} MiB freed")
        return 0
