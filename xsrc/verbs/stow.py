"""`xsrc stow`, `unstow`, `restow`: put packages into the stowed root, take them out, make their links again."""

from __future__ import annotations

from collections.abc import Iterable

from plumbum import cli

from xsrc.effects.store import Farm
from xsrc.errors import UsageError
from xsrc.model.farm import Act, Class, Op
from xsrc.model.pkgver import Pattern
from xsrc.model.schema import nearest
from xsrc.verbs.context import Context
from xsrc.verbs.farming import farm_locked, restow, stow, unstow, wanted_versions
from xsrc.verbs.verb import Verb

_SIGN = {Act.MKDIR: "+", Act.PUT: "+", Act.REMOVE: "-", Act.RMDIR: "-", Act.KEEP: "="}


def show_ops(context: Context, ops: Iterable[Op]) -> None:
    """Print operations, a line each: + put, - taken away, ~ replaced, = kept beside a `.new`."""
    for op in ops:
        placed = op.placed
        sign = "~" if op.act is Act.PUT and op.before is not None else _SIGN[op.act]
        path = placed.path + ("/" if placed.how is Class.DIR else "")
        arrow = f" -> {placed.text}" if placed.how in (Class.LINK, Class.SHIPPED) and sign in "+~" else ""
        how = f" ({placed.how.value})" if placed.how in (Class.COPY, Class.HARD) else ""
        context.ui.output(f"{sign} {path}{arrow}{how}")


def stowed_names(farm: Farm, given: Iterable[str]) -> tuple[str, ...]:
    """Names of stowed packages; raises UsageError for one that is not stowed."""
    stowed = farm.stowed()
    names = tuple(text.partition("@")[0] for text in given)
    for name in names:
        if name not in stowed:
            raise UsageError(f"{name} is not stowed", hint=nearest(name, stowed) or "xsrc list")
    return names


class _FarmVerb(Verb):
    plan_only = cli.Flag(["-n", "--plan"], help="print what would be changed, and stop")


class Stow(_FarmVerb):
    """Put built packages, and what they need at run time, into the stowed root: NAME or NAME@VERSION"""

    def go(self, context: Context) -> int:
        given = context.names(self.given, "stow")
        with farm_locked(context, "stow") as farm:
            asked = wanted_versions(farm, given)
            change, plan = stow(context, farm, asked, plan_only=self.plan_only)
        if self.plan_only:
            show_ops(context, plan.ops)
            return 0
        for text in change.add:
            context.ui.note(f"{text}: stowed")
        for pkgver in asked:
            if str(pkgver) not in change.add:
                context.ui.note(f"{pkgver}: already stowed" + (f", {len(plan.ops)} paths mended" if plan.ops else ""))
        return 0


class Unstow(_FarmVerb):
    """Take packages out of the stowed root; their destdirs stay"""

    def go(self, context: Context) -> int:
        given = context.names(self.given, "unstow")
        with farm_locked(context, "unstow") as farm:
            names = stowed_names(farm, given)
            change, plan = unstow(context, farm, names, plan_only=self.plan_only)
            needed = {} if self.plan_only else needed_by(farm, names)
        if self.plan_only:
            show_ops(context, plan.ops)
            return 0
        for name in change.drop:
            context.ui.note(f"{name}: unstowed")
            if needed.get(name):
                context.ui.warn(f"{name} is needed by {', '.join(needed[name])}, still stowed")
        return 0


def needed_by(farm: Farm, names: Iterable[str]) -> dict[str, list[str]]:
    """Which stowed packages need each of `names` at run time."""
    result: dict[str, list[str]] = {}
    for other, (pkgver, _) in farm.stowed().items():
        needs = {Pattern.parse(text).name for text in farm.run_depends(pkgver)}
        for name in needs.intersection(names):
            result.setdefault(name, []).append(other)
    return result


class Restow(_FarmVerb):
    """Make the links of stowed packages again, whatever became of them; no name: of all"""

    def go(self, context: Context) -> int:
        with farm_locked(context, "restow") as farm:
            here = context.here()
            given = self.given or ((here,) if here else tuple(farm.stowed()))
            names = stowed_names(farm, given)
            _, plan = restow(context, farm, names, plan_only=self.plan_only)
        if self.plan_only:
            show_ops(context, plan.ops)
        else:
            context.ui.note(f"{len(names)} packages: {len(plan.ops)} paths mended")
        return 0
