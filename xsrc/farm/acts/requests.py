"""The changes of the farm that verbs ask for: stow, unstow, restow, go back to a generation, choose an alternative."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xsrc.core.errors import ConflictError, UsageError
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.core.session import Session
from xsrc.farm.acts.change import bringing, change_of, member, plan_change, refuse_conflicts
from xsrc.farm.acts.commit import carry_out
from xsrc.farm.acts.triggers import fired
from xsrc.farm.alternatives import offers
from xsrc.farm.disk.database import Farm
from xsrc.farm.generation import Generation
from xsrc.farm.needed import needed
from xsrc.farm.place import Change, Member, made_member
from xsrc.farm.stow import StowPlan, StowRequest


@dataclass(frozen=True)
class StowOptions:
    """How to make a change."""

    plan_only: bool = False
    adopt: bool = False
    """Move strangers' files aside."""
    force: bool = False
    """Take out protected packages too."""


def stow(
    session: Session,
    farm: Farm,
    asked: Iterable[PkgVer],
    how: StowOptions = StowOptions(),
) -> tuple[Change, StowPlan]:
    """Put packages and everything that they need at run time into the farm; the caller holds the lock of the farm.

    Raises ConflictError, with nothing changed, if anything is in the way. Raises HostError if the change cannot be
    done; it is then undone.
    Raises TemplateError and OSError as `plan_change` does.
    """
    asked = tuple(asked)
    stowed = farm.stowed()
    chosen, missing = needed(farm, asked, {name: pkgver for name, (pkgver, _) in stowed.items()})
    for line in missing:
        session.ui.warn(line)
    named = {pkgver.name for pkgver in asked}
    new = {name: pkgver for name, pkgver in chosen.items() if stowed.get(name, (None, False))[0] != pkgver}
    add = tuple(member(farm, pkgver) for pkgver in new.values())
    gone = replaced(add, (pkgver for name, (pkgver, _) in stowed.items() if name not in new))
    drop = tuple(member(farm, stowed[name][0]) for name in (*new, *gone) if name in stowed)
    out = {m.name for m in drop}
    refuse_declared(
        add, [m for m in farm.ruled() if m.name not in out], [v for n, (v, _) in stowed.items() if n not in out]
    )
    plan = plan_change(session, farm, StowRequest(add, drop, adopt=how.adopt))
    what = "stow " + " ".join(str(pkgver) for pkgver in asked)
    refuse_conflicts(plan, what, adopt=how.adopt)
    marks = {str(v): name in named or stowed.get(name, (v, False))[1] for name, v in new.items()}
    newly = [v for v in asked if v.name not in new and not stowed[v.name][1]]
    marks |= {str(v): True for v in newly}
    base = Change(add=marks, drop=tuple(m.name for m in drop), fire=fired(add, drop))
    return finish(session, farm, change_of(plan, what, base), plan, how)


def finish(session: Session, farm: Farm, change: Change, plan: StowPlan, how: StowOptions) -> tuple[Change, StowPlan]:
    """Carry a change out, unless it is empty or only a plan is wanted. Raises HostError as `carry_out` does."""
    if not how.plan_only and (change.add or change.drop or change.ops or change.choices is not None):
        carry_out(session, farm, change)
        for note in plan.notes:
            session.ui.warn(note)
    return change, plan


def replaced(add: Iterable[Member], staying: Iterable[PkgVer]) -> tuple[str, ...]:
    """The names of stowed packages that a new one says it replaces."""
    stowed = tuple(staying)
    patterns = [(m.name, Pattern.parse(text)) for m in add for text in m.rules.replaces]
    found = [v.name for name, pattern in patterns for v in stowed if v.name != name and pattern.matches(v)]
    return tuple(dict.fromkeys(found))


def refuse_declared(add: Iterable[Member], ruled: Iterable[Member], staying: Iterable[PkgVer]) -> None:
    """Raise ConflictError if a package declares a conflict with another in the same root."""
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
    session: Session,
    farm: Farm,
    names: Iterable[str],
    how: StowOptions = StowOptions(),
) -> tuple[Change, StowPlan]:
    """Take packages out of the farm; the caller holds the lock of the farm.

    Raises ConflictError for a protected package if it is the last that satisfies a staying package. Raises HostError if
    the change cannot be done; it is then undone.
    Raises TemplateError and OSError as `plan_change` does.
    """
    stowed = farm.stowed()
    drop = tuple(member(farm, stowed[name][0]) for name in names)
    if not how.force:
        refuse_protected(farm, drop)
    plan = plan_change(session, farm, StowRequest((), drop))
    refuse_conflicts(plan, "unstow")
    gone = tuple(m.name for m in drop)
    change = change_of(plan, "unstow " + " ".join(gone), Change(drop=gone, fire=fired((), drop)))
    return finish(session, farm, change, plan, how)


def refuse_protected(farm: Farm, drop: Iterable[Member]) -> None:
    """Raise ConflictError if a protected package is the last that satisfies a staying package."""
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
    """For each of `names`, the staying packages that need it at run time and have no other provider."""
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
    session: Session,
    farm: Farm,
    names: Iterable[str],
    how: StowOptions = StowOptions(),
) -> tuple[Change, StowPlan]:
    """Make the links of stowed packages again, whatever became of them; name files that are not ours and keep them.

    Raises ConflictError if such a file is in the way, HostError as `carry_out` does.
    Raises TemplateError and OSError as `plan_change` does.
    """
    stowed = farm.stowed()
    members = tuple(member(farm, stowed[name][0]) for name in names)
    made = made_member(farm.made())
    plan = plan_change(session, farm, StowRequest((*members, made), (*members, made), repair=True, adopt=how.adopt))
    refuse_conflicts(plan, "restow", adopt=how.adopt)
    change = change_of(plan, "restow " + " ".join(m.name for m in members), Change())
    return finish(session, farm, change, plan, how)


def return_to(
    session: Session,
    farm: Farm,
    target: Generation,
    how: StowOptions = StowOptions(),
) -> tuple[Change, StowPlan]:
    """Restore the stowed root as it was after a generation.

    Raises UsageError if a build of it is gone, ConflictError if anything is in the way, HostError as `carry_out` does.
    Raises TemplateError and OSError as `plan_change` does.
    """
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
    plan = plan_change(session, farm, StowRequest(add, drop, choices=target.choices, rebuilt=rebuilt, adopt=how.adopt))
    what = f"rollback {target.number}"
    refuse_conflicts(plan, what, adopt=how.adopt)
    marks = {
        str(one.pkgver): one.asked
        for name, one in target.packages.items()
        if name in new or stowed.get(name) != (one.pkgver, one.asked)
    }
    choices = dict(target.choices) if target.choices != farm.records().choices else None
    base = Change(add=marks, drop=tuple(gone), ops=brings, builds=builds, choices=choices, fire=fired(add, drop))
    return finish(session, farm, change_of(plan, what, base), plan, how)


def choose(
    session: Session,
    farm: Farm,
    wishes: Mapping[str, str],
    how: StowOptions = StowOptions(),
) -> tuple[Change, StowPlan]:
    """Choose the providers of groups of alternatives; "" goes back to the one of highest priority.

    Raises UsageError for an unknown group or provider, ConflictError if anything is in the way, HostError as
    `carry_out` does.
    Raises TemplateError and OSError as `plan_change` does.
    """
    known = offers(farm.ruled())
    for group, name in wishes.items():
        if group not in known:
            raise UsageError(f"no stowed package offers {group!r}", hint=f"there are {', '.join(known) or 'none'}")
        if name and name not in known[group]:
            raise UsageError(f"{name} does not offer {group}", hint=f"these do: {', '.join(known[group])}")
    now = farm.records().choices
    choices = {group: name for group, name in {**now, **wishes}.items() if name}
    plan = plan_change(session, farm, StowRequest(choices=choices))
    what = "alternatives " + " ".join(f"{group}={name}" for group, name in wishes.items())
    refuse_conflicts(plan, what)
    change = change_of(plan, what, Change(choices=choices if choices != now else None))
    return finish(session, farm, change, plan, how)
