"""What verbs do to the farm: plan a change, carry it out, note it; finish or undo what was cut off."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import NoReturn

from xsrc.effects import links
from xsrc.effects.lock import locked
from xsrc.effects.store import Farm
from xsrc.effects.tree import skeleton
from xsrc.errors import ConflictError, HostError
from xsrc.model.farm import Change, Class, Member, Op
from xsrc.model.manifest import Kind, Props
from xsrc.model.pkgver import Pattern, PkgVer
from xsrc.plan.stow import SKELETON, StowPlan, inverse, plan_stow
from xsrc.verbs.context import Context, choose_version


def closure(
    farm: Farm, wanted: Iterable[PkgVer], prefer: Mapping[str, PkgVer]
) -> tuple[dict[str, PkgVer], tuple[str, ...]]:
    """The built packages of `wanted` and of all that they need at run time, by name; and the needs nothing satisfies.

    Of several versions that satisfy a need, the one of `prefer` is taken, else the newest.
    """
    chosen: dict[str, PkgVer] = {}
    missing: list[str] = []
    queue = list(wanted)
    while queue:
        pkgver = queue.pop(0)
        if pkgver.name in chosen:
            continue
        chosen[pkgver.name] = pkgver
        for text in farm.run_depends(pkgver):
            pattern = Pattern.parse(text)
            if pattern.name in chosen:
                continue
            fitting = [v for v in farm.versions(pattern.name) if pattern.matches(v)]
            if (liked := prefer.get(pattern.name)) in fitting and liked is not None:
                queue.append(liked)
            elif fitting:
                queue.append(fitting[-1])
            else:
                missing.append(f"{pkgver} needs {pattern}, which is not built")
    return chosen, tuple(missing)


def member(farm: Farm, pkgver: PkgVer) -> Member:
    """A built package as the planner wants it; raises HostError when the database does not know it."""
    found = farm.member(pkgver)
    if found is None:
        raise HostError(f"{pkgver}: the farm's database has no record of it", hint=f"xsrc build -f {pkgver.name}")
    return found


def plan_change(
    context: Context, farm: Farm, add: Iterable[Member], drop: Iterable[Member], *, repair: bool = False
) -> StowPlan:
    """The plan of a change against what is stowed and what is on disk now."""
    adding, dropping = tuple(add), tuple(drop)
    paths = {path for m in (*adding, *dropping) for path in m.places}
    others = _others(context, farm, paths, {m.name for m in (*adding, *dropping)})
    places = [place for m in (*adding, *dropping, *others) for place in m.places.values()]
    hashed = frozenset(place.path for place in places if place.how in (Class.COPY, Class.HARD))
    disk = links.survey(context.masterdir.root, paths, hashed)
    return plan_stow(adding, dropping, others, disk, repair=repair)


def _others(context: Context, farm: Farm, paths: set[str], without: Iterable[str]) -> list[Member]:
    """The stowed packages, and the skeleton, that have any of `paths`; with their entries there."""
    members = []
    for text, entries in farm.sharers(paths, without).items():
        pkgver = PkgVer.parse(text)
        # how a directory stands follows from no rule, and nearly every package shares only those
        only = all(entry.kind is Kind.DIR for entry in entries.values())
        props = None if only else farm.props(pkgver)
        members.append(Member(props or Props(pkgver, "", ""), tuple(entries.values())))
    shared = tuple(entry for path, entry in skeleton(context.tree).items() if path in paths)
    return [*members, Member(Props(PkgVer(SKELETON, "0", 1), "", ""), shared)]


def refuse_conflicts(plan: StowPlan, what: str) -> None:
    """Raise ConflictError that names every conflict and both owners, if there is any."""
    if plan.conflicts:
        lines = [f"  {conflict}" for conflict in plan.conflicts[:50]]
        lines += [f"  … and {len(plan.conflicts) - 50} more"] if len(plan.conflicts) > 50 else []
        raise ConflictError(
            f"{what}: refused, nothing was changed", detail=lines, hint="xsrc owner PATH says more about one of them"
        )


def carry_out(context: Context, farm: Farm, change: Change, *, noted: bool = False) -> None:
    """Note a change, do it, note that it is done. What cannot be done is undone, and HostError raised."""
    if not noted:
        farm.begin(change)
    tried: list[Op] = []
    try:
        links.apply(context.masterdir, change.ops, tried)
    except OSError as error:
        _undo(context, farm, tried, error)
    farm.finish(change)


def _undo(context: Context, farm: Farm, tried: Iterable[Op], error: OSError) -> NoReturn:
    where = f": {error.filename}" if error.filename else ""
    try:
        links.apply(context.masterdir, inverse(tried), [])
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


def stow(context: Context, farm: Farm, asked: Iterable[PkgVer], *, plan_only: bool = False) -> tuple[Change, StowPlan]:
    """Put packages and all that they need at run time into the farm; the farm is locked by the caller.

    Raises ConflictError, with nothing changed, when anything stands in the way.
    """
    asked = tuple(asked)
    stowed = farm.stowed()
    chosen, missing = closure(farm, asked, {name: pkgver for name, (pkgver, _) in stowed.items()})
    for line in missing:
        context.ui.warn(line)
    named = {pkgver.name for pkgver in asked}
    new = {name: pkgver for name, pkgver in chosen.items() if stowed.get(name, (None, False))[0] != pkgver}
    add = [member(farm, pkgver) for pkgver in new.values()]
    drop = [member(farm, stowed[name][0]) for name in new if name in stowed]
    refuse_declared(add, {n: v for n, (v, _) in stowed.items() if n not in new})
    plan = plan_change(context, farm, add, drop)
    what = "stow " + " ".join(str(pkgver) for pkgver in asked)
    refuse_conflicts(plan, what)
    marks = {str(v): name in named or stowed.get(name, (v, False))[1] for name, v in new.items()}
    change = Change(marks, tuple(name for name in new if name in stowed), plan.ops)
    if not plan_only and (new or plan.ops):
        carry_out(context, farm, change)
        for note in plan.notes:
            context.ui.warn(note)
    return change, plan


def refuse_declared(add: Iterable[Member], staying: Mapping[str, PkgVer]) -> None:
    """Raise ConflictError where a package says that it cannot be in one root with another."""
    adding = tuple(add)
    together = [*staying.values(), *(m.props.pkgver for m in adding)]
    bad = [
        f"  {m.props.pkgver} conflicts with {other}"
        for m in adding
        for text in m.props.conflicts
        for other in together
        if other.name != m.name and Pattern.parse(text).matches(other)
    ]
    if bad:
        raise ConflictError(
            "these cannot be in one root; nothing was changed", detail=bad, hint="xsrc unstow one of them"
        )


def unstow(context: Context, farm: Farm, names: Iterable[str], *, plan_only: bool = False) -> tuple[Change, StowPlan]:
    """Take packages out of the farm; the farm is locked by the caller."""
    stowed = farm.stowed()
    drop = [member(farm, stowed[name][0]) for name in names]
    plan = plan_change(context, farm, (), drop)
    refuse_conflicts(plan, "unstow")
    change = Change({}, tuple(m.name for m in drop), plan.ops)
    if not plan_only:
        carry_out(context, farm, change)
        for note in plan.notes:
            context.ui.warn(note)
    return change, plan


def restow(context: Context, farm: Farm, names: Iterable[str], *, plan_only: bool = False) -> tuple[Change, StowPlan]:
    """Make the links of stowed packages again, whatever became of them; files that are not ours stay and are named."""
    stowed = farm.stowed()
    members = [member(farm, stowed[name][0]) for name in names]
    plan = plan_change(context, farm, members, members, repair=True)
    refuse_conflicts(plan, "restow")
    change = Change({}, (), plan.ops)
    if not plan_only and plan.ops:
        carry_out(context, farm, change)
    return change, plan


def wanted_versions(farm: Farm, texts: Iterable[str]) -> list[PkgVer]:
    """The built packages that words of a command line mean."""
    return [choose_version(farm, text) for text in texts]
