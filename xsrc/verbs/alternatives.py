"""`xsrc alternatives`: which package gives the links that several offer."""

from __future__ import annotations

from plumbum import cli

from xsrc.errors import UsageError
from xsrc.plan.alternatives import offers, providers
from xsrc.verbs.context import Context
from xsrc.verbs.farming import farm_locked
from xsrc.verbs.stow import FarmVerb, show_change
from xsrc.verbs.stowing import How, choose


class Alternatives(FarmVerb):
    """Print groups of alternatives with who offers them, or choose: GROUP=NAME; GROUP= goes back to the default"""

    json = cli.Flag(["--json"], help="print JSON")

    def go(self, context: Context) -> int:
        wishes = dict(word.split("=", 1) for word in self.given if "=" in word)
        if wishes and len(wishes) < len(self.given):
            raise UsageError("alternatives: either groups to print or GROUP=NAME", hint="xsrc alternatives")
        if wishes:
            with farm_locked(context, "alternatives") as farm:
                change, _ = choose(context, farm, wishes, How(plan_only=self.plan_only))
            if self.plan_only:
                show_change(context, change, {})
                return 0
        return self.show(context, tuple(wishes) or self.given)

    def show(self, context: Context, groups: tuple[str, ...]) -> int:
        """Print groups, the provider in force with a star."""
        with context.farm_to_read() as farm:
            members, choices = farm.ruled(), farm.records().choices
        found, chosen = offers(members), providers(members, choices)
        for group in groups:
            if group not in found:
                raise UsageError(f"no stowed package offers {group!r}", hint=f"there are {', '.join(found) or 'none'}")
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
            context.ui.json(rows)
            return 0
        for row in rows:
            mark = "*" if row["used"] else " "
            context.ui.output(f"{mark} {row['group']}  {row['name']}" + (" (chosen)" if row["chosen"] else ""))
        return 0
