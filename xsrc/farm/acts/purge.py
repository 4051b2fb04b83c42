"""Removes conf files that packages left behind because their users had changed them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xsrc.core.errors import UsageError
from xsrc.core.layout import Tree
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.farm.acts.change import refuse_conflicts
from xsrc.farm.acts.commit import carry_out
from xsrc.farm.disk.database import Farm
from xsrc.farm.disk.made import drop, keep
from xsrc.farm.disk.survey import survey
from xsrc.farm.place import Change, made_member, skeleton_member
from xsrc.farm.purge import left_behind, plan_purge, watched_by_purge
from xsrc.farm.stow import StowPlan
from xsrc.farm.wishes import desired
from xsrc.sandbox.disk.skeleton import skeleton


@dataclass(frozen=True)
class LeftBehind:
    """The conf files that packages left behind, by name, and the paths near them that are somebody's."""

    files: dict[str, list[str]]
    placed: frozenset[str]


def find_left(tree: Tree, farm: Farm) -> LeftBehind:
    """Look for conf files that packages left behind. Raises TemplateError for a bad skeleton."""
    records = farm.records()
    paths = watched_by_purge(records.conf)
    bones = (entry for path, entry in skeleton(tree).items() if path in paths)
    members = [*farm.sharers(paths, ()), made_member(farm.made()), skeleton_member(bones)]
    placed = frozenset(desired(members, {}, paths))
    return LeftBehind(left_behind(records.conf, placed), placed)


def purge(session: Session, farm: Farm, names: Iterable[str], *, plan_only: bool = False) -> Change:
    """Remove what packages left behind, in one change; the caller holds the lock of the farm.

    The files are gone after that: no generation has them. Raises UsageError for a package that left nothing,
    ConflictError for a file that could not be put back if the change failed, HostError as `carry_out` does, BuildFailed
    for a file that changes meanwhile, TemplateError for a bad skeleton, and OSError.
    """
    masterdir, names = session.masterdir, tuple(names)
    left = find_left(session.tree, farm)
    for name in names:
        if name not in left.files:
            hint = nearest(name, left.files) or "xsrc purge -n lists all that left some"
            raise UsageError(f"{name} left no conf files behind", hint=hint)
    files = {path: name for name in names for path in left.files[name]}
    watched = watched_by_purge(files)
    disk = survey(masterdir.root, watched, watched)
    plan = plan_purge(files, left.placed, disk)
    what = "purge " + " ".join(names)
    refuse_conflicts(StowPlan(conflicts=plan.conflicts, root=str(masterdir.root)), what)
    change = Change(what, ops=plan.ops, conf=plan.conf)
    if not plan_only:
        # what a failed change puts back is copied from there
        fresh = keep(masterdir.root, plan.copies, masterdir.made)
        carry_out(session, farm, change)
        drop(masterdir.made, fresh)
    return change
