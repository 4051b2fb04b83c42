"""What a change of the farm would be: gathers all that the plan has to know, and refuses what it forbids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from xsrc.effects import links
from xsrc.effects.skeleton import skeleton
from xsrc.effects.store import Farm
from xsrc.errors import ConflictError, HostError
from xsrc.model.farm import Act, Change, Class, Member, Op, Placed, made_member, skeleton_member
from xsrc.model.pkgver import PkgVer
from xsrc.plan.stow import Request, StowPlan, affected, plan_stow, watched
from xsrc.verbs.context import Context


def member(farm: Farm, pkgver: PkgVer) -> Member:
    """A built package as the planner wants it; raises HostError when the database does not know it."""
    found = farm.member(pkgver)
    if found is None:
        raise HostError(f"{pkgver}: the farm's database has no record of it", hint=f"xsrc build -f {pkgver.name}")
    return found


def plan_change(
    context: Context, farm: Farm, request: Request, come: Iterable[Member] = (), gone: Iterable[str] = ()
) -> StowPlan:
    """The plan of a request against what is stowed and what is on disk now; `others` are filled in here.

    `come` and `gone` (by name) are what the same change has done already, and the database does not know yet.
    """
    records = farm.records()
    names = {*gone, *(m.name for m in (*request.add, *request.drop, *come))}
    ruled = tuple(m for m in farm.ruled() if m.name not in names)
    paths = affected(replace(request, others=ruled), records)
    others = [*farm.sharers(paths, names), *(made_member(farm.made()),)]
    shared = (entry for path, entry in skeleton(context.tree).items() if path in paths)
    others = [m for m in (*others, skeleton_member(shared)) if m.name not in names]
    others += [replace(m, entries=tuple(e for e in m.entries if e.path in paths)) for m in come]
    whole = replace(request, others=tuple(others))
    every, hashed = watched(paths, (*whole.add, *whole.drop, *whole.others), adopt=whole.adopt)
    return plan_stow(whole, links.survey(context.masterdir.root, every, hashed), records)


def refuse_conflicts(plan: StowPlan, what: str, *, adopt: bool = True) -> None:
    """Raise ConflictError that names every conflict and both owners, if there is any."""
    if plan.conflicts:
        lines = [f"  {conflict}" for conflict in plan.conflicts[:50]]
        lines += [f"  … and {len(plan.conflicts) - 50} more"] if len(plan.conflicts) > 50 else []
        hint = "xsrc owner PATH says more about one of them"
        if not adopt and all(conflict.stranger for conflict in plan.conflicts):
            hint = "move them away, or let them stand aside with --adopt"
        raise ConflictError(f"{what}: refused, nothing was changed", detail=lines, hint=hint)


def change_of(plan: StowPlan, why: str, base: Change) -> Change:
    """A change with what its plan found."""
    return replace(base, why=why, ops=(*base.ops, *plan.ops), conf=plan.conf, aside=plan.aside)


def bringing(pkgver: str, build: str, former: str) -> Op:
    """The operation that brings a build of a pkgver into its place."""
    new, old = (Placed(pkgver, pkgver, Class.DIR, which) for which in (build, former))
    return Op(Act.BRING, new, old)
