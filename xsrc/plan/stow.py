"""What stowing and unstowing change: all operations, or all that forbids them; never both.

The truth is which packages are stowed and what their manifests say; links are derived from it. A path that several
packages ship alike belongs to the first by name, and passes to the next when that one goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from xsrc.model.farm import Act, Class, Found, Member, Op, Placed
from xsrc.model.manifest import Entry
from xsrc.plan.merge import Conflict, agree, disagreement


@dataclass(frozen=True)
class StowPlan:
    """Operations in the order in which they are done, and what is left to say about them."""

    ops: tuple[Op, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    notes: tuple[str, ...] = ()


STRANGER = "a file that no package owns"
SKELETON = "masterdir-skel"
"""The name under which the skeleton is a member like any other."""


def plan_stow(
    add: Iterable[Member],
    drop: Iterable[Member],
    others: Iterable[Member],
    disk: Mapping[str, Found],
    *,
    repair: bool = False,
) -> StowPlan:
    """The change that puts the packages of `add` in and takes those of `drop` out; one name in both is an upgrade.

    `others` are the packages that stay, the skeleton among them, with their entries as far as `add` and `drop` touch
    them. `disk` says what stands now at each path that `add` or `drop` names.
    `repair` replaces links that stand where ours should, wherever they lead; files are nobody's to replace.
    """
    adding = {member.name: member for member in add}
    dropping = {member.name: member for member in drop}
    staying = {member.name: member for member in others}
    touched = {path for member in (*adding.values(), *dropping.values()) for path in member.places}
    bad = _conflicts(adding, staying)
    refused = {conflict.path for conflict in bad}
    before = _desired({**staying, **dropping}, touched)
    after = _desired({**staying, **adding}, touched)
    ops: list[Op] = []
    notes: list[str] = []
    for path in sorted(after.keys() - refused):
        placed, old = after[path], before.get(path)
        if placed == old and placed.owner.name in staying and not repair:
            continue
        op, trouble, note = _put(placed, old, disk.get(path), repair)
        ops += [op] if op else []
        bad += [trouble] if trouble else []
        notes += [note] if note else []
    for path in sorted(before.keys() - after.keys(), reverse=True):
        op, note = _remove(before[path], disk)
        ops += [op] if op else []
        notes += [note] if note else []
    if bad:
        return StowPlan(conflicts=tuple(sorted(bad)))
    return StowPlan(tuple(ops), (), tuple(notes))


def _conflicts(adding: Mapping[str, Member], staying: Mapping[str, Member]) -> list[Conflict]:
    """The first disagreement at each path between what comes, and between that and what stays."""
    bad: dict[str, Conflict] = {}
    tables = {name: _stowed_entries(member) for name, member in {**staying, **adding}.items()}
    names = {n: n if n == SKELETON else str(member.props.pkgver) for n, member in {**staying, **adding}.items()}
    sides = [*combinations(sorted(adding), 2), *((one, two) for one in sorted(adding) for two in sorted(staying))]
    for one, two in sides:
        for path in tables[one].keys() & tables[two].keys():
            mine, its = tables[one][path], tables[two][path]
            if path not in bad and not agree(mine, its):
                bad[path] = Conflict(path, names[one], names[two], disagreement(mine, its))
    return list(bad.values())


def _stowed_entries(member: Member) -> dict[str, Entry]:
    """The entries of a package that it does not leave out of the root."""
    return {e.path: e for e in member.entries if e.path in member.places}


def _desired(members: Mapping[str, Member], paths: Iterable[str]) -> dict[str, Placed]:
    """For each of `paths` what the first of its owners wants there: the skeleton, then packages by name."""
    result: dict[str, Placed] = {}
    wanted = frozenset(paths)
    for name in sorted(members, key=lambda name: (name != SKELETON, name)):
        for path, placed in members[name].places.items():
            if path in wanted:
                result.setdefault(path, placed)
    return result


def _put(
    placed: Placed, before: Placed | None, found: Found | None, repair: bool
) -> tuple[Op | None, Conflict | None, str | None]:
    """The operation that brings one path into place, or what stands in its way."""
    put = Op(Act.MKDIR if placed.how is Class.DIR else Act.PUT, placed, before)
    if found is None:
        return put, None, None
    if stands(placed, found):
        return (None if before is None or _alike(before, placed) else put), None, None
    if before is not None:
        if stands(before, found):
            if Class.DIR not in (placed.how, before.how):
                return put, None, None
            why = f"was a {before.how.value}, is to be a {placed.how.value}"
            return None, Conflict(placed.path, str(placed.owner), str(before.owner), why), None
        if repair and found.kind == "link" and placed.how is not Class.DIR:
            return put, None, None
        if placed.how is Class.COPY and before.how is Class.COPY and found.kind == "file":
            if before.text == placed.text:
                return None, None, None
            note = f"/{placed.path}: changed by you, kept; the package's own is {placed.path}.new"
            return Op(Act.KEEP, placed), None, note
    other = STRANGER if before is None else str(before.owner)
    return None, Conflict(placed.path, str(placed.owner), other, _in_the_way(placed, before, found)), None


def _in_the_way(placed: Placed, before: Placed | None, found: Found) -> str:
    if placed.how is Class.DIR:
        return f"a {found.kind} is in the way of a directory"
    if before is None:
        return "a directory is in the way" if found.kind == "dir" else STRANGER
    return f"{before.how.value} of {before.owner} was replaced by a {found.kind}"


def _alike(one: Placed, two: Placed) -> bool:
    """Whether what was put for the one serves the other too, given that the contents are equal."""
    match two.how:
        case Class.HARD:
            return one == two
        case Class.COPY:
            return (one.how, one.mode) == (two.how, two.mode)
    return True


def stands(placed: Placed, found: Found) -> bool:
    """Whether what is on disk is what was, or shall be, put there."""
    match placed.how:
        case Class.DIR:
            return found.kind == "dir"
        case Class.LINK | Class.SHIPPED:
            return found.kind == "link" and found.text == placed.text
        case Class.COPY | Class.HARD:
            return found.kind == "file" and found.text == placed.text


def _remove(placed: Placed, disk: Mapping[str, Found]) -> tuple[Op | None, str | None]:
    found = disk.get(placed.path)
    if found is None:
        return None, None
    if placed.how is Class.DIR:
        return Op(Act.RMDIR, placed, placed), None
    if stands(placed, found):
        return Op(Act.REMOVE, placed, placed), None
    return None, f"/{placed.path}: not as it was stowed, left alone"


def inverse(ops: Iterable[Op]) -> tuple[Op, ...]:
    """The operations that undo `ops`, which may have been done in part only."""
    undo = []
    for op in reversed(tuple(ops)):
        match op.act:
            case Act.MKDIR:
                undo.append(Op(Act.RMDIR, op.placed))
            case Act.RMDIR:
                undo.append(Op(Act.MKDIR, op.placed))
            case Act.PUT:
                undo.append(Op(Act.PUT, op.before) if op.before else Op(Act.REMOVE, op.placed))
            case Act.REMOVE:
                undo.append(Op(Act.PUT, op.placed))
            case Act.KEEP:
                undo.append(Op(Act.REMOVE, replace(op.placed, path=op.placed.path + ".new")))
    return tuple(undo)
