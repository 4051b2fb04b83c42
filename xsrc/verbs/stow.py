"""`xsrc stow`, `unstow`, `restow`: put packages into the stowed root, take them out, make their links again."""

from __future__ import annotations

from collections.abc import Iterable

from plumbum import cli

from xsrc.effects.store import Farm
from xsrc.errors import UsageError
from xsrc.model.farm import NEW, ORIG, Act, Change, Class, Op
from xsrc.model.pkgver import PkgVer
from xsrc.model.schema import nearest
from xsrc.verbs.context import Context
from xsrc.verbs.farming import farm_locked
from xsrc.verbs.stowing import How, needed_by, restow, stow, unstow
from xsrc.verbs.verb import Verb
from xsrc.verbs.versions import choose_version

_SIGN = {Act.MKDIR: "+", Act.PUT: "+", Act.MERGE: "~", Act.REMOVE: "-", Act.RMDIR: "-", Act.BRING: "~"}


def show_change(context: Context, change: Change, before: dict[str, PkgVer]) -> None:
    """Print a change: packages, then a line an operation: + put, - taken away, ~ replaced."""
    coming = {PkgVer.parse(text).name: PkgVer.parse(text) for text in change.add}
    for name in sorted({*coming, *change.drop}):
        old, new = before.get(name), coming.get(name)
        if old != new:
            words = f"{old} -> {new.version_revision}" if old and new else str(new or old)
            context.ui.output(f"{'~' if old and new else '+' if new else '-'} {words}")
    for op in change.ops:
        for line in _lines(op):
            context.ui.output(f"  {line}")
    for name in change.fire:
        context.ui.output(f"  ! trigger {name}")


def _lines(op: Op) -> Iterable[str]:
    placed, before = op.placed, op.before
    if op.act is Act.BRING:
        return (f"~ pkg-destdir/{placed.path}: another build of it",)
    if op.act is Act.MERGE:
        old = before.text.splitlines() if before else []
        new = placed.text.splitlines()
        gone = [f"- {placed.path}: {line}" for line in old if line not in new]
        return (*gone, *(f"+ {placed.path}: {line}" for line in new if line not in old))
    sign = "~" if op.act is Act.PUT and before is not None else _SIGN[op.act]
    path = placed.path + ("/" if placed.how is Class.DIR else "")
    arrow = f" -> {placed.text}" if placed.linked and sign in "+~" else ""
    how = f" ({placed.how.value})" if placed.how in (Class.COPY, Class.HARD, Class.MADE) else ""
    if placed.how is Class.THEIRS:
        how = f" (from {placed.path}{ORIG})"
    elif before is not None and before.how is Class.THEIRS:
        how += f" (what stands there becomes {placed.path}{ORIG})"
    elif placed.path.endswith(NEW) and placed.how is Class.COPY:
        how = " (the package's own, beside the one that you changed)"
    return (f"{sign} {path}{arrow}{how}",)


def stowed_names(farm: Farm, given: Iterable[str]) -> tuple[str, ...]:
    """Names of stowed packages; raises UsageError for one that is not stowed."""
    stowed = farm.stowed()
    names = tuple(text.partition("@")[0] for text in given)
    for name in names:
        if name not in stowed:
            raise UsageError(f"{name} is not stowed", hint=nearest(name, stowed) or "xsrc list")
    return names


def stowed_versions(farm: Farm) -> dict[str, PkgVer]:
    """What is stowed, by name."""
    return {name: pkgver for name, (pkgver, _) in farm.stowed().items()}


class FarmVerb(Verb):
    """A verb that changes the stowed root."""

    plan_only = cli.Flag(["-n", "--plan"], help="print what would be changed, and stop")


class Stow(FarmVerb):
    """Put built packages, and what they need at run time, into the stowed root: NAME or NAME@VERSION"""

    adopt = cli.Flag(["--adopt"], help="let files that no package owns stand aside as .orig until the package goes")

    def go(self, context: Context) -> int:
        given = context.names(self.given, "stow")
        with farm_locked(context, "stow") as farm:
            before = stowed_versions(farm)
            asked = [choose_version(farm, text) for text in given]
            change, plan = stow(context, farm, asked, How(plan_only=self.plan_only, adopt=self.adopt))
        if self.plan_only:
            show_change(context, change, before)
            return 0
        for text in change.add:
            pkgver = PkgVer.parse(text)
            if (old := before.get(pkgver.name)) != pkgver:
                context.ui.note(f"{text}: stowed" + (f" in place of {old}" if old else ""))
        for name in change.drop:
            if name not in {PkgVer.parse(text).name for text in change.add}:
                context.ui.note(f"{name}: unstowed, for another replaces it")
        for pkgver in asked:
            if before.get(pkgver.name) == pkgver:
                context.ui.note(f"{pkgver}: already stowed" + (f", {len(plan.ops)} paths mended" if plan.ops else ""))
        return 0


class Unstow(FarmVerb):
    """Take packages out of the stowed root; their destdirs stay"""

    force = cli.Flag(["-f", "--force"], help="also what is protected and still needed")

    def go(self, context: Context) -> int:
        given = context.names(self.given, "unstow")
        with farm_locked(context, "unstow") as farm:
            before = stowed_versions(farm)
            names = stowed_names(farm, given)
            needed = {} if self.plan_only else needed_by(farm, names)
            change, _ = unstow(context, farm, names, How(plan_only=self.plan_only, force=self.force))
        if self.plan_only:
            show_change(context, change, before)
            return 0
        for name in change.drop:
            context.ui.note(f"{name}: unstowed")
            if needed.get(name):
                context.ui.warn(f"{name} is needed by {', '.join(needed[name])}, still stowed")
        return 0


class Restow(FarmVerb):
    """Make the links of stowed packages again, whatever became of them; no name: of all"""

    adopt = cli.Flag(["--adopt"], help="let files that no package owns stand aside as .orig until the package goes")

    def go(self, context: Context) -> int:
        with farm_locked(context, "restow") as farm:
            here = context.here()
            given = self.given or ((here,) if here else tuple(farm.stowed()))
            names = stowed_names(farm, given)
            change, plan = restow(context, farm, names, How(plan_only=self.plan_only, adopt=self.adopt))
        if self.plan_only:
            show_change(context, change, {})
        else:
            context.ui.note(f"{len(names)} packages: {len(plan.ops)} paths mended")
        return 0
