"""`xsrc alternatives`: which package provides the links that several offer."""

from __future__ import annotations

from xsrc.commands.farm_verb import FarmVerb, show_change
from xsrc.commands.verb import Takes, WithJson
from xsrc.core.errors import UsageError
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.farm.acts.commit import farm_locked
from xsrc.farm.acts.requests import StowOptions, choose
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.farm.alternatives import offers, providers


class Alternatives(FarmVerb, WithJson):
    """Print groups of alternatives with who offers them, or choose: GROUP=NAME; GROUP= goes back to the default"""

    takes = Takes("[GROUP | GROUP=NAME]…", None)
    example = "alternatives sh=dash"

    def go(self, session: Session) -> int:
        wishes = dict(word.split("=", 1) for word in self.given if "=" in word)
        if wishes and len(wishes) < len(self.given):
            raise UsageError("alternatives: either groups to print or GROUP=NAME", hint="xsrc alternatives")
        if wishes:
            with farm_locked(session, "alternatives") as farm:
                change, _ = choose(session, farm, wishes, StowOptions(plan_only=self.plan_only))
            if self.plan_only:
                show_change(session.ui, change, {})
                return 0
        return self.show(session, tuple(wishes) or self.given)

    def show(self, session: Session, groups: tuple[str, ...]) -> int:
        """Print groups; a star marks the present provider. Raises UsageError for an unknown group, HostError."""
        with farm_at_rest(session) as farm:
            members, choices = farm.ruled(), farm.records().choices
        found, chosen = offers(members), providers(members, choices)
        for group in groups:
            if group not in found:
                hint = nearest(group, found) or f"there are {', '.join(found) or 'none'}"
                raise UsageError(f"no stowed package offers {group!r}", hint=hint)
        rows = [
            {
                "group": g,
                "name": name,
                "priority": priority,
                "used": chosen[g] == name,
                "chosen": choices.get(g) == name,
            }
            for g in groups or found
            for name, priority in found[g].items()
        ]
        if self.json:
            session.ui.json(rows)
            return 0
        for row in rows:
            mark = "*" if row["used"] else " "
            session.ui.output(f"{mark} {row['group']}  {row['name']}" + (" (chosen)" if row["chosen"] else ""))
        return 0
