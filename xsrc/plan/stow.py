"""What stowing and unstowing change: all operations, or all that forbids them; never both.

The truth is which packages are stowed and what their manifests say; links are derived from it. A path that several
packages ship alike belongs to the first by name, and passes to the next when that one goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import combinations

from xsrc.model.farm import Act, Class, Found, Member, Op, Placed
from xsrc.model.manifest import Entry, Kind, Props
from xsrc.model.pkgver import PkgVer
from xsrc.plan.merge import Conflict, agree, disagreement


@dataclass(frozen=True)
class StowPlan:
    """Operations in the order in which they are done, and what is left to say about them."""

    ops: tuple[Op, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    notes: tuple[str, ...] = ()


STRANGER = "a file that no package owns"


def member_places(member: Member) -> dict[str, Placed]:
    """Where and how each path of a package shall stand."""
    props = member.props
    places = {}
    for entry in member.entries:
        if _matches(entry.path, props.ignore):
            continue
        places[entry.path] = _place(entry, props)
    return places


def _place(entry: Entry, props: Props) -> Placed:
    if entry.kind is Kind.DIR:
        return Placed(entry.path, props.pkgver, Class.DIR, mode=entry.mode)
    if entry.kind is Kind.LINK:
        return Placed(entry.path, props.pkgver, Class.SHIPPED, entry.target)
    if entry.path.startswith("etc/") or f"/{entry.path}" in props.conf_files or _matches(entry.path, props.copy):
        return Placed(entry.path, props.pkgver, Class.COPY, entry.sha256, entry.mode)
    if _matches(entry.path, props.hardlink):
        return Placed(entry.path, props.pkgver, Class.HARD, entry.sha256, entry.mode)
    return Placed(entry.path, props.pkgver, Class.LINK, link_text(props.pkgver, entry.path), entry.mode)


def link_text(pkgver: PkgVer, path: str) -> str:
    """The relative link from a path of the root to its file.

    >>> link_text(PkgVer("dash", "0.5.12", 1), "usr/bin/dash")
    '../../pkg-destdir/dash-0.5.12_1/usr/bin/dash'
    """
    return "../" * path.count("/") + f"pkg-destdir/{pkgver}/{path}"


def _matches(path: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(path, glob.removeprefix("?")) for glob in globs)


def plan_stow(
    add: Iterable[Member],
    drop: Iterable[Member],
    others: Mapping[str, Mapping[str, Entry]],
    disk: Mapping[str, Found],
    *,
    repair: bool = False,
) -> StowPlan:
    """The change that puts the packages of `add` in and takes those of `drop` out; one name in both is an upgrade.

    `others` holds the entries of the packages that stay, by pkgver and path, as far as `add` and `drop` touch them.
    `disk` says what stands now at each path that `add` or `drop` names.
    `repair` replaces links that stand where ours should, wherever they lead; files are nobody's to replace.
    """
    adding = {member.name: member for member in add}
    dropping = {member.name: member for member in drop}
    bad = _conflicts(adding, others)
    before = _desired(dropping)
    after = _desired(adding)
    # a path that a staying package shares is its business when it sorts first, or when the new owner goes
    shared = {path for entries in others.values() for path in entries}
    ops: list[Op] = []
    notes: list[str] = []
    for path in sorted(after):
        placed = after[path]
        if path in shared and placed.how is not Class.DIR and path in disk:
            continue
        op, trouble, note = _put(placed, before.get(path), disk, repair)
        ops += [op] if op else []
        bad += [trouble] if trouble else []
        notes += [note] if note else []
    for path in sorted(set(before) - set(after), reverse=True):
        if path in shared:
            ops += _pass_on(path, before[path], others, disk)
            continue
        op, note = _remove(before[path], disk)
        ops += [op] if op else []
        notes += [note] if note else []
    if bad:
        return StowPlan(conflicts=tuple(sorted(set(bad))))
    return StowPlan(tuple(ops), (), tuple(notes))


def _conflicts(adding: Mapping[str, Member], staying: Mapping[str, Mapping[str, Entry]]) -> list[Conflict]:
    tables = {name: {e.path: e for e in member.entries} for name, member in adding.items()}
    names = {name: str(member.props.pkgver) for name, member in adding.items()}
    bad = []
    sides: list[tuple[str, Mapping[str, Entry], str, Mapping[str, Entry]]] = [
        (one, tables[one], two, tables[two]) for one, two in combinations(sorted(tables), 2)
    ]
    sides += [(one, tables[one], two, entries) for one in sorted(tables) for two, entries in sorted(staying.items())]
    for one, mine, two, its in sides:
        for path in mine.keys() & its.keys():
            if not agree(mine[path], its[path]):
                why = disagreement(mine[path], its[path])
                bad.append(Conflict(path, names[one], names.get(two, two), why))
    return bad


def _desired(members: Mapping[str, Member]) -> dict[str, Placed]:
    """For each path what the first of its owners, by name, wants there."""
    result: dict[str, Placed] = {}
    for name in sorted(members):
        for path, placed in member_places(members[name]).items():
            result.setdefault(path, placed)
    return result


def _put(
    placed: Placed, before: Placed | None, disk: Mapping[str, Found], repair: bool
) -> tuple[Op | None, Conflict | None, str | None]:
    """The operation that brings one path into place, or what stands in its way."""
    found = disk.get(placed.path)
    put = Op(Act.MKDIR if placed.how is Class.DIR else Act.PUT, placed, before)
    if found is None:
        return put, None, None
    if stands(placed, found):
        return None, None, None
    if before is not None and (stands(before, found) or (repair and found.kind == "link")):
        if placed.how is Class.DIR or before.how is Class.DIR:
            why = f"was a {before.how.value}, is to be a {placed.how.value}"
            return None, Conflict(placed.path, str(placed.owner), str(before.owner), why), None
        return put, None, None
    if placed.how is Class.COPY and before is not None and found.kind == "file":
        return (
            Op(Act.KEEP, placed),
            None,
            f"/{placed.path}: changed by you, kept; the package's own is {placed.path}.new",
        )
    what = STRANGER if before is None else f"{before.how.value} of {before.owner} was replaced by a {found.kind}"
    if found.kind == "dir":
        what = "a directory is in the way" if before is None else what
    elif placed.how is Class.DIR:
        what = f"a {found.kind} is in the way of a directory"
    return None, Conflict(placed.path, str(placed.owner), STRANGER if before is None else str(before.owner), what), None


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


def _pass_on(
    path: str, placed: Placed, staying: Mapping[str, Mapping[str, Entry]], disk: Mapping[str, Found]
) -> list[Op]:
    """A shared path whose owner goes: the next owner's link takes its place."""
    if placed.how is not Class.LINK:
        return []
    heir = sorted(name for name, entries in staying.items() if path in entries)[0]
    pkgver = PkgVer.parse(heir)
    taken = Placed(path, pkgver, Class.LINK, link_text(pkgver, path), placed.mode)
    found = disk.get(path)
    if found is None or stands(placed, found):
        return [Op(Act.PUT, taken, placed)]
    return []


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
