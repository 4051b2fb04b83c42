"""Checks a stowed root: its links against the stowed packages, its destdirs against their manifests; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from xsrc.core.layout import DESTDIRS
from xsrc.core.paths import is_ours
from xsrc.farm.accounts import merged
from xsrc.farm.alternatives import links_of
from xsrc.farm.place import (
    ACCOUNTS,
    LEFT_OUT,
    MERGED,
    NEW,
    ORIG,
    SKELETON,
    Class,
    FileType,
    Found,
    Member,
    Placed,
    Records,
)
from xsrc.farm.wishes import above, desired, fits, stands
from xsrc.store.manifest import Entry, Kind
from xsrc.store.merge import PLAIN


class Damage(Enum):
    """The kinds of damage, each with its remedy."""

    UNMET = "unmet"
    """A stowed package lacks what it needs at run time."""
    MISSING = "missing"
    DRIFT = "drift"
    DANGLING = "dangling"
    MODE = "mode"
    LINES = "lines"
    WRITTEN = "written"
    """A file of a sealed destdir differs from the build."""
    GONE = "gone"
    """A file of a sealed destdir, or the whole destdir, is missing."""
    EXTRA = "extra"
    """A sealed destdir has a file that was not built."""
    ALIEN = "alien"
    CHANGED = "changed"
    """A copied file that its user changed."""

    @property
    def grave(self) -> bool:
        """Whether it needs repair: strangers' files and changed copies are as their users want them."""
        return self not in (Damage.ALIEN, Damage.CHANGED)

    @property
    def in_destdir(self) -> bool:
        """Whether only another build can repair it."""
        return self in (Damage.WRITTEN, Damage.GONE, Damage.EXTRA)


@dataclass(frozen=True)
class Finding:
    """One damage that was found."""

    path: str
    trouble: Damage
    owner: str
    text: str = ""

    def __str__(self) -> str:
        return (
            f"{self.trouble.value:8} /{self.path}"
            + f": {self.owner}" * bool(self.owner)
            + f": {self.text}" * bool(self.text)
        )


def expected(members: Iterable[Member], records: Records) -> dict[str, Placed]:
    """The wanted state of every path of the root: of all stowed packages, the skeleton and files of triggers."""
    stowed = tuple(members)
    places = desired(stowed, links_of(stowed, records.choices))
    for path, placed in records.aside.items():
        places[path + ORIG] = placed
    for path, conf in records.conf.items():
        if conf.beside is not None:
            places[path + NEW] = conf.beside
    return places


def compare_root(
    members: Iterable[Member], records: Records, disk: Mapping[str, Found], sources: Mapping[str, tuple[int, int]]
) -> list[Finding]:
    """The damage of the root.

    `disk` is its whole state. `sources` has device and inode of the files in destdirs that links and hard links of the
    root lead to, by their path below the masterdir.
    """
    stowed = tuple(members)
    places = expected(stowed, records)
    looked_at = [path for path in places if path not in LEFT_OUT and path not in MERGED and not is_ours(path)]
    found = [one for path in sorted(looked_at) if (one := _place(places[path], records, disk.get(path), sources))]
    if moved := {path for path, there in disk.items() if there.folder}:
        # what is in a directory that its user moved to another place is not looked for
        folders = {path for path, placed in places.items() if placed.how is Class.DIR}
        found = [one for one in found if not (one.path in folders and above((one.path,)) & moved)]
    for path, lines in merged(stowed).items():
        there = disk[path].text.splitlines() if path in disk else []
        found += [
            Finding(path, Damage.LINES, ACCOUNTS, line)
            for line in lines.splitlines()
            if line.partition(":")[0] not in {other.partition(":")[0] for other in there}
        ]
    known = {*places, *merged(stowed), *records.conf}
    found += [Finding(path, Damage.ALIEN, "", disk[path].kind) for path in disk.keys() - known if path not in LEFT_OUT]
    return sorted(found, key=lambda one: (one.path, one.trouble.value))


def _place(
    placed: Placed, records: Records, found: Found | None, sources: Mapping[str, tuple[int, int]]
) -> Finding | None:
    path, owner = placed.path, placed.owner
    if placed.how is Class.THEIRS:
        return None if found else Finding(path + ORIG, Damage.MISSING, "", "a file that was adopted")
    row = records.conf.get(path)
    if found is None:
        if path.endswith(NEW) and (base := records.conf.get(path.removesuffix(NEW))) and base.beside == placed:
            return None  # its user took it
        if placed.kept or row is not None:
            return Finding(path, Damage.CHANGED, owner, "removed by its user")
        return Finding(path, Damage.MISSING, owner)
    if not stands(placed, found) and (row or (placed.kept and found.kind in (FileType.FILE, FileType.LINK))):
        return Finding(path, Damage.CHANGED, owner, "by its user")
    if placed.how is Class.LINK and stands(placed, found) and placed.text.rpartition("../")[2] not in sources:
        return Finding(path, Damage.DANGLING, owner, placed.text)
    if not stands(placed, found):
        now = f"is a {found.kind}" + (f" to {found.text}" if found.kind is FileType.LINK else "")
        return Finding(path, Damage.DRIFT, owner, f"{now}, is to be a {placed.how.word}")
    if placed.how is Class.HARD and (inode := sources.get(placed.source)) not in (None, found.inode):
        same = inode is not None and inode[0] == found.inode[0]
        return Finding(path, Damage.DRIFT, owner, "is another file than its destdir's") if same else None
    return _mode(placed, found)


def _mode(placed: Placed, found: Found) -> Finding | None:
    """What is wrong with the mode or the owner of a directory or a copy."""
    path, owner = placed.path, placed.owner
    if placed.how is Class.DIR and found.kind is FileType.DIR:
        if found.mode & 0o700 != 0o700:
            return Finding(path, Damage.MODE, owner, f"is {found.mode:04o}: the farm cannot get in")
        users = owner == SKELETON and path.partition("/")[0] in LEFT_OUT
        if not fits(placed, found) and not (users and placed.mode == PLAIN):
            return Finding(path, Damage.MODE, owner, f"is {found.mode:04o}, is to be {placed.mode:04o}")
    if placed.how is Class.COPY and found.mode != placed.mode:
        return Finding(path, Damage.CHANGED, owner, f"its mode, to {found.mode:04o}")
    if placed.how is Class.COPY and found.foreign:
        return Finding(path, Damage.CHANGED, owner, "its owner")
    return None


def compare_destdir(pkgver: str, wanted: Iterable[Entry], there: Iterable[Entry]) -> list[Finding]:
    """The damage of a sealed destdir; an empty checksum is not compared."""
    found = []
    want, have = {e.path: e for e in wanted}, {e.path: e for e in there}
    for path in sorted(want.keys() | have.keys()):
        one, other = want.get(path), have.get(path)
        where = f"{DESTDIRS}/{pkgver}/{path}"
        if one is None or other is None:
            found.append(Finding(where, Damage.EXTRA if one is None else Damage.GONE, pkgver))
        elif one.kind is not other.kind or one.target != other.target:
            found.append(Finding(where, Damage.WRITTEN, pkgver, f"is a {other.kind.value} {other.target}".rstrip()))
        elif one.kind is Kind.FILE and other.sha256 and one.sha256 != other.sha256:
            found.append(Finding(where, Damage.WRITTEN, pkgver, "its content was changed"))
        elif one.kind is not Kind.LINK and other.mode != one.mode & 0o555:
            found.append(
                Finding(where, Damage.MODE, pkgver, f"is {other.mode:04o}, was sealed as {one.mode & 0o555:04o}")
            )
    return found
