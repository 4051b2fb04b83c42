"""Carries out changes of the farm: noted, done, noted as done; what was cut off is finished or undone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NoReturn

from xsrc.effects import generations, links
from xsrc.effects.lock import locked
from xsrc.effects.store import Farm
from xsrc.errors import HostError
from xsrc.model.farm import Change, Op
from xsrc.model.generation import Generation, Stowed
from xsrc.model.pkgver import PkgVer
from xsrc.plan.stow import inverse
from xsrc.verbs.context import Context


def carry_out(context: Context, farm: Farm, change: Change, *, noted: bool = False) -> None:
    """Note a change, do it, note that it is done. What cannot be done is undone, and HostError raised."""
    change = change if noted else replace(change, at=context.host.now)
    if not noted:
        farm.begin(change)
    number = farm.generation() + 1
    # of a change that was cut off, anything may have been done already
    tried: list[Op] = list(change.ops) if noted else []
    try:
        links.apply(context.masterdir, change.ops, tried)
        if change.fire:
            # imported here: most changes fire none, and have no need of sandboxes
            from xsrc.verbs.triggers import with_triggers

            more, change = with_triggers(context, farm, change)
            farm.begin(change)
            links.apply(context.masterdir, more, tried)
        generations.write(context.masterdir, snapshot(farm, change, number))
    except OSError as error:
        _undo(context, farm, tried, error, number)
    farm.finish(change, number)


def snapshot(farm: Farm, change: Change, number: int) -> Generation:
    """What is stowed once a change is done."""
    packages = {
        name: Stowed(pkgver, change.builds.get(str(pkgver), farm.build(pkgver)), asked)
        for name, (pkgver, asked) in farm.stowed().items()
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
        links.apply(context.masterdir, inverse(tried), [])
        generations.drop(context.masterdir, number)
    except OSError as second:
        raise HostError(
            f"{error.strerror}{where}; and it could not be undone yet: {second.strerror}",
            hint="mend the cause; the next xsrc command finishes what was begun",
        ) from error
    farm.undone()
    raise HostError(f"{error.strerror}{where}; the farm is as it was", hint="xsrc doctor") from error


@contextlib.contextmanager
def farm_locked(context: Context, purpose: str) -> Iterator[Farm]:
    """The farm, with nobody else changing it, and with whatever was begun and cut off finished first."""
    context.make_masterdir()
    with locked(context.masterdir.farm_lock, f"xsrc {purpose}", context.ui.note), context.farm() as farm:
        recover(context, farm)
        yield farm


def recover(context: Context, farm: Farm) -> None:
    """Finish, or else undo, a change that was cut off."""
    change = farm.begun()
    if change is not None:
        context.ui.note("finishing a change of the farm that was cut off")
        carry_out(context, farm, change, noted=True)
