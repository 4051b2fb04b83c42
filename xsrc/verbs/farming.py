"""What verbs do to the farm: plan a change, carry it out, note it; finish or undo what was cut off."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NoReturn

from xsrc.effects import generations, links
from xsrc.effects.lock import locked
from xsrc.effects.store import Farm, made_member
from xsrc.effects.tree import skeleton
from xsrc.errors import ConflictError, HostError
from xsrc.model.farm import SKELETON, Change, Member, Op, Placed
from xsrc.model.generation import Generation, Stowed
from xsrc.model.pkgver import PkgVer
from xsrc.plan.stow import Request, StowPlan, affected, inverse, plan_stow, watched
from xsrc.verbs.context import Context


def member(farm: Farm, pkgver: PkgVer) -> Member:
    """A built package as the planner wants it; raises HostError when the database does not know it."""
    found = farm.member(pkgver)
    if found is None:
        raise HostError(f"{pkgver}: the farm's database has no record of it", hint=f"xsrc build -f {pkgver.name}")
    return found


def plan_change(context: Context, farm: Farm, request: Request) -> StowPlan:
    """The plan of a request against what is stowed and what is on disk now; `others` are filled in here."""
    records = farm.records()
    names = {m.name for m in (*request.add, *request.drop)}
    ruled = tuple(m for m in farm.ruled() if m.name not in names)
    paths = affected(replace(request, others=ruled), records)
    others = [*farm.sharers(paths, names), *(made_member(farm.made()),)]
    shared = tuple(entry for path, entry in skeleton(context.tree).items() if path in paths)
    others = [m for m in (*others, Member(PkgVer(SKELETON, "0", 1), shared)) if m.name not in names]
    whole = replace(request, others=tuple(others))
    every, hashed = watched(paths, (*whole.add, *whole.drop, *whole.others))
    return plan_stow(whole, links.survey(context.masterdir.root, every, hashed), records)


def refuse_conflicts(plan: StowPlan, what: str, *, adopt: bool = True) -> None:
    """Raise ConflictError that names every conflict and both owners, if there is any."""
    if plan.conflicts:
        lines = [f"  {conflict}" for conflict in plan.conflicts[:50]]
        lines += [f"  … and {len(plan.conflicts) - 50} more"] if len(plan.conflicts) > 50 else []
        hint = "xsrc owner PATH says more about one of them"
        if not adopt and all(conflict.stranger for conflict in plan.conflicts):
            hint = "move them away, or let them stand aside: xsrc stow --adopt NAME"
        raise ConflictError(f"{what}: refused, nothing was changed", detail=lines, hint=hint)


def carry_out(context: Context, farm: Farm, change: Change, *, noted: bool = False) -> None:
    """Note a change, do it, note that it is done. What cannot be done is undone, and HostError raised."""
    change = change if noted else replace(change, at=context.host.now)
    if not noted:
        farm.begin(change)
    number = farm.generation() + 1
    # of a change that was cut off, anything may have been done already
    tried: list[Op] = list(change.ops) if noted else []
    try:
        links.apply(context.masterdir, change.ops, tried)
        if change.fire:
            # imported here: most changes fire none
            from xsrc.verbs.triggers import with_triggers

            more, change = with_triggers(context, farm, change)
            farm.begin(change)
            links.apply(context.masterdir, more, tried)
        generations.write(context.masterdir, snapshot(farm, change, number))
    except OSError as error:
        _undo(context, farm, tried, error, number)
    farm.finish(change, number)


def snapshot(farm: Farm, change: Change, number: int) -> Generation:
    """What is stowed once a change is done."""
    packages = {
        name: Stowed(pkgver, change.builds.get(str(pkgver), farm.build(pkgver)), asked)
        for name, (pkgver, asked) in farm.stowed().items()
        if name not in change.drop
    }
    for text, asked in change.add.items():
        pkgver = PkgVer.parse(text)
        packages[pkgver.name] = Stowed(pkgver, change.builds.get(text, farm.build(pkgver)), asked)
    choices = farm.records().choices if change.choices is None else change.choices
    return Generation(number, change.at, change.why, packages, choices)


def _undo(context: Context, farm: Farm, tried: Iterable[Op], error: OSError, number: int) -> NoReturn:
    where = f": {error.filename}" if error.filename else ""
    try:
        links.apply(context.masterdir, inverse(tried), [])
        generations.drop(context.masterdir, number)
    except OSError as second:
        raise HostError(
            f"{error.strerror}{where}; and it could not be undone yet: {second.strerror}",
            hint="mend the cause; the next xsrc command finishes what was begun",
        ) from error
    farm.undone()
    raise HostError(f"{error.strerror}{where}; the farm is as it was", hint="xsrc doctor") from error


@contextlib.contextmanager
def farm_locked(context: Context, purpose: str) -> Iterator[Farm]:
    """The farm, with nobody else changing it, and with whatever was begun and cut off finished first."""
    context.make_masterdir()
    with locked(context.masterdir.farm_lock, f"xsrc {purpose}", context.ui.note), context.farm() as farm:
        recover(context, farm)
        yield farm


def recover(context: Context, farm: Farm) -> None:
    """Finish, or else undo, a change that was cut off."""
    change = farm.begun()
    if change is not None:
        context.ui.note("finishing a change of the farm that was cut off")
        carry_out(context, farm, change, noted=True)


def change_of(plan: StowPlan, why: str, base: Change) -> Change:
    """A change with what its plan found."""
    return replace(base, why=why, ops=(*base.ops, *plan.ops), conf=plan.conf, aside=plan.aside)


def bringing(pkgver: str, build: str, former: str) -> Op:
    """The operation that brings a build of a pkgver into its place."""
    from xsrc.model.farm import Act, Class

    new, old = (Placed(pkgver, pkgver, Class.DIR, which) for which in (build, former))
    return Op(Act.BRING, new, old)
