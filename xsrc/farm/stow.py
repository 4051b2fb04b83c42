"""Plans stowing and unstowing: all operations, or all conflicts; never both.

The stowed packages and their manifests determine the links. If several packages ship the same path alike, it belongs
to the first by name, and passes to the next when that one goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xsrc.farm.accounts import merged
from xsrc.farm.alternatives import links_of
from xsrc.farm.place import (
    ACCOUNTS,
    MERGED,
    NEW,
    ORIG,
    SKELETON,
    Act,
    Class,
    Conf,
    FileType,
    Found,
    Member,
    Op,
    Placed,
    Records,
)
from xsrc.store.manifest import Entry, Kind
from xsrc.store.merge import Conflict, agree, disagreement

STRANGER = "a file that no package owns"


@dataclass(frozen=True)
class StowPlan:
    """Operations in their order, the records to write with them, and notes for the user."""

    ops: tuple[Op, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    notes: tuple[str, ...] = ()
    conf: Mapping[str, Conf | None] = field(default_factory=dict)
    aside: Mapping[str, Placed | None] = field(default_factory=dict)


@dataclass(frozen=True)
class StowRequest:
    """A wanted change: `add` goes in and `drop` goes out; one name in both is an upgrade.

    `others` are the packages that stay, including the skeleton, with those entries that `add` and `drop` touch. They
    include all packages with public rules.
    """

    add: tuple[Member, ...] = ()
    drop: tuple[Member, ...] = ()
    others: tuple[Member, ...] = ()
    choices: Mapping[str, str] | None = None
    """The new choice of alternatives, if it changes."""
    repair: bool = False
    """Replace links in the places of ours, wherever they lead; never replace files."""
    adopt: bool = False
    """Move strangers' files aside."""
    rebuilt: frozenset[str] = frozenset()
    """Owners that get another build of the same pkgver: their hard links have to follow it."""


def affected(request: StowRequest, records: Records) -> frozenset[str]:
    """The paths of the root that a request may change; `others` need only be those with public rules."""
    old, new = _links(request, records)
    return frozenset().union(old, new, *(member.places for member in (*request.add, *request.drop)))


def watched(
    paths: Iterable[str], members: Iterable[Member], *, adopt: bool = False
) -> tuple[frozenset[str], frozenset[str]]:
    """All paths whose state on disk a plan needs, and those whose content it needs."""
    every = set(paths)
    read = [p for m in members for p in m.places.values() if p.how in (Class.COPY, Class.HARD, Class.MADE)]
    files = {place.path for place in read}
    copies = {place.path for place in read if place.how is Class.COPY and _has_room(place.path)} & every
    every |= {path + NEW for path in copies} | set(MERGED)
    if adopt:
        every |= {path + ORIG for path in paths if _has_room(path)}
        return frozenset(every), frozenset(every)
    return frozenset(every), frozenset((files | {path + NEW for path in copies}) & every)


def plan_stow(request: StowRequest, disk: Mapping[str, Found], records: Records = Records()) -> StowPlan:  # noqa: B008
    """The plan of a request; `disk` has the present state of each watched path."""
    planner = _Planner(request, disk, records)
    planner.plan()
    if planner.bad:
        return StowPlan(conflicts=tuple(sorted(planner.bad)))
    return StowPlan(tuple(planner.ops), (), tuple(planner.notes), planner.conf, planner.aside)


def _links(request: StowRequest, records: Records) -> tuple[dict[str, Placed], dict[str, Placed]]:
    """The links of alternatives before and after."""
    choices = records.choices if request.choices is None else request.choices
    old = links_of((*request.others, *request.drop), records.choices)
    return old, links_of((*request.others, *request.add), choices)


class _Planner:
    """A plan under construction."""

    def __init__(self, request: StowRequest, disk: Mapping[str, Found], records: Records) -> None:
        self.request, self.disk, self.records = request, disk, records
        self.ops: list[Op] = []
        self.bad: list[Conflict] = []
        self.notes: list[str] = []
        self.conf: dict[str, Conf | None] = {}
        self.aside: dict[str, Placed | None] = {}

    def plan(self) -> None:
        request = self.request
        old, new = _links(request, self.records)
        paths = affected(request, self.records)
        self.bad = _conflicts(request, new)
        refused = {conflict.path for conflict in self.bad}
        before = desired((*request.others, *request.drop), old, paths)
        after = desired((*request.others, *request.add), new, paths)
        staying = {member.owner for member in request.others}
        disk, rows = self.disk, self.records.conf
        for path in sorted(after):  # nearly in order already: each package's paths are
            placed, was = after[path], before.get(path)
            if path in refused or (placed == was and placed.owner in staying and not request.repair):
                continue
            if path not in disk and path not in rows:
                self.ops.append(Op(Act.MKDIR if placed.how is Class.DIR else Act.PUT, placed))
            else:
                self.put(placed, was, disk.get(path))
        for path in sorted(before.keys() - after.keys(), reverse=True):
            self.remove(before[path], self.disk.get(path))
        self.merge()

    def put(self, placed: Placed, was: Placed | None, found: Found | None) -> None:
        """Put one path into place, or record its conflict."""
        row = self.records.conf.get(placed.path)
        act = Act.MKDIR if placed.how is Class.DIR else Act.PUT
        if found is None:
            self.ops.append(Op(act, placed))
            self.unchanged(placed, row)
        elif stands(placed, found):
            follows = placed.how is Class.HARD and placed.owner in self.request.rebuilt
            if was is not None and (follows or not _alike(was, placed)):
                self.ops.append(Op(act, placed, was))
            self.unchanged(placed, row)
        elif was is not None and stands(was, found):
            if Class.DIR in (placed.how, was.how):
                why = f"was a {was.how.value}, is to be a {placed.how.value}"
                self.bad.append(Conflict(placed.path, placed.owner, was.owner, why))
                return
            self.ops.append(Op(act, placed, was))
            self.unchanged(placed, row)
        elif placed.how is Class.DIR or found.kind not in (FileType.FILE, FileType.LINK):
            self.refuse(placed, was, found)
        elif placed.how is Class.MADE:
            self.ops.append(Op(act, placed, was))
        elif placed.how is Class.COPY and (row or (was and was.how is Class.COPY)):
            self.keep(placed, row.base if row else was.text if was else "", row)
        elif was is not None and self.request.repair and found.kind is FileType.LINK:
            self.ops.append(Op(act, placed, Placed(placed.path, "", Class.SHIPPED, found.text)))
        elif was is None and self.request.adopt:
            self.adopt(placed, found)
        else:
            self.refuse(placed, was, found)

    def refuse(self, placed: Placed, was: Placed | None, found: Found) -> None:
        other = STRANGER if was is None else was.owner
        adoptable = was is None and placed.how is not Class.DIR and found.kind in (FileType.FILE, FileType.LINK)
        self.bad.append(Conflict(placed.path, placed.owner, other, _in_the_way(placed, was, found), adoptable))

    def keep(self, placed: Placed, base: str, row: Conf | None) -> None:
        """Keep a file that its user changed, and put the package's own beside it if that is new."""
        if placed.text == base:
            self.beside(None, placed, row)
            self.remember(placed.path, Conf(base))
            return
        new = Placed(placed.path + NEW, placed.owner, Class.COPY, placed.text, placed.mode, placed.source)
        if row is None or row.beside is None or row.beside.text != new.text:
            where = new.path if _has_room(placed.path) else placed.source
            self.notes.append(f"/{placed.path}: changed by you, kept; the package's own is {where}")
        self.beside(new, placed, row)
        self.remember(placed.path, Conf(base, new if _has_room(placed.path) else None))

    def unchanged(self, placed: Placed, row: Conf | None) -> None:
        """Forget that a file was ever changed by its user."""
        if row is not None:
            self.beside(None, placed, row)
            self.remember(placed.path, None)

    def remember(self, path: str, conf: Conf | None) -> None:
        if self.records.conf.get(path) != conf:
            self.conf[path] = conf

    def beside(self, want: Placed | None, placed: Placed, row: Conf | None) -> None:
        """Put, replace or remove the `.new` of a file."""
        had = row.beside if row else None
        path = placed.path + NEW
        if want is not None and not _has_room(placed.path):
            return
        found = self.disk.get(path)
        ours = had is not None and found is not None and stands(had, found)
        if want is not None:
            if found is None or ours:
                if found is None or (had and had.text != want.text):
                    self.ops.append(Op(Act.PUT, want, had if ours else None))
            elif not stands(want, found):
                self.bad.append(Conflict(path, placed.owner, STRANGER, _in_the_way(want, None, found)))
        elif had is not None and ours:
            self.ops.append(Op(Act.REMOVE, had, had))
        elif had is not None and found is not None:
            self.notes.append(f"/{path}: not as it was put there, left alone")

    def adopt(self, placed: Placed, found: Found) -> None:
        """Take over a path from a stranger. The file stays: as the user's own, or aside until the package goes."""
        if placed.how is Class.COPY and found.kind is FileType.FILE:
            self.keep(placed, "", None)
            return
        if not _has_room(placed.path):
            self.bad.append(Conflict(placed.path, placed.owner, STRANGER, "its name leaves no room for .orig"))
            return
        if (placed.path + ORIG) in self.disk:
            self.bad.append(Conflict(placed.path + ORIG, placed.owner, STRANGER, "it is in the way of what is adopted"))
            return
        theirs = Placed(placed.path, "", Class.THEIRS, found.text, found.mode)
        self.ops.append(Op(Act.PUT, placed, theirs))
        self.aside[placed.path] = theirs
        self.notes.append(f"/{placed.path}: adopted; what stood there is {placed.path}{ORIG}")

    def remove(self, was: Placed, found: Found | None) -> None:
        """Remove one path, unless it has changed since it was put there."""
        row, theirs = self.records.conf.get(was.path), self.records.aside.get(was.path)
        if found is None:
            if theirs is not None:
                self.ops.append(Op(Act.PUT, theirs, was))
                self.aside[was.path] = None
            self.unchanged(was, row)
        elif was.how is Class.DIR:
            self.ops.append(Op(Act.RMDIR, was, was))
        elif stands(was, found):
            self.ops.append(Op(Act.REMOVE, was, was) if theirs is None else Op(Act.PUT, theirs, was))
            if theirs is not None:
                self.aside[was.path] = None
            self.unchanged(was, row)
        elif was.how is Class.MADE and found.kind in (FileType.FILE, FileType.LINK):
            self.ops.append(Op(Act.REMOVE, was))
        else:
            self.notes.append(f"/{was.path}: not as it was stowed, left alone")
            if was.how is Class.COPY:
                self.beside(None, was, row)
                self.remember(was.path, Conf(row.base if row else was.text))

    def merge(self) -> None:
        """Plan the lines of packages in files of the root itself."""
        request = self.request
        before, after = merged((*request.others, *request.drop)), merged((*request.others, *request.add))
        for path in sorted(before.keys() | after.keys()):
            old, new = before.get(path, ""), after.get(path, "")
            there = self.disk[path].text.splitlines() if path in self.disk else []
            if old != new or (request.repair and any(line not in there for line in new.splitlines())):
                was, placed = (Placed(path, ACCOUNTS, Class.MERGED, text) for text in (old, new))
                self.ops.append(Op(Act.MERGE, placed, was))


def _conflicts(request: StowRequest, links: Mapping[str, Placed]) -> list[Conflict]:
    """The first disagreement at each path, among the new packages and between them and the staying ones."""
    bad: dict[str, Conflict] = {}
    seen: dict[str, tuple[Member, Entry]] = {}
    names = {member.name for member in request.add}
    alone = request.choices is None
    for member in (*sorted(request.add, key=_name), *sorted(request.others, key=_name)):
        stays = member.name not in names
        for entry in _stowed_entries(member, links):
            path = entry.path
            other, its = seen.setdefault(path, (member, entry))
            if other is member or path in bad or agree(its, entry):
                continue
            # what stays side by side does so already, but for what alternatives bring about
            if not (alone and stays and other.name not in names):
                bad[path] = Conflict(path, other.owner, member.owner, disagreement(its, entry))
    return list(bad.values())


def _name(member: Member) -> str:
    return member.name


def _stowed_entries(member: Member, links: Mapping[str, Placed]) -> Iterable[Entry]:
    """The entries of a package that belong in the root, and its links of alternatives."""
    own = [
        Entry(path, Kind.DIR if p.how is Class.DIR else Kind.LINK, target=p.text)
        for path, p in links.items()
        if p.owner == member.owner
    ]
    if not own and not member.rules.ignore:
        return member.entries
    return (*own, *(e for e in member.entries if e.path in member.places and e.path not in links))


def desired(
    members: Iterable[Member], links: Mapping[str, Placed], paths: frozenset[str] | None = None
) -> dict[str, Placed]:
    """For each of `paths`, or for all, the wish of its first owner: the skeleton, then packages by name."""
    result: dict[str, Placed] = {}
    for member in sorted(members, key=lambda member: (member.name != SKELETON, member.name)):
        for path, placed in member.places.items():
            if paths is None or path in paths:
                result.setdefault(path, placed)
    for path, placed in links.items():
        result.setdefault(path, placed)
    return result


def _has_room(path: str) -> bool:
    """Whether a file beside a path can have a name (at most 255 bytes)."""
    return len(path.rpartition("/")[2].encode()) <= 255 - len(ORIG)


def _in_the_way(placed: Placed, before: Placed | None, found: Found) -> str:
    if placed.how is Class.DIR:
        return f"a {found.kind} is in the way of a directory"
    if before is None:
        return "a directory is in the way" if found.kind is FileType.DIR else STRANGER
    return f"{before.how.value} of {before.owner} was replaced by a {found.kind}"


def _alike(one: Placed, two: Placed) -> bool:
    """Whether the state for the one also serves the other, if the contents are equal."""
    match two.how:
        case Class.HARD:
            return one == two
        case Class.COPY:
            return (one.how, one.mode) == (two.how, two.mode)
    return True


def stands(placed: Placed, found: Found) -> bool:
    """Whether the state on disk is the former or wanted one that is given."""
    match placed.how:
        case Class.DIR:
            return found.kind is FileType.DIR
        case Class.LINK | Class.SHIPPED:
            return found.kind is FileType.LINK and found.text == placed.text
        case Class.MERGED:
            there = found.text.splitlines()
            return found.kind is FileType.FILE and all(line in there for line in placed.text.splitlines())
        case Class.THEIRS:
            return found.kind in (FileType.FILE, FileType.LINK) and found.text == placed.text
    return found.kind is FileType.FILE and found.text == placed.text


def inverse(ops: Iterable[Op]) -> tuple[Op, ...]:
    """The operations that undo `ops`, which may be only partly done.

    Builds move to their places first in both directions, because copies are made from them.
    """
    undo = []
    for op in reversed(tuple(ops)):
        match op.act:
            case Act.MKDIR:
                undo.append(Op(Act.RMDIR, op.placed))
            case Act.RMDIR:
                undo.append(Op(Act.MKDIR, op.placed))
            case Act.PUT:
                undo.append(Op(Act.PUT, op.before, op.placed) if op.before else Op(Act.REMOVE, op.placed))
            case Act.REMOVE:
                undo.append(Op(Act.PUT, op.placed, op.placed))
            case Act.MERGE | Act.BRING:
                undo.append(Op(op.act, op.before or op.placed, op.placed))
    return tuple(sorted(undo, key=lambda op: op.act is not Act.BRING))


def resumed(ops: Iterable[Op], disk: Mapping[str, Found]) -> tuple[tuple[Op, ...], tuple[str, ...]]:
    """The rest of interrupted operations, and the paths that somebody else changed meanwhile.

    `disk` has the present state of the paths of `ops`, with the contents of files.
    """
    left, blocked = [], []
    for op in ops:
        found = disk.get(op.placed.path)
        match op.act:
            case Act.MKDIR:
                blocked += [op.placed.path] if found is not None and found.kind is not FileType.DIR else []
                left.append(op)
            case Act.PUT if op.placed.how is not Class.MADE:
                done = found is not None and stands(op.placed, found)
                ours = found is None or done or (op.before is not None and stands(op.before, found))
                blocked += [] if ours else [op.placed.path]
                left += [] if done and op.before is None and op.placed.how is not Class.THEIRS else [op]
            case Act.REMOVE:
                left += [op] if found is not None and stands(op.placed, found) else []
            case _:
                left.append(op)
    return tuple(left), tuple(blocked)
