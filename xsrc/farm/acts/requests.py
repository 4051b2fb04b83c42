"""The changes of the farm that verbs ask for: stow, unstow, restow, go back to a generation, choose an alternative."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from xsrc.core.errors import ConflictError, UsageError
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.core.session import Session
from xsrc.farm.acts.change import bones, bringing, change_of, member, most, plan_change, refuse_conflicts
from xsrc.farm.acts.commit import carry_out
from xsrc.farm.acts.triggers import fired
from xsrc.farm.acts.wanted import InTree, held_back, wanted
from xsrc.farm.alternatives import offers
from xsrc.farm.candidate import Candidate, Unmet, unmet
from xsrc.farm.disk.candidates import KnownBuilds
from xsrc.farm.disk.database import Farm
from xsrc.farm.disk.survey import survey
from xsrc.farm.generation import Generation
from xsrc.farm.place import Change, Class, Member, made_member
from xsrc.farm.solve import RootWish, solve
from xsrc.farm.stow import StowPlan, StowRequest


@dataclass(frozen=True)
class StowOptions:
    """How to make a change."""

    plan_only: bool = False
    adopt: bool = False
    """Move strangers' files aside."""
    force: bool = False
    """Leave packages without what they need."""
    revive: bool = False
    """Put again what the user removed below /etc."""


def stow(
    session: Session,
    farm: Farm,
    asked: Iterable[PkgVer],
    in_tree: InTree,
    how: StowOptions = StowOptions(),
    again: Iterable[PkgVer] = (),
) -> tuple[Change, StowPlan]:
    """Put packages and everything that they need at run time into the farm; the caller holds the lock of the farm.

    The latest builds of `again`, which are stowed, come in the same change, except those that are held.
    Raises ConflictError, with nothing changed, if anything is in the way, if a package is held, or if one would lack
    what it needs. Raises HostError if the change cannot be done; it is then undone. Raises TemplateError and OSError as
    `plan_change` does.
    """
    held = farm.held()
    asked, again = tuple(asked), tuple(pkgver for pkgver in again if pkgver.name not in held)
    known = KnownBuilds(farm)
    before = known.stowed()
    what = "stow " + " ".join(str(pkgver) for pkgver in asked or again)
    refuse_held(what, [pkgver.name for pkgver in held_back(known, before, held, asked)])
    found = wanted(known, before, (*again, *asked), in_tree, held)
    if not how.force:
        refuse_unmet(found.unmet, what, in_tree, held)
    named = {pkgver.name for pkgver in asked} | {name for name, (_, mark) in farm.stowed().items() if mark}
    marks = {name: name in named for name in found.packages}
    fresh = frozenset(pkgver.name for pkgver in again)
    return change_to(session, farm, Target(found.packages, marks, fresh=fresh), what, how)


def refuse_held(what: str, names: Sequence[str]) -> None:
    """Raise ConflictError if any package is to get another build, or to go, though it is held."""
    if names:
        lines = [f"  {name} is held: it keeps its build" for name in names]
        hint = f"xsrc hold --release {' '.join(names)}"
        raise ConflictError(f"{what}: refused, nothing was changed", detail=lines, hint=hint)


def refuse_unmet(lacks: Sequence[Unmet], what: str, in_tree: InTree, held: frozenset[str] = frozenset()) -> None:
    """Raise ConflictError that names every need that would be unmet, and the command that helps."""
    if not lacks:
        return
    names = dict.fromkeys(_helps(lack, in_tree) for lack in lacks)
    lines = most(lacks)
    build = " ".join(name for name in names if name)
    hint = f"xsrc build {build}; or --force" if build else "leave these out; or --force"
    if kept := sorted(held & {name for lack in lacks for name in (lack.by.name, lack.giver)}):
        lines += [f"  {name} is held: it keeps its build" for name in kept]
        hint = f"xsrc hold --release {' '.join(kept)}"
    raise ConflictError(f"{what}: refused, nothing was changed", detail=lines, hint=hint)


def _helps(lack: Unmet, in_tree: InTree) -> str:
    """The package to build: the one with the need, if another build of what it needs comes; else what it needs."""
    name = lack.giver
    first = (lack.by.name, name) if lack.other else (name, lack.by.name)
    return next((one for one in first if in_tree(one)), "")


@dataclass(frozen=True)
class Target:
    """The root that a change leads to."""

    packages: Mapping[str, Candidate]
    marks: Mapping[str, bool]
    """By name, whether somebody asked for it."""
    choices: Mapping[str, str] | None = None
    """The choices of alternatives, if they change."""
    fresh: frozenset[str] = frozenset()
    """Packages whose destdirs may have been made again: their hard links follow."""


def change_to(session: Session, farm: Farm, target: Target, what: str, how: StowOptions) -> tuple[Change, StowPlan]:
    """Change the stowed root to another set of builds. Raises as `stow` does."""
    now = farm.stowed_builds()
    new = {n: one for n, one in target.packages.items() if n not in now or (now[n].pkgver, now[n].build) != _id(one)}
    gone = tuple(name for name in now if name not in target.packages)
    same = (member(farm, now[name].pkgver) for name in sorted(target.fresh) if name in now and name not in new)
    nostow = session.settings.nostow
    coming = (m for one in new.values() if (m := farm.member(one.pkgver, one.build)))
    add = tuple(replace(m, nostow=nostow) for m in coming)
    drop = tuple(member(farm, now[name].pkgver) for name in (*new, *gone) if name in now)
    kept = tuple(one for one in same if one.rules.hardlink and _adrift(session.masterdir, one))
    here = farm.builds_of(one.pkgver for one in new.values())
    builds = {text: one.build for one in new.values() if here.get(text := str(one.pkgver), "") != one.build}
    brings = tuple(bringing(text, build, here.get(text, "")) for text, build in builds.items())
    rebuilt = frozenset(str(m.pkgver) for m in (*drop, *kept) if str(m.pkgver) in builds or m in kept)
    out = {m.name for m in drop}
    staying = [one.pkgver for name, one in now.items() if name not in out]
    refuse_declared(add, [m for m in farm.ruled() if m.name not in out], staying)
    wish = StowRequest((*add, *kept), (*drop, *kept), choices=target.choices, rebuilt=rebuilt, adopt=how.adopt)
    plan = plan_change(session, farm, wish)
    refuse_conflicts(plan, what, adopt=how.adopt)
    marks = {
        str(one.pkgver): target.marks[name]
        for name, one in target.packages.items()
        if name in new or now[name].asked != target.marks[name]
    }
    choices = target.choices if target.choices != farm.records().choices else None
    globs = dict.fromkeys(new, nostow) if nostow else {}
    base = Change(
        add=marks,
        drop=tuple(m.name for m in drop),
        ops=brings,
        builds=builds,
        choices=choices,
        fire=fired(add, drop),
        nostow=globs,
    )
    return finish(session, farm, change_of(plan, what, base), plan, how)


def _adrift(masterdir: Masterdir, one: Member) -> bool:
    """Whether hard links of a package are other files than those of its destdir. Raises OSError."""
    hard = [placed for placed in one.places.values() if placed.how is Class.HARD]
    found = survey(masterdir.root, {path for placed in hard for path in (placed.path, placed.source)}, frozenset())
    pairs = [(found.get(placed.path), found.get(placed.source)) for placed in hard]
    return any(here and there and here.inode != there.inode for here, there in pairs)


def _id(one: Candidate) -> tuple[PkgVer, str]:
    return one.pkgver, one.build


def finish(session: Session, farm: Farm, change: Change, plan: StowPlan, how: StowOptions) -> tuple[Change, StowPlan]:
    """Carry a change out, unless it is empty or only a plan is wanted. Raises HostError as `carry_out` does."""
    records = change.conf or change.aside or change.nostow or change.choices is not None
    if not how.plan_only and (change.add or change.drop or change.ops or records):
        carry_out(session, farm, change)
        for note in plan.notes:
            session.ui.warn(note)
    return change, plan


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

    Raises ConflictError for a package that is held and, unless `how.force` is set, if one that stays would lack what it
    needs. Raises HostError if the change cannot be done; it is then undone.
    Raises TemplateError and OSError as `plan_change` does.
    """
    names = tuple(names)
    held = farm.held()
    refuse_held("unstow " + " ".join(names), [name for name in names if name in held])
    known = KnownBuilds(farm)
    before = known.stowed()
    found = solve(known, before, RootWish(go=frozenset(names), alone=True), lambda _: None)
    if found.unmet and not how.force:
        protected = {name for name in names if (m := farm.member(before[name].pkgver)) and m.rules.protect}
        refuse_needed(found.unmet, names, protected)
    for lack in found.unmet:
        session.ui.warn(str(lack))
    return change_to(session, farm, remaining(farm, before, names), "unstow " + " ".join(names), how)


def remaining(farm: Farm, before: Mapping[str, Candidate], names: Collection[str]) -> Target:
    """The stowed root without some packages."""
    marks = {name: mark for name, (_, mark) in farm.stowed().items() if name not in names}
    return Target({name: before[name] for name in marks}, marks)


def refuse_needed(lacks: Iterable[Unmet], names: Sequence[str], protected: Collection[str]) -> None:
    """Raise ConflictError for packages that must not go: others need them."""
    lacks = tuple(lacks)
    dependents = sorted({lack.by.name for lack in lacks} - set(names))
    hint = f"xsrc unstow {' '.join((*names, *dependents))}; or unstow --force"
    if protected:
        hint = f"stow another in place of {', '.join(sorted(protected))} first; it is protected. Or unstow --force"
    lines = [f"  {lack}" for lack in lacks]
    raise ConflictError(f"unstow {' '.join(names)}: refused, nothing was changed", detail=lines, hint=hint)


def restow(
    session: Session,
    farm: Farm,
    names: Iterable[str],
    how: StowOptions = StowOptions(),
) -> tuple[Change, StowPlan]:
    """Make the links of stowed packages again, whatever became of them; name files that are not ours and keep them.

    The present setting of what is never stowed takes effect.
    Raises ConflictError if such a file is in the way, HostError as `carry_out` does.
    Raises TemplateError and OSError as `plan_change` does.
    """
    stowed = farm.stowed()
    members = tuple(member(farm, stowed[name][0]) for name in names)
    nostow = session.settings.nostow
    turned = tuple(m for m in members if m.nostow != nostow)
    fresh = tuple(replace(m, nostow=nostow) for m in members)
    both = (made_member(farm.made()), bones(session.tree))
    request = StowRequest((*fresh, *both), (*members, *both), repair=True, revive=how.revive, adopt=how.adopt)
    plan = plan_change(session, farm, request)
    refuse_conflicts(plan, "restow", adopt=how.adopt)
    fire = fired((replace(m, nostow=nostow) for m in turned), turned)
    base = Change(fire=fire, nostow={m.name: nostow for m in turned})
    change = change_of(plan, "restow " + " ".join(m.name for m in members), base)
    return finish(session, farm, change, plan, how)


def return_to(
    session: Session,
    farm: Farm,
    target: Generation,
    how: StowOptions = StowOptions(),
) -> tuple[Change, StowPlan]:
    """Restore the stowed root as it was after a generation.

    Raises UsageError if a build of it is gone, ConflictError if anything is in the way or a package is held, HostError
    as `carry_out` does.
    Raises TemplateError and OSError as `plan_change` does.
    """
    there = farm.builds()
    missing = [f"  {pkgver}" for pkgver, build in sorted(target.builds) if (pkgver, build) not in there]
    if missing:
        raise UsageError(
            f"generation {target.number} cannot be returned to: these builds of it are gone",
            detail=missing,
            hint="xsrc history; what gc removed can only be built again",
        )
    known = KnownBuilds(farm)
    packages = {n: one for n, s in target.packages.items() if (one := known.exactly(s.pkgver, s.build))}
    what = f"rollback {target.number}"
    before, held = known.stowed(), farm.held()
    refuse_held(what, [name for name in sorted(held) if packages.get(name) != before.get(name)])
    if (lacks := unmet(known, packages)) and not how.force:
        lines = [f"  {lack}" for lack in lacks]
        raise ConflictError(
            f"{what}: refused, nothing was changed", detail=lines, hint="another generation; or --force"
        )
    marks = {name: one.asked for name, one in target.packages.items()}
    return change_to(session, farm, Target(packages, marks, dict(target.choices)), what, how)


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
