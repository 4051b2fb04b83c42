"""Plans stowing and unstowing: all operations, or all conflicts; never both.

The stowed packages and their manifests determine the links. If several packages ship the same path alike, it belongs
to the first by name, and passes to the next when that one goes. What a user changed below /etc is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from xsrc.core.layout import DESTDIRS
from xsrc.farm.accounts import merged
from xsrc.farm.alternatives import links_of
from xsrc.farm.place import (
    ACCOUNTS,
    LEFT_OUT,
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
    name_of,
)
from xsrc.farm.ways import UNREAD, obstacles
from xsrc.farm.wishes import above, alike, clashes, desired, fits, stands, touched
from xsrc.store.merge import Conflict

STRANGER = "a file that no package owns"
NOTHING = Records()
AWAY = "mv {} {}.mine"
"""The command that moves a user's own thing out of the way."""


@dataclass(frozen=True)
class StowPlan:
    """Operations in their order, the records to write with them, and notes for the user."""

    ops: tuple[Op, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    notes: tuple[str, ...] = ()
    conf: Mapping[str, Conf | None] = field(default_factory=dict)
    aside: Mapping[str, Placed | None] = field(default_factory=dict)
    root: str = ""
    """Where the root is, for the commands that are advised."""


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
    """Replace links in the places of ours, wherever they lead; never replace files, nor what is the user's."""
    revive: bool = False
    """Put again what the user removed in places of his own."""
    adopt: bool = False
    """Move strangers' files aside."""
    rebuilt: frozenset[str] = frozenset()
    """Owners that get another build of the same pkgver: their hard links have to follow it."""


def affected(request: StowRequest, records: Records) -> frozenset[str]:
    """The paths of the root that a request may change; `others` need only be those with public rules."""
    old, new = _links(request, records)
    return frozenset().union(old, new, *(member.places for member in (*request.add, *request.drop)))


def watched(
    paths: Iterable[str],
    members: Iterable[Member],
    records: Records = NOTHING,
    *,
    adopt: bool = False,
) -> tuple[frozenset[str], frozenset[str]]:
    """All paths whose state on disk a plan needs, and those whose content it needs."""
    every = set(paths)
    read = [p for m in members for p in m.places.values() if p.kept or p.how in (Class.HARD, Class.MADE)]
    files = {place.path for place in read}
    kept = {place.path for place in read if place.kept and _has_room(place.path)} & every
    kept |= {path for path in records.conf if path in every and _has_room(path)}
    beside = {path + NEW for path in kept}
    every |= beside | set(MERGED)
    if adopt:
        every |= {path + ORIG for path in paths if _has_room(path)}
    every |= above(every)
    return frozenset(every), frozenset(every if adopt else (files | beside | kept) & every)


def turning(request: StowRequest) -> frozenset[str]:
    """The directories that are to become something else, so that a plan needs to know all that is in them."""
    old = {path for m in request.drop for path, placed in m.places.items() if placed.how is Class.DIR}
    return frozenset(
        path for m in request.add for path, p in m.places.items() if p.how is not Class.DIR and path in old
    )


def plan_stow(request: StowRequest, disk: Mapping[str, Found], records: Records = NOTHING) -> StowPlan:
    """The plan of a request.

    `disk` has the present state of each watched path, and of all paths below each one that is `turning`.
    """
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
        old, new = _links(request, records)
        paths = affected(request, records)
        self.bad = clashes(request.add, request.others, new, alone=request.choices is None)
        self.before = desired((*request.others, *request.drop), old, paths)
        self.after = desired((*request.others, *request.add), new, paths)
        self.gone: set[str] = set()
        """Paths whose removal is planned, because a directory becomes something else."""

    def plan(self) -> None:
        refused = {conflict.path for conflict in self.bad}
        before, after = self.before, self.after
        staying = {member.owner for member in self.request.others}
        disk, rows, repair = self.disk, self.records.conf, self.request.repair
        for path in sorted(after):  # nearly in order already: each package's paths are
            placed, was = after[path], before.get(path)
            if path in refused or (placed == was and placed.owner in staying and not repair):
                continue
            if was is None and path not in disk and path not in rows:
                self.ops.append(Op(Act.MKDIR if placed.how is Class.DIR else Act.PUT, placed))
            else:
                self.put(placed, was, disk.get(path))
        for path in sorted(before.keys() - after.keys() - self.gone, reverse=True):
            self.remove(before[path], self.disk.get(path))
        self.merge()
        self.ops, bad, notes = obstacles(self.ops, before, after, disk)
        told = {conflict.path for conflict in self.bad}
        self.bad += [conflict for conflict in bad if conflict.path not in told]
        self.notes += notes

    def put(self, placed: Placed, was: Placed | None, found: Found | None) -> None:
        """Put one path into place, or record its conflict."""
        row = self.records.conf.get(placed.path)
        if found is None:
            self.missing(placed, was, row)
        elif stands(placed, found):
            self.standing(placed, was, found, row)
        elif (beside := self.beside_of(placed.path)) is not None and stands(beside, found) and was is None:
            self.ops.append(Op(Act.PUT, placed, beside))
        elif was is not None and stands(was, found):
            self.replace(placed, was, found, row)
        elif placed.how is Class.DIR or found.kind not in (FileType.FILE, FileType.LINK):
            self.refuse(placed, was, found)
        elif placed.how is Class.MADE:
            self.ops.append(Op(Act.PUT, placed, was))
        elif row or (was is not None and (was.kept or placed.kept)):
            self.keep(placed, row.base if row else was.text if was and was.kept else "", row)
        elif was is not None and self.request.repair and found.kind is FileType.LINK:
            self.ops.append(Op(Act.PUT, placed, Placed(placed.path, "", Class.SHIPPED, found.text)))
            self.notes.append(f"/{placed.path}: led to {found.text}, and is {was.owner}'s again")
        elif was is None and self.request.adopt:
            self.adopt(placed, found)
        else:
            self.refuse(placed, was, found)

    def missing(self, placed: Placed, was: Placed | None, row: Conf | None) -> None:
        """Put a path that nothing has; leave out what its user removed."""
        default = was is not None and was.owner == SKELETON != placed.owner
        removed = placed.kept and was is not None and was.kept and not default
        if removed and not self.request.revive:
            if not self.request.repair and placed.owner != SKELETON:
                again = f"xsrc restow {name_of(placed.owner)} puts it there again"
                self.notes.append(f"/{placed.path}: removed by you, left out; {again}")
        else:
            self.ops.append(Op(Act.MKDIR if placed.how is Class.DIR else Act.PUT, placed))
        self.unchanged(placed.path, row)

    def standing(self, placed: Placed, was: Placed | None, found: Found, row: Conf | None) -> None:
        """Leave what is as it should be; give it the mode that it should have."""
        if placed.how is Class.DIR:
            self.give_mode(placed, was, found)
            return
        follows = placed.how is Class.HARD and placed.owner in self.request.rebuilt
        if was is not None and (follows or not alike(was, placed)) and not touched(was, found):
            self.ops.append(Op(Act.PUT, placed, was))
        self.unchanged(placed.path, row)

    def give_mode(self, placed: Placed, was: Placed | None, found: Found) -> None:
        """Give a directory the mode that its packages wish; those of the skeleton in places of the user are his."""
        if found.kind is not FileType.DIR or found.foreign or fits(placed, found):
            return
        users = placed.owner == SKELETON and placed.path.partition("/")[0] in LEFT_OUT
        if users and (was is None or was.mode == placed.mode):
            return
        self.ops.append(Op(Act.MKDIR, placed, placed._replace(mode=found.mode)))
        if was is None or not fits(was, found):
            self.notes.append(f"/{placed.path}: its mode was {found.mode:04o}; packages wish {placed.mode:04o}")

    def replace(self, placed: Placed, was: Placed, found: Found, row: Conf | None) -> None:
        """Replace what was stowed at a path."""
        if placed.how is Class.DIR:
            self.ops += [Op(Act.REMOVE, was, was), Op(Act.MKDIR, placed)]
        elif was.how is Class.DIR:
            self.turn(placed, was)
            return
        elif not touched(was, found):
            self.ops.append(Op(Act.PUT, placed, was))
        elif placed.how is Class.COPY and not found.foreign:
            self.ops.append(Op(Act.PUT, placed._replace(mode=found.mode), was._replace(mode=found.mode)))
        else:
            self.keep(placed, was.text, row)
            return
        self.unchanged(placed.path, row)

    def turn(self, placed: Placed, was: Placed) -> None:
        """Put something in the place of a directory; refuse that if something of somebody else is in it."""
        inside = f"{placed.path}/"
        begun = len(self.ops)
        for path in sorted((path for path in self.before if path.startswith(inside)), reverse=True):
            self.gone.add(path)
            self.remove(self.before[path], self.disk.get(path))
        known = {op.placed.path for op in self.ops[begun:]}
        for path in sorted(path for path in self.disk if path.startswith(inside) and path not in known):
            why = f"{path} is in a directory that is to become a {placed.how.word}"
            self.bad.append(Conflict(placed.path, placed.owner, "", why, cure=AWAY))
            return
        self.ops += [Op(Act.RMDIR, was, was), Op(Act.PUT, placed)]

    def refuse(self, placed: Placed, was: Placed | None, found: Found) -> None:
        other = STRANGER if was is None else was.owner
        adoptable = was is None and placed.how is not Class.DIR and found.kind in (FileType.FILE, FileType.LINK)
        why, cure = _in_the_way(placed, was, found), AWAY
        if was is not None or (found.text and found.kind is FileType.OTHER):
            cure = "ls -ld {}" if found.kind is FileType.OTHER and found.text else f"{AWAY} && xsrc restow"
        self.bad.append(Conflict(placed.path, placed.owner, other, why, adoptable, cure))

    def keep(self, placed: Placed, base: str, row: Conf | None) -> None:
        """Keep a file that its user changed, and put the package's own beside it if that is new."""
        had = row.beside if row else None
        if placed.text == base or placed.owner == SKELETON:
            self.withdraw(had)
            self.remember(placed.path, Conf(base, owner=name_of(placed.owner)))
            return
        new = placed._replace(path=placed.path + NEW)
        beside = self.beside(new, had)
        if (had is None or had.text != new.text) and (row is None or beside or not self.request.repair):
            where = new.path if beside else f"{DESTDIRS}/{placed.owner}/{placed.path}"
            self.notes.append(f"/{placed.path}: changed by you, kept; the package's own is {where}")
        self.remember(placed.path, Conf(base, beside, name_of(placed.owner)))

    def unchanged(self, path: str, row: Conf | None) -> None:
        """Forget that a file was ever changed by its user."""
        if row is not None:
            self.withdraw(row.beside)
            self.remember(path, None)

    def remember(self, path: str, conf: Conf | None) -> None:
        if self.records.conf.get(path) != conf:
            self.conf[path] = conf

    def beside_of(self, path: str) -> Placed | None:
        """What was put at a path as the `.new` of another."""
        row = self.records.conf.get(path.removesuffix(NEW)) if path.endswith(NEW) else None
        return row.beside if row else None

    def beside(self, want: Placed, had: Placed | None) -> Placed | None:
        """Put or replace the `.new` of a file; None if its place is somebody else's."""
        room = _has_room(want.path.removesuffix(NEW))
        if not room or want.path in self.after or want.path in self.before:
            return None
        found = self.disk.get(want.path)
        if found is None:
            if had is None or had.text != want.text or self.request.revive:  # else its user removed it
                self.ops.append(Op(Act.PUT, want))
        elif had is not None and stands(had, found):
            if (had.how, had.text) != (want.how, want.text):
                self.ops.append(Op(Act.PUT, want, had))
        elif not stands(want, found):
            return None
        return want

    def withdraw(self, had: Placed | None) -> None:
        """Remove what was put beside a file, if it is still there."""
        found = None if had is None or had.path in self.after else self.disk.get(had.path)
        if had is not None and found is not None:
            if stands(had, found):
                self.ops.append(Op(Act.REMOVE, had, had))
            else:
                self.notes.append(f"/{had.path}: not as it was put there, left alone")

    def adopt(self, placed: Placed, found: Found) -> None:
        """Take over a path from a stranger. The file stays: as the user's own, or aside until the package goes."""
        if placed.kept and (found.kind is FileType.FILE or placed.how is Class.POINTER):
            self.keep(placed, "", None)
            return
        if not _has_room(placed.path):
            why = "its name leaves no room for .orig"
            self.bad.append(Conflict(placed.path, placed.owner, STRANGER, why, cure=AWAY))
            return
        if (placed.path + ORIG) in self.disk:
            why = "it is in the way of what is adopted"
            self.bad.append(Conflict(placed.path + ORIG, placed.owner, STRANGER, why, cure=AWAY))
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
            self.unchanged(was.path, row)
        elif was.how is Class.DIR:
            if found.kind is FileType.DIR:
                state = was._replace(mode=found.mode)
                self.ops.append(Op(Act.RMDIR, state, state))
        elif stands(was, found) and not touched(was, found):
            self.ops.append(Op(Act.REMOVE, was, was) if theirs is None else Op(Act.PUT, theirs, was))
            if theirs is not None:
                self.aside[was.path] = None
            self.unchanged(was.path, row)
        elif was.how is Class.MADE and found.kind in (FileType.FILE, FileType.LINK):
            self.ops.append(Op(Act.REMOVE, was))
        else:
            self.notes.append(f"/{was.path}: not as it was stowed, left alone")
            if was.kept or row is not None:
                self.withdraw(row.beside if row else None)
                self.remember(was.path, Conf(row.base if row else was.text, owner=name_of(was.owner)))

    def merge(self) -> None:
        """Plan the lines of packages in files of the root itself."""
        request = self.request
        before, after = merged((*request.others, *request.drop)), merged((*request.others, *request.add))
        for path in sorted(before.keys() | after.keys()):
            old, new = before.get(path, ""), after.get(path, "")
            found = self.disk.get(path)
            there = found.text.splitlines() if found is not None and found.kind is FileType.FILE else []
            if old != new or (request.repair and any(line not in there for line in new.splitlines())):
                was, placed = (Placed(path, ACCOUNTS, Class.MERGED, text) for text in (old, new))
                if found is not None and found.kind is not FileType.FILE:
                    why = f"a {found.kind} is in the way of a file with lines of packages"
                    self.bad.append(Conflict(path, ACCOUNTS, "", why, cure=AWAY))
                self.ops.append(Op(Act.MERGE, placed, was))


def _has_room(path: str) -> bool:
    """Whether a file beside a path can have a name (at most 255 bytes)."""
    return len(path.rpartition("/")[2].encode()) <= 255 - len(ORIG)


def _in_the_way(placed: Placed, before: Placed | None, found: Found) -> str:
    if found.kind is FileType.OTHER and found.text:
        return f"{UNREAD}{found.text}"
    if placed.how is Class.DIR:
        return f"a {found.kind} is in the way of a directory"
    if found.kind is FileType.DIR:
        return "a directory is in the way"
    return STRANGER if before is None else f"{before.how.word} of {before.owner} was replaced by a {found.kind}"
