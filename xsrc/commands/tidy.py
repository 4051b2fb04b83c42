"""`xsrc autoremove`, `remove`, `purge`: take out, or remove, what nobody needs any more."""

from __future__ import annotations

from plumbum import cli

from xsrc.commands.farm_verb import FarmVerb, show_change, stowed_versions
from xsrc.commands.verb import SOME_NAMES, Takes, WithPlan
from xsrc.commands.words import meant, not_built, parse_pkgver
from xsrc.core.errors import ConflictError, UsageError
from xsrc.core.layout import Tree
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.farm.acts.autoremove import autoremove
from xsrc.farm.acts.collect import find_one, refuse_while_building, sweep
from xsrc.farm.acts.commit import farm_locked
from xsrc.farm.acts.purge import find_left, purge
from xsrc.farm.acts.requests import StowOptions
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.farm.disk.database import Farm
from xsrc.farm.place import Act


class Autoremove(FarmVerb):
    """Take out of the stowed root what came only because something needed it, and what nothing needs any more"""

    example = "autoremove -n  # shows what would go"

    def go(self, session: Session) -> int:
        with farm_locked(session, "autoremove") as farm:
            before = stowed_versions(farm)
            change = autoremove(session, farm, StowOptions(plan_only=self.plan_only))
        if self.plan_only:
            show_change(session.ui, change, before)
            return 0
        for name in change.drop:
            session.ui.note(f"{before[name]}: unstowed")
        if not change.drop:
            session.ui.note("everything that is stowed was asked for, or is needed")
        return 0


class Remove(WithPlan):
    """Remove one built version that is not stowed, with its records and logs"""

    takes = Takes("NAME[@VERSION]", 1)
    example = "remove dash@0.5.11"

    force = cli.Flag(["-f", "--force"], help="also if a generation needs it, which is then forgotten")

    def go(self, session: Session) -> int:
        names = session.names(self.given, "remove")
        with farm_locked(session, "remove") as farm:
            pkgver = one_version(session.tree, farm, names[0])
            found = find_one(session.masterdir, farm, pkgver, force=self.force)
            if self.plan_only:
                session.ui.output(f"- {pkgver}")
                for number in found.generations:
                    session.ui.output(f"- generation {number}")
                return 0
            refuse_while_building(session.masterdir, "remove")
            freed = sweep(session.masterdir, farm, found)
        session.ui.note(f"{pkgver}: removed, {freed >> 20} MiB freed")
        for number in found.generations:
            session.ui.note(f"generation {number}: forgotten")
        return 0


def one_version(tree: Tree, farm: Farm, text: str) -> PkgVer:
    """The one built version that `NAME[@VERSION]` means. Raises UsageError for none, and for several."""
    name, _ = parse_pkgver(text)
    versions, fitting = meant(farm, text)
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(pkgver.version_revision for pkgver in versions)
    if fitting:
        raise UsageError(
            f"{text}: which one? There is {known}", hint=f"xsrc remove {name}@{fitting[0].version_revision}"
        )
    if versions:
        raise UsageError(f"{text}: of {name} there is {known}", hint=f"xsrc remove {name}@VERSION")
    raise not_built(tree, farm, name)


class Purge(FarmVerb):
    """Delete conf files, and their .new, that packages left behind because you had changed them"""

    takes = SOME_NAMES
    example = "purge -n  # lists the files"

    def go(self, session: Session) -> int:
        if self.plan_only and not self.given:
            with farm_at_rest(session) as farm:
                left = find_left(session.tree, farm).files
            for name in sorted(left):
                for path in left[name]:
                    session.ui.output(f"{name}  /{path}")
            return 0
        names = session.names(self.given, "purge")
        with farm_locked(session, "purge") as farm:
            if stowed := [name for name in names if name in farm.stowed()]:
                lines = [f"  {name} is stowed" for name in stowed]
                hint = f"xsrc unstow {' '.join(stowed)}"
                raise ConflictError("purge: refused, nothing was changed", detail=lines, hint=hint)
            change = purge(session, farm, names, plan_only=self.plan_only)
        files = [op.placed.path for op in change.ops if op.act is Act.REMOVE]
        if self.plan_only:
            show_change(session.ui, change, {})
            return 0
        for path in files:
            session.ui.note(f"/{path}: deleted")
        session.ui.note(f"{', '.join(names)}: {counted(len(files), 'file')} deleted, {len(change.conf)} forgotten")
        return 0
