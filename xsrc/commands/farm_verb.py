"""The shape of commands that change the stowed root, and how they print a change."""

from __future__ import annotations

from collections.abc import Iterable

from xsrc.commands.verb import WithBase, WithPlan
from xsrc.core.layout import DESTDIRS
from xsrc.core.pkgver import PkgVer
from xsrc.core.ui import Ui
from xsrc.farm.disk.database import Farm
from xsrc.farm.place import NEW, ORIG, Act, Change, Class, Op

_SIGN = {Act.MKDIR: "+", Act.PUT: "+", Act.MERGE: "~", Act.REMOVE: "-", Act.RMDIR: "-", Act.BRING: "~"}


def show_change(ui: Ui, change: Change, before: dict[str, PkgVer]) -> None:
    """Print a change: packages, then a line an operation: + put, - taken away, ~ replaced."""
    coming = {PkgVer.parse(text).name: PkgVer.parse(text) for text in change.add}
    for name in sorted({*coming, *change.drop}):
        old, new = before.get(name), coming.get(name)
        if old != new:
            words = f"{old} -> {new.version_revision}" if old and new else str(new or old)
            ui.output(f"{'~' if old and new else '+' if new else '-'} {words}")
    for op in change.ops:
        for line in _lines(op):
            ui.output(f"  {line}")
    for name in change.fire:
        ui.output(f"  ! trigger {name}")


def _lines(op: Op) -> Iterable[str]:
    placed, before = op.placed, op.before
    if op.act is Act.BRING:
        return (f"~ {DESTDIRS}/{placed.path}: another build of it",)
    if op.act is Act.MERGE:
        old = before.text.splitlines() if before else []
        new = placed.text.splitlines()
        gone = [f"- {placed.path}: {line}" for line in old if line not in new]
        return (*gone, *(f"+ {placed.path}: {line}" for line in new if line not in old))
    sign = "~" if op.act in (Act.PUT, Act.MKDIR) and before is not None else _SIGN[op.act]
    path = placed.path + ("/" if placed.how is Class.DIR else "")
    arrow = f" -> {placed.text}" if placed.linked and sign in "+~" else ""
    how = f" ({placed.how.value})" if placed.how in (Class.COPY, Class.HARD, Class.MADE) else ""
    if op.act is Act.MKDIR and before is not None:
        how = f" (mode {before.mode:04o} -> {placed.mode:04o})"
    if placed.how is Class.THEIRS:
        how = f" (from {placed.path}{ORIG})"
    elif before is not None and before.how is Class.THEIRS:
        how += f" (what stands there becomes {placed.path}{ORIG})"
    elif placed.path.endswith(NEW) and placed.kept:
        how = " (the package's own, beside the one that you changed)"
    return (f"{sign} {path}{arrow}{how}",)


def stowed_versions(farm: Farm) -> dict[str, PkgVer]:
    """What is stowed, by name."""
    return {name: pkgver for name, (pkgver, _) in farm.stowed().items()}


class FarmVerb(WithPlan, WithBase):
    """A verb that changes the stowed root, whose triggers run above a base."""
