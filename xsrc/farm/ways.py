"""Checks the directories that the operations of a plan need: makes missing ones, finds what is in the way; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.farm.place import ACCOUNTS, Act, Class, FileType, Found, Op, Placed
from xsrc.farm.wishes import above
from xsrc.store.merge import Conflict

_LONGEST = 4095
"""Bytes of the text of a link (symlink(7): PATH_MAX, with a NUL)."""
UNREAD = "cannot be read: "
"""How the reason begins if nobody can look into a directory; else things can only not be made in it."""


def obstacles(
    ops: Iterable[Op], before: Mapping[str, Placed], after: Mapping[str, Placed], disk: Mapping[str, Found]
) -> tuple[list[Op], list[Conflict], list[str]]:
    """Operations that can be done, everything that is in their way, and notes.

    `before` and `after` are the wishes of what was stowed and of what will be.
    """
    planned = [op for op in ops if op.act is not Act.BRING]
    folders: list[Op] = []
    moved = {path for path, found in disk.items() if found.folder}
    todo, notes = _without(planned, moved)
    bad = [*_unread(before, after, disk), *(c for op in todo if (c := _itself(op, disk)) is not None)]
    made = {op.placed.path for op in todo if op.act is Act.MKDIR}
    above_puts = above(op.placed.path for op in todo if op.act not in (Act.REMOVE, Act.RMDIR))
    direct = {op.placed.path.rpartition("/")[0] for op in todo}
    barred: set[str] = {conflict.path for conflict in bad}
    for path in sorted(above_puts | direct - {""}):
        found = disk.get(path)
        if path in made or path in barred or not barred.isdisjoint(above((path,))):
            continue
        if found is None:
            if path in above_puts:
                folders.append(Op(Act.MKDIR, after.get(path) or Placed(path, ACCOUNTS, Class.DIR)))
            continue
        owner = (after.get(path) or before.get(path) or Placed(path, ACCOUNTS, Class.DIR)).owner
        if found.kind is not FileType.DIR:
            if path in above_puts:
                bad.append(in_the_way(path, owner, found))
                barred.add(path)
        elif found.text and path in direct:
            bad.append(closed(path, owner, found))
            barred.add(path)
    return [*folders, *todo], bad, notes


def in_the_way(path: str, owner: str, found: Found) -> Conflict:
    """The conflict of a directory with what is in its place."""
    if found.kind is FileType.OTHER and found.text:
        return Conflict(path, owner, "", f"{UNREAD}{found.text}", cure="ls -ld {}")
    cure = "rm {} && xsrc restow" if found.kind is FileType.LINK else "mv {} {}.mine && xsrc restow"
    return Conflict(path, owner, "", f"a {found.kind} is in the way of a directory", cure=cure)


def closed(path: str, owner: str, found: Found) -> Conflict:
    """The conflict of a directory that lets nobody in."""
    cure = "chmod u+rwx {}" if "ermission" in found.text else "findmnt -T {}"
    return Conflict(path, owner, "", found.text, cure=cure)


def is_dark(found: Found) -> bool:
    """Whether it is a directory that nobody can look into."""
    return found.kind is FileType.DIR and found.text.startswith(UNREAD)


def _unread(before: Mapping[str, Placed], after: Mapping[str, Placed], disk: Mapping[str, Found]) -> list[Conflict]:
    """Directories of paths of the plan that nobody can look into: what is in them is not known."""
    dark = [path for path, found in disk.items() if is_dark(found)]
    if not dark:
        return []
    needed = above((*before, *after))
    owners = {path: placed.owner for path, placed in (*before.items(), *after.items())}
    return [closed(path, owners.get(path, ACCOUNTS), disk[path]) for path in dark if path in needed]


def _itself(op: Op, disk: Mapping[str, Found]) -> Conflict | None:
    """What keeps an operation from being done at its very path."""
    placed, found = op.placed, disk.get(op.placed.path)
    if op.act is Act.PUT and placed.how is Class.LINK and len(placed.text) > _LONGEST // 4:
        length = len(placed.text.encode(errors="surrogateescape"))
        if length > _LONGEST:
            why = f"the text of its link would have {length} bytes, and no link has more than {_LONGEST}"
            return Conflict(placed.path, placed.owner, "", why, cure="[stow] ignore or [stow] copy in its template")
    if found is not None and found.mount and op.act in (Act.PUT, Act.REMOVE, Act.MERGE):
        return Conflict(placed.path, placed.owner, "", "something is mounted there", cure="umount {}")
    return None


def _without(ops: Iterable[Op], moved: set[str]) -> tuple[list[Op], list[str]]:
    """The operations without new directories below one that its user moved; notes about these."""
    if not moved:
        return list(ops), []
    kept: list[Op] = []
    notes: list[str] = []
    for op in ops:
        hit = above((op.placed.path,)) & moved if op.act is Act.MKDIR else set()
        if hit:
            notes.append(f"/{op.placed.path}: not made, for /{min(hit)} is a link of yours")
        else:
            kept.append(op)
    return kept, notes
