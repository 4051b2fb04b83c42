"""Plans a change of the farm: gathers the data for the plan, and refuses a change with conflicts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import replace

from xsrc.core.errors import ConflictError, HostError
from xsrc.core.layout import Tree
from xsrc.core.paths import is_ours
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.farm.disk.database import Farm
from xsrc.farm.disk.survey import scan, survey
from xsrc.farm.place import LEFT_OUT, Act, Change, Class, Member, Op, Placed, made_member, skeleton_member
from xsrc.farm.stow import StowPlan, StowRequest, affected, plan_stow, turning, watched
from xsrc.sandbox.disk.skeleton import skeleton
from xsrc.store.manifest import Kind

_SHOWN = 50
"""Lines of a refusal."""


def member(farm: Farm, pkgver: PkgVer) -> Member:
    """A built package for the planner. Raises HostError if the database does not know it."""
    found = farm.member(pkgver)
    if found is None:
        raise HostError(f"{pkgver}: the farm's database has no record of it", hint=f"xsrc build -f {pkgver.name}")
    return found


def bones(tree: Tree) -> Member:
    """The directories and links of the skeleton that a repair makes again: those in places of the user are his.

    Raises TemplateError for a bad skeleton.
    """
    entries = skeleton(tree).values()
    return skeleton_member(
        e for e in entries if e.kind is not Kind.FILE and e.path not in LEFT_OUT and not is_ours(e.path)
    )


def plan_change(
    session: Session, farm: Farm, request: StowRequest, come: Iterable[Member] = (), gone: Iterable[str] = ()
) -> StowPlan:
    """The plan of a request against the stowed packages and the disk; `others` are filled in here.

    `come` and `gone` (by name) are parts of the same change that are done, but not in the database yet.
    Raises TemplateError for a bad skeleton, and OSError.
    """
    records = farm.records()
    names = {*gone, *(m.name for m in (*request.add, *request.drop, *come))}
    ruled = tuple(m for m in farm.ruled() if m.name not in names)
    paths = affected(replace(request, others=ruled), records)
    others = [*farm.sharers(paths, names), *(made_member(farm.made()),)]
    shared = (entry for path, entry in skeleton(session.tree).items() if path in paths)
    others = [m for m in (*others, skeleton_member(shared)) if m.name not in names]
    others += [replace(m, entries=tuple(e for e in m.entries if e.path in paths)) for m in come]
    whole = replace(request, others=tuple(others))
    every, hashed = watched(paths, (*whole.add, *whole.drop, *whole.others), records, adopt=whole.adopt)
    root = session.masterdir.root
    disk = survey(root, every, hashed)
    for folder in turning(whole):
        disk = scan(root, frozenset(), frozenset(), folder) | disk
    return replace(plan_stow(whole, disk, records), root=str(root))


def refuse_conflicts(plan: StowPlan, what: str, *, adopt: bool = True) -> None:
    """Raise ConflictError that names every conflict and both owners, if there is any."""
    if plan.conflicts:
        hint = None
        if (cure := next((conflict for conflict in plan.conflicts if conflict.cure), None)) is not None:
            hint = cure.cure.replace("{}", shlex.quote(f"{plan.root}/{cure.path}"))
        if not adopt and all(conflict.stranger for conflict in plan.conflicts):
            hint = "move them away, or rename them to NAME.orig with --adopt"
        raise ConflictError(f"{what}: refused, nothing was changed", detail=most(plan.conflicts), hint=hint)


def most(found: Sequence[object]) -> list[str]:
    """The lines of a refusal: the first of many, and how many more there are."""
    lines = [f"  {one}" for one in found[:_SHOWN]]
    return [*lines, f"  … and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else lines


def change_of(plan: StowPlan, why: str, base: Change) -> Change:
    """A change with the results of its plan."""
    return replace(base, why=why, ops=(*base.ops, *plan.ops), conf=plan.conf, aside=plan.aside)


def bringing(pkgver: str, build: str, former: str) -> Op:
    """The operation that moves a build of a pkgver into its place."""
    new, old = (Placed(pkgver, pkgver, Class.DIR, which) for which in (build, former))
    return Op(Act.BRING, new, old)
