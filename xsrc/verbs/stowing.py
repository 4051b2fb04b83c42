"""The changes of the farm that verbs ask for: stow, unstow, restow, go back to a generation, choose an alternative."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xsrc.effects.store import Farm
from xsrc.errors import ConflictError, UsageError
from xsrc.model.farm import Change, Member, made_member
from xsrc.model.generation import Generation
from xsrc.model.pkgver import Pattern, PkgVer
from xsrc.plan.alternatives import offers
from xsrc.plan.stow import Request, StowPlan
from xsrc.verbs.context import Context
from xsrc.verbs.farming import carry_out
from xsrc.verbs.planning import bringing, change_of, member, plan_change, refuse_conflicts
from xsrc.verbs.triggers import fired


@dataclass(frozen=True)
class How:
    """How a change is made."""

    plan_only: bool = False
    adopt: bool = False
    """Let strangers' files stand aside."""
    force: bool = False
    """Take out also what is protected."""


def closure(
    farm: Farm, wanted: Iterable[PkgVer], prefer: Mapping[str, PkgVer]
) -> tuple[dict[str, PkgVer], tuple[str, ...]]:
    """The built packages of `wanted` and of all that they need at run time, by name; and the needs nothing satisfies.

    Of several versions that satisfy a need, the one of `prefer` is taken, else the newest; a virtual name is satisfied
    by a package that is chosen already, else by one of `prefer`, else by the first that provides it.
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
            if not fitting:
                fitting = farm.providers(pattern)[::-1]
                if any(v.name in chosen for v in fitting):
                    continue
            liked = next((v for v in fitting if prefer.get(v.name) == v), None)
            if liked is not None:
                queue.append(liked)
            elif fitting:
                queue.append(fitting[-1])
            else:
                missing.append(f"{pkgver} needs {pattern}, which is not built")
    return chosen, tuple(missing)


def stow(
    context: Context,
    farm: Farm,
    asked: Iterable[PkgVer],
    how: How = How(),
) -> tuple[Change, StowPlan]:
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
    add = tuple(member(farm, pkgver) for pkgver in new.values())
    gone = replaced(add, (pkgver for name, (pkgver, _) in stowed.items() if name not in new))
    drop = tuple(member(farm, stowed[name][0]) for name in (*new, *gone) if name in stowed)
    out = {m.name for m in drop}
    refuse_declared(
        add, [m for m in farm.ruled() if m.name not in out], [v for n, (v, _) in stowed.items() if n not in out]
    )
    plan = plan_change(context, farm, Request(add, drop, adopt=how.adopt))
    what = "stow " + " ".join(str(pkgver) for pkgver in asked)
    refuse_conflicts(plan, what, adopt=how.adopt)
    marks = {str(v): name in named or stowed.get(name, (v, False))[1] for name, v in new.items()}
    newly = [v for v in asked if v.name not in new and not stowed[v.name][1]]
    marks |= {str(v): True for v in newly}
    base = Change(add=marks, drop=tuple(m.name for m in drop), fire=fired(add, drop))
    return finish(context, farm, change_of(plan, what, base), plan, how)


def finish(context: Context, farm: Farm, change: Change, plan: StowPlan, how: How) -> tuple[Change, StowPlan]:
    """Carry a change out, where there is anything to do and not only a plan was asked for."""
    if not how.plan_only and (change.add or change.drop or change.ops or change.choices is not None):
        carry_out(context, farm, change)
        for note in plan.notes:
            context.ui.warn(note)
    return change, plan


def replaced(add: Iterable[Member], staying: Iterable[PkgVer]) -> tuple[str, ...]:
    """The names of stowed packages that a new one says it replaces."""
    stowed = tuple(staying)
    patterns = [(m.name, Pattern.parse(text)) for m in add for text in m.rules.replaces]
    found = [v.name for name, pattern in patterns for v in stowed if v.name != name and pattern.matches(v)]
    return tuple(dict.fromkeys(found))


def refuse_declared(add: Iterable[Member], ruled: Iterable[Member], staying: Iterable[PkgVer]) -> None:
    """Raise ConflictError where a package says that it cannot be in one root with another."""
    adding = tuple(add)
    new = [m.pkgver for m in adding]
    sides = [(m, [*staying, *new]) for m in adding] + [(m, new) for m in ruled]
    bad = [
        f"  {m.pkgver} conflicts with {other}"
        for m, others in sides
        for text in m.rules.conflicts
        for other in others
        if other.name != m.name and Pattern.parse(text).matches(other)
    ]
    if bad:
        raise ConflictError(
            "these cannot be in one root; nothing was changed", detail=bad, hint="xsrc unstow one of them"
        )


def unstow(
    context: Context,
    farm: Farm,
    names: Iterable[str],
    how: How = How(),
) -> tuple[Change, StowPlan]:
    """Take packages out of the farm; the farm is locked by the caller.

    Raises ConflictError for the last protected package that something which stays needs.
    """
    stowed = farm.stowed()
    drop = tuple(member(farm, stowed[name][0]) for name in names)
    if not how.force:
        refuse_protected(farm, drop)
    plan = plan_change(context, farm, Request((), drop))
    refuse_conflicts(plan, "unstow")
    gone = tuple(m.name for m in drop)
    change = change_of(plan, "unstow " + " ".join(gone), Change(drop=gone, fire=fired((), drop)))
    return finish(context, farm, change, plan, how)


def refuse_protected(farm: Farm, drop: Iterable[Member]) -> None:
    """Raise ConflictError where a protected package is the last that satisfies what a staying package needs."""
    going = tuple(drop)
    needs = needed_by(farm, [m.name for m in going])
    bad = [
        f"  {m.pkgver} is protected, and {', '.join(needs[m.name])} need{'s' if len(needs[m.name]) == 1 else ''} it"
        for m in going
        if m.rules.protect and m.name in needs
    ]
    if bad:
        raise ConflictError(
            "unstow: refused, nothing was changed",
            detail=bad,
            hint="stow another in its place first, or unstow --force",
        )


def needed_by(farm: Farm, names: Iterable[str]) -> dict[str, list[str]]:
    """By name, the stowed packages that need it at run time and would find no other that provides the same."""
    going = frozenset(names)
    stowed = farm.stowed()
    ruled = {m.name: m.rules.provides for m in farm.ruled()}
    staying = [(name, v) for name, (v, _) in stowed.items() if name not in going]
    result: dict[str, list[str]] = {}
    for other, pkgver in staying:
        for text in farm.run_depends(pkgver):
            pattern = Pattern.parse(text)
            if any(_satisfies(v, ruled.get(name, ()), pattern) for name, v in staying):
                continue
            for name in sorted(going):
                if name in stowed and _satisfies(stowed[name][0], ruled.get(name, ()), pattern):
                    result.setdefault(name, []).append(other)
    return result


def _satisfies(pkgver: PkgVer, provides: Iterable[str], pattern: Pattern) -> bool:
    return pattern.matches(pkgver) or any(map(pattern.satisfied_by, provides))


def restow(
    context: Context,
    farm: Farm,
    names: Iterable[str],
    how: How = How(),
) -> tuple[Change, StowPlan]:
    """Make the links of stowed packages again, whatever became of them; files that are not ours stay and are named."""
    stowed = farm.stowed()
    members = tuple(member(farm, stowed[name][0]) for name in names)
    made = made_member(farm.made())
    plan = plan_change(context, farm, Request((*members, made), (*members, made), repair=True, adopt=how.adopt))
    refuse_conflicts(plan, "restow", adopt=how.adopt)
    change = change_of(plan, "restow " + " ".join(m.name for m in members), Change())
    return finish(context, farm, change, plan, how)


def return_to(
    context: Context,
    farm: Farm,
    target: Generation,
    how: How = How(),
) -> tuple[Change, StowPlan]:
    """Make the stowed root what it was after a generation. Raises UsageError when a build of it is gone."""
    stowed = farm.stowed()
    there = farm.builds()
    missing = [f"  {pkgver}" for pkgver, build in sorted(target.builds) if (pkgver, build) not in there]
    if missing:
        raise UsageError(
            f"generation {target.number} cannot be returned to: these builds of it are gone",
            detail=missing,
            hint="xsrc history; what gc removed can only be built again",
        )
    now = {(str(one.pkgver), one.build) for one in farm.stowed_builds().values()}
    new = {name: one for name, one in target.packages.items() if (str(one.pkgver), one.build) not in now}
    gone = [name for name in stowed if name in new or name not in target.packages]
    add = tuple(m for one in new.values() if (m := farm.member(one.pkgver, one.build)))
    drop = tuple(member(farm, stowed[name][0]) for name in gone)
    builds = {str(one.pkgver): one.build for one in new.values() if farm.build(one.pkgver) != one.build}
    brings = tuple(bringing(text, build, farm.build(PkgVer.parse(text))) for text, build in builds.items())
    rebuilt = frozenset(str(m.pkgver) for m in drop if str(m.pkgver) in builds)
    plan = plan_change(context, farm, Request(add, drop, choices=target.choices, rebuilt=rebuilt, adopt=how.adopt))
    what = f"rollback {target.number}"
    refuse_conflicts(plan, what, adopt=how.adopt)
    marks = {
        str(one.pkgver): one.asked
        for name, one in target.packages.items()
        if name in new or stowed.get(name) != (one.pkgver, one.asked)
    }
    choices = dict(target.choices) if target.choices != farm.records().choices else None
    base = Change(add=marks, drop=tuple(gone), ops=brings, builds=builds, choices=choices, fire=fired(add, drop))
    return finish(context, farm, change_of(plan, what, base), plan, how)


def choose(
    context: Context,
    farm: Farm,
    wishes: Mapping[str, str],
    how: How = How(),
) -> tuple[Change, StowPlan]:
    """Let packages give the links of groups of alternatives; "" goes back to the one of highest priority."""
    known = offers(farm.ruled())
    for group, name in wishes.items():
        if group not in known:
            raise UsageError(f"no stowed package offers {group!r}", hint=f"there are {', '.join(known) or 'none'}")
        if name and name not in known[group]:
            raise UsageError(f"{name} does not offer {group}", hint=f"these do: {', '.join(known[group])}")
    now = farm.records().choices
    choices = {group: name for group, name in {**now, **wishes}.items() if name}
    plan = plan_change(context, farm, Request(choices=choices))
    what = "alternatives " + " ".join(f"{group}={name}" for group, name in wishes.items())
    refuse_conflicts(plan, what)
    change = change_of(plan, what, Change(choices=choices if choices != now else None))
    return finish(context, farm, change, plan, how)
