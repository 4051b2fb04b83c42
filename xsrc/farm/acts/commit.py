"""Carries out changes of the farm: records, does and completes them; finishes or undoes an interrupted one."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NoReturn

from xsrc.core.errors import HostError
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import open_farm, want_masterdir
from xsrc.farm.disk import generations, links
from xsrc.farm.disk.database import Farm
from xsrc.farm.disk.survey import scan, survey
from xsrc.farm.generation import Generation, Stowed
from xsrc.farm.place import SKELETON, Change, Class, Found, Op
from xsrc.farm.resume import inverse, looked_at, resumed, turned
from xsrc.store.disk.shelf import remove_build
from xsrc.unix.lock import locked
from xsrc.unix.trees import remove_tree


def carry_out(session: Session, farm: Farm, change: Change, *, noted: bool = False) -> None:
    """Record a change, do it, and record that it is done.

    With `noted` it was begun before, by this command or by an interrupted one. Raises HostError if the change cannot
    be done; it is then undone.
    Raises OSError if the disk cannot be read.
    """
    if not noted:
        change = replace(change, at=session.host.now)
        farm.begin(change)
    number = farm.generation() + 1
    # of a change that was cut off, anything may have been done already
    tried: list[Op] = list(change.ops) if noted else []
    todo, blocked = resumed(change.ops, look_again(session.masterdir, change.ops)) if noted else (change.ops, ())
    if blocked:
        give_up(session, farm, change, blocked)
        return
    try:
        _keep_defaults(session, change.ops)
        links.apply(session.masterdir, todo, tried)
        if change.fire:
            # imported here: most changes fire none, and have no need of sandboxes
            from xsrc.farm.acts.triggers import with_triggers

            more, change = with_triggers(session, farm, change)
            farm.begin(change)
            links.apply(session.masterdir, more, tried)
        generations.write(session.masterdir, snapshot(farm, change, number))
        farm.finish(change, number)
    except OSError as error:
        _undo(session.masterdir, farm, tried, error, number)


def _keep_defaults(session: Session, ops: Iterable[Op]) -> None:
    """Keep the files of the skeleton that packages replace, so that they can come back. Raises OSError.

    Raises TemplateError for a bad skeleton.
    """
    placed = (one for op in ops for one in (op.placed, op.before) if one is not None)
    if wanted := {one.text for one in placed if one.owner == SKELETON and one.how is Class.COPY}:
        # imported here: hardly a package has such a file
        from xsrc.sandbox.disk.skeleton import keep_files

        keep_files(session.tree, wanted, session.masterdir.made)


def look_again(masterdir: Masterdir, ops: Iterable[Op]) -> dict[str, Found]:
    """The present state of the paths of operations, with the contents of files, and of their directories.

    Raises OSError.
    """
    planned = tuple(ops)
    paths = looked_at(planned)
    found = survey(masterdir.root, paths, paths)
    for folder in turned(planned):
        found = scan(masterdir.root, frozenset(), frozenset(), folder) | found
    return found


def give_up(session: Session, farm: Farm, change: Change, blocked: Iterable[str]) -> None:
    """Undo an interrupted change that cannot be finished, because somebody else changed its paths.

    Raises HostError if it cannot be undone.
    """
    for path in blocked:
        session.ui.warn(f"/{path}: changed since that was cut off, left alone")
    try:
        take_back(session.masterdir, farm, change.ops)
    except OSError as error:
        hint = "mend the cause; the next xsrc command undoes what was begun"
        raise HostError(f"{error.filename}: {error.strerror}; a change could not be undone", hint=hint) from error
    session.ui.warn(f"undone: {change.why}")


def take_back(masterdir: Masterdir, farm: Farm, ops: Iterable[Op]) -> None:
    """Undo operations that may be partly done, except at paths that are no longer ours, and record that.

    Raises OSError.
    """
    undo = inverse(ops)
    todo, theirs = resumed(undo, look_again(masterdir, undo))
    left = frozenset(theirs)
    links.apply(masterdir, (op for op in todo if op.placed.path not in left), [])
    farm.undone()


def snapshot(farm: Farm, change: Change, number: int) -> Generation:
    """The generation after a change."""
    packages = {
        name: replace(one, build=change.builds.get(str(one.pkgver), one.build))
        for name, one in farm.stowed_builds().items()
        if name not in change.drop
    }
    coming = {text: PkgVer.parse(text) for text in change.add}
    builds = {**farm.builds_of(coming.values()), **change.builds}
    for text, pkgver in coming.items():
        packages[pkgver.name] = Stowed(pkgver, builds.get(text, ""), change.add[text])
    choices = farm.records().choices if change.choices is None else change.choices
    return Generation(number, change.at, change.why, packages, choices)


def _undo(masterdir: Masterdir, farm: Farm, tried: Iterable[Op], error: OSError, number: int) -> NoReturn:
    where = f": {error.filename}" if error.filename else ""
    try:
        take_back(masterdir, farm, tried)
        generations.drop(masterdir, number)
    except OSError as second:
        raise HostError(
            f"{error.strerror}{where}; and it could not be undone yet: {second.strerror}",
            hint="mend the cause; the next xsrc command finishes what was begun",
        ) from error
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "make room, and try again" if full else "xsrc verify tells what is not as it was stowed"
    raise HostError(f"{error.strerror}{where}; what was begun is undone", hint=hint) from error


@contextlib.contextmanager
def farm_locked(session: Session, purpose: str) -> Iterator[Farm]:
    """Yield the farm, locked against other changes; first finish an interrupted change.

    Raises HostError if the farm cannot be opened or locked, or if that change can be neither finished nor undone.
    Raises UsageError and HostError as `want_masterdir` does.
    """
    want_masterdir(session.masterdir)
    with locked(session.masterdir.farm_lock, f"xsrc {purpose}", session.ui.note), open_farm(session) as farm:
        recover(session, farm)
        yield farm


def sweep_going(masterdir: Masterdir, farm: Farm) -> int:
    """Remove the folders of forgotten builds, with their logs; return the freed bytes. Raises OSError."""
    freed = 0
    for name in farm.going():
        if name not in map(str, farm.in_place()):  # else it was built again since
            freed += remove_build(masterdir, name)
            if not name.startswith("."):
                remove_tree(masterdir.logs(PkgVer.parse(name)))
        farm.gone(name)
    return freed


def recover(session: Session, farm: Farm) -> None:
    """Finish, or else undo, an interrupted change. Raises HostError if neither is possible, and OSError."""
    change = farm.begun()
    if change is not None:
        session.ui.note("finishing a change of the farm that was cut off")
        carry_out(session, farm, change, noted=True)
    if farm.going():
        sweep_going(session.masterdir, farm)
