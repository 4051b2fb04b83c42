"""Carries out changes of the farm: noted, done, noted as done; what was cut off is finished or undone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NoReturn

from xsrc.effects import generations, links
from xsrc.effects.builds import remove_build
from xsrc.effects.lock import locked
from xsrc.effects.store import Farm
from xsrc.errors import HostError
from xsrc.model.farm import Act, Change, Found, Op
from xsrc.model.generation import Generation, Stowed
from xsrc.model.pkgver import PkgVer
from xsrc.plan.stow import inverse, resumed
from xsrc.verbs.context import Context


def carry_out(context: Context, farm: Farm, change: Change, *, noted: bool = False) -> None:
    """Note a change, do it, note that it is done. What cannot be done is undone, and HostError raised.

    With `noted` it was begun before, by this command or by one that was cut off.
    """
    if not noted:
        change = replace(change, at=context.host.now)
        farm.begin(change)
    number = farm.generation() + 1
    # of a change that was cut off, anything may have been done already
    tried: list[Op] = list(change.ops) if noted else []
    todo, blocked = resumed(change.ops, look_again(context, change.ops)) if noted else (change.ops, ())
    if blocked:
        give_up(context, farm, change, blocked)
        return
    try:
        links.apply(context.masterdir, todo, tried)
        if change.fire:
            # imported here: most changes fire none, and have no need of sandboxes
            from xsrc.verbs.triggers import with_triggers

            more, change = with_triggers(context, farm, change)
            farm.begin(change)
            links.apply(context.masterdir, more, tried)
        generations.write(context.masterdir, snapshot(farm, change, number))
        farm.finish(change, number)
    except OSError as error:
        _undo(context, farm, tried, error, number)


def look_again(context: Context, ops: Iterable[Op]) -> dict[str, Found]:
    """What stands at the paths of operations now, with the contents of files."""
    paths = frozenset(op.placed.path for op in ops if op.act is not Act.BRING)
    return links.survey(context.masterdir.root, paths, paths)


def give_up(context: Context, farm: Farm, change: Change, blocked: Iterable[str]) -> None:
    """Undo a change that was cut off and cannot be finished, for somebody else has been at its paths since."""
    for path in blocked:
        context.ui.warn(f"/{path}: changed since that was cut off, left alone")
    try:
        take_back(context, farm, change.ops)
    except OSError as error:
        hint = "mend the cause; the next xsrc command undoes what was begun"
        raise HostError(f"{error.filename}: {error.strerror}; a change could not be undone", hint=hint) from error
    context.ui.warn(f"undone: {change.why}")


def take_back(context: Context, farm: Farm, ops: Iterable[Op]) -> None:
    """Undo operations that may have been done in part, but for what is not ours any more, and note that."""
    undo = inverse(ops)
    todo, theirs = resumed(undo, look_again(context, undo))
    links.apply(context.masterdir, (op for op in todo if op.placed.path not in theirs), [])
    farm.undone()


def snapshot(farm: Farm, change: Change, number: int) -> Generation:
    """What is stowed once a change is done."""
    packages = {
        name: replace(one, build=change.builds.get(str(one.pkgver), one.build))
        for name, one in farm.stowed_builds().items()
        if name not in change.drop
    }
    for text, asked in change.add.items():
        pkgver = PkgVer.parse(text)
        packages[pkgver.name] = Stowed(pkgver, change.builds.get(text, farm.build(pkgver)), asked)
    choices = farm.records().choices if change.choices is None else change.choices
    return Generation(number, change.at, change.why, packages, choices)


def _undo(context: Context, farm: Farm, tried: Iterable[Op], error: OSError, number: int) -> NoReturn:
    where = f": {error.filename}" if error.filename else ""
    try:
        take_back(context, farm, tried)
        generations.drop(context.masterdir, number)
    except OSError as second:
        raise HostError(
            f"{error.strerror}{where}; and it could not be undone yet: {second.strerror}",
            hint="mend the cause; the next xsrc command finishes what was begun",
        ) from error
    raise HostError(f"{error.strerror}{where}; what was begun is undone", hint="xsrc doctor") from error


@contextlib.contextmanager
def farm_locked(context: Context, purpose: str) -> Iterator[Farm]:
    """The farm, with nobody else changing it, and with whatever was begun and cut off finished first."""
    context.make_masterdir()
    with locked(context.masterdir.farm_lock, f"xsrc {purpose}", context.ui.note), context.farm() as farm:
        recover(context, farm)
        yield farm


def sweep_going(context: Context, farm: Farm) -> int:
    """Remove the folders of builds that were forgotten, with their logs; gives the bytes that were freed."""
    freed = 0
    for name in farm.going():
        if name not in farm.built():  # else it was built again since
            freed += remove_build(context.masterdir, name)
            if not name.startswith("."):
                context.remove(context.masterdir.logs(PkgVer.parse(name)))
        farm.gone(name)
    return freed


def recover(context: Context, farm: Farm) -> None:
    """Finish, or else undo, a change that was cut off."""
    change = farm.begun()
    if change is not None:
        context.ui.note("finishing a change of the farm that was cut off")
        carry_out(context, farm, change, noted=True)
    if farm.going():
        sweep_going(context, farm)
