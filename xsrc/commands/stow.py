"""`xsrc stow`, `unstow`, `restow`: put packages into the stowed root, take them out, make their links again."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from plumbum import cli

from xsrc.commands.farm_verb import FarmVerb, show_change, stowed_versions
from xsrc.commands.verb import BUILT, Takes, WithAdopt
from xsrc.commands.words import choose_each, means, parse_pkgver
from xsrc.core.errors import UsageError
from xsrc.core.pkgver import PkgVer
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.farm.acts.autoremove import find_unneeded
from xsrc.farm.acts.commit import farm_locked
from xsrc.farm.acts.requests import StowOptions, restow, stow, unstow
from xsrc.farm.disk.database import Farm
from xsrc.tree.acts.closure import version_in_tree


def stowed_names(farm: Farm, given: Iterable[str]) -> tuple[str, ...]:
    """Names of stowed packages, by `NAME[@VERSION]`. Raises UsageError for one that is not stowed."""
    stowed, names = farm.stowed(), []
    for text in given:
        name, version = parse_pkgver(text)
        if name not in stowed:
            raise UsageError(f"{name} is not stowed", hint=nearest(name, stowed) or "xsrc list")
        if version is not None and not means(version, stowed[name][0]):
            raise UsageError(f"{text} is not stowed, but {stowed[name][0]} is", hint=f"xsrc unstow {name}")
        names.append(name)
    return tuple(dict.fromkeys(names))


class Stow(FarmVerb, WithAdopt):
    """Put built packages, and what they need at run time, into the stowed root"""

    takes = BUILT
    example = "stow -n lua@5.3  # shows what would change"

    force = cli.Flag(["-f", "--force"], help="also if packages then lack what they need")

    def go(self, session: Session) -> int:
        given = session.names(self.given, "stow")
        how = StowOptions(plan_only=self.plan_only, adopt=self.adopt, force=self.force)
        with farm_locked(session, "stow") as farm:
            before = stowed_versions(farm)
            asked = choose_each(session.tree, farm, given)
            change, plan = stow(session, farm, asked, partial(version_in_tree, session.tree), how)
        if self.plan_only:
            show_change(session.ui, change, before)
            return 0
        for text in change.add:
            pkgver = PkgVer.parse(text)
            if (old := before.get(pkgver.name)) != pkgver:
                session.ui.note(f"{text}: stowed" + (f" in place of {old}" if old else ""))
        for name in change.drop:
            if name not in {PkgVer.parse(text).name for text in change.add}:
                session.ui.note(f"{name}: unstowed, for another replaces it")
        for pkgver in asked:
            if before.get(pkgver.name) == pkgver:
                session.ui.note(
                    f"{pkgver}: already stowed" + (f", {counted(len(plan.ops), 'path')} mended" if plan.ops else "")
                )
        return 0


class Unstow(FarmVerb):
    """Take packages out of the stowed root; their destdirs stay"""

    takes = BUILT
    example = "unstow dash"

    force = cli.Flag(["-f", "--force"], help="also what stowed packages need")

    def go(self, session: Session) -> int:
        given = session.names(self.given, "unstow")
        with farm_locked(session, "unstow") as farm:
            before = stowed_versions(farm)
            names = stowed_names(farm, given)
            change, _ = unstow(session, farm, names, StowOptions(plan_only=self.plan_only, force=self.force))
            idle = () if self.plan_only else find_unneeded(farm)
        if self.plan_only:
            show_change(session.ui, change, before)
            return 0
        for name in change.drop:
            session.ui.note(f"{name}: unstowed")
        if idle:
            session.ui.note(f"nothing needs {', '.join(idle)} any more: xsrc autoremove")
        return 0


class Restow(FarmVerb, WithAdopt):
    """Make the links of stowed packages again, whatever became of them; no name: of all"""

    takes = Takes("[NAME[@VERSION]…]", None)
    example = "restow dash"

    def go(self, session: Session) -> int:
        with farm_locked(session, "restow") as farm:
            here = session.here()
            given = self.given or ((here,) if here else tuple(farm.stowed()))
            names = stowed_names(farm, given)
            how = StowOptions(plan_only=self.plan_only, adopt=self.adopt, revive=bool(self.given))
            change, plan = restow(session, farm, names, how)
        if self.plan_only:
            show_change(session.ui, change, {})
        else:
            session.ui.note(f"{counted(len(names), 'package')}: {counted(len(plan.ops), 'path')} mended")
        return 0
