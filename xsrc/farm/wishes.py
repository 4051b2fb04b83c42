"""What the packages of a root wish at each path, where they disagree, and whether a path is as it is wished; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.farm.place import MERGED, SKELETON, Class, FileType, Found, Member, Placed
from xsrc.store.manifest import Entry, Kind
from xsrc.store.merge import PLAIN, Conflict, agree, disagreement, outspoken

_SETGID = 0o2000


def desired(
    members: Iterable[Member], links: Mapping[str, Placed], paths: frozenset[str] | None = None
) -> dict[str, Placed]:
    """For each of `paths`, or for all, the wish of its first owner: the skeleton, then packages by name.

    The first mode of a directory that is not 0755 counts, whoever wishes it. A file of the skeleton is a default: that
    of a package goes before it.
    """
    result: dict[str, Placed] = {}
    for member in sorted(members, key=lambda member: (member.name != SKELETON, member.name)):
        for path, placed in member.places.items():
            if paths is None or path in paths:
                first = result.setdefault(path, placed)
                if first is placed:
                    continue
                if first.how is Class.COPY:
                    if first.owner == SKELETON and path not in MERGED:
                        result[path] = placed
                elif first.how is Class.DIR and placed.how is Class.DIR and first.mode == PLAIN != placed.mode:
                    result[path] = first._replace(mode=placed.mode)
    for path, placed in links.items():
        result.setdefault(path, placed)
    return result


def clashes(
    add: Iterable[Member], others: Iterable[Member], links: Mapping[str, Placed], *, alone: bool
) -> list[Conflict]:
    """The first disagreement at each path, among the new packages and between them and the staying ones.

    `links` are those of alternatives; `alone` says that no choice of them changes.
    """
    bad: dict[str, Conflict] = {}
    seen: dict[str, tuple[Member, Entry]] = {}
    adding = sorted(add, key=_name)
    names = {member.name for member in adding}
    for member in (*adding, *sorted(others, key=_name)):
        stays = member.name not in names
        for entry in stowed_entries(member, links):
            path = entry.path
            other, its = seen.setdefault(path, (member, entry))
            if other is member or path in bad:
                continue
            if agree(its, entry):
                if outspoken(entry):
                    seen[path] = (member, entry)
                continue
            if SKELETON in (member.name, other.name) and its.kind is entry.kind is Kind.FILE and path not in MERGED:
                continue
            # what stays side by side does so already, but for what alternatives bring about
            if not (alone and stays and other.name not in names):
                why, cure = disagreement(its, entry), f"xsrc unstow {member.name}" if stays else ""
                cure = "" if member.name == SKELETON else cure
                bad[path] = Conflict(path, other.owner, member.owner, why, cure=cure)
    return list(bad.values())


def _name(member: Member) -> tuple[bool, str]:
    return member.name == SKELETON, member.name


def stowed_entries(member: Member, links: Mapping[str, Placed]) -> Iterable[Entry]:
    """The entries of a package that belong in the root, and its links of alternatives."""
    own = [
        Entry(path, Kind.DIR if p.how is Class.DIR else Kind.LINK, target=p.text)
        for path, p in links.items()
        if p.owner == member.owner
    ]
    if not own and not member.rules.ignore and not member.nostow:
        return member.entries
    return (*own, *(e for e in member.entries if e.path in member.places and e.path not in links))


def stands(placed: Placed, found: Found) -> bool:
    """Whether the state on disk is the former or wanted one that is given, whatever its mode."""
    match placed.how:
        case Class.DIR:
            return found.kind is FileType.DIR or found.folder
        case Class.LINK | Class.SHIPPED | Class.POINTER:
            return found.kind is FileType.LINK and found.text == placed.text
        case Class.MERGED:
            there = found.text.splitlines()
            return found.kind is FileType.FILE and all(line in there for line in placed.text.splitlines())
        case Class.THEIRS:
            return found.kind in (FileType.FILE, FileType.LINK) and found.text == placed.text
    return found.kind is FileType.FILE and found.text == placed.text


def alike(one: Placed, two: Placed) -> bool:
    """Whether the state for the one also serves the other, if the contents are equal."""
    match two.how:
        case Class.HARD:
            return one == two
        case Class.COPY:
            return (one.how, one.mode) == (two.how, two.mode)
    return True


def fits(placed: Placed, found: Found) -> bool:
    """Whether a directory has its mode; one that is made in a directory with setgid has that bit too."""
    return found.mode in (placed.mode, placed.mode | _SETGID)


def touched(placed: Placed, found: Found) -> bool:
    """Whether somebody gave a copy, whose content is that of its package, another mode or owner."""
    return placed.how is Class.COPY and found.kind is FileType.FILE and (found.mode != placed.mode or found.foreign)


def above(paths: Iterable[str]) -> set[str]:
    """All directories above some paths."""
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found
