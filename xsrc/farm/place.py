"""The stowed root as values: the kinds of its paths, the operations on them, and changes."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from xsrc.core.globs import covers, matches
from xsrc.core.layout import DESTDIRS
from xsrc.core.paths import OURS, Unsound, build_id, covers_ours, inside, is_ours
from xsrc.core.pkgver import RESERVED, PkgVer
from xsrc.store.manifest import Entry, Kind
from xsrc.store.rules import NO_RULES, Rules

SKELETON, ACCOUNTS, TRIGGERS = RESERVED
"""Owners that are no packages: of the skeleton, of lines in files of the root itself, of files of triggers."""
MADE = "var/db/xsrc/made"
"""Where the farm keeps the files of triggers, and those of the skeleton that packages replaced, by checksum."""
MERGED = ("etc/group", "etc/passwd", "etc/shells")
"""Files of the root itself in which packages have lines."""
_USERS = ("boot", "dev", "home", "media", "mnt", "proc", "root", "run", "sys", "tmp", "var", "lost+found")
LEFT_OUT = frozenset((*_USERS, *OURS))
"""Places of the root that belong to the user, or that xsrc manages by other means."""
NEW, ORIG = ".new", ".orig"
"""Suffixes: of a package's own file beside one that its user changed; of a stranger's file that was adopted."""


class Class(enum.StrEnum):
    """The kind of a path in the stowed root."""

    DIR = "dir"
    LINK = "link"
    """A relative link to the file in its destdir."""
    SHIPPED = "shipped"
    """A link that the package ships, or one of an alternative, made verbatim."""
    POINTER = "pointer"
    """A link that the package ships where the user decides, as below /etc: kept once it was pointed elsewhere."""
    HARD = "hard"
    COPY = "copy"
    """A copy that belongs to the user: never replaced once it was changed."""
    MADE = "made"
    """A file of a trigger; replaced whenever the trigger makes it again."""
    MERGED = "merged"
    """Lines in a file that belongs to the root itself, such as etc/passwd."""
    THEIRS = "theirs"
    """A stranger's file that was adopted: it is kept as `.orig` and comes back when the package goes."""

    @property
    def word(self) -> str:
        """What it is, in the words of a message."""
        return _WORDS.get(self, self.value)


_WORDS = {
    Class.DIR: "directory",
    Class.SHIPPED: "link",
    Class.POINTER: "link",
    Class.HARD: "hard link",
    Class.MADE: "file of a trigger",
    Class.THEIRS: "file",
}


class Placed(NamedTuple):
    """The present or wanted state of a path of the root."""

    path: str
    owner: str
    """The pkgver of a package, or SKELETON, TRIGGERS, ACCOUNTS."""
    how: Class
    text: str = ""
    """The text of a link, the sha256 of a file, the lines that are merged."""
    mode: int = 0o755
    source: str = ""
    """Where the content of a file comes from, relative to the masterdir."""

    @property
    def linked(self) -> bool:
        """Whether it is a symbolic link."""
        return self.how in (Class.LINK, Class.SHIPPED, Class.POINTER)

    @property
    def kept(self) -> bool:
        """Whether it is the user's from then on."""
        return self.how in (Class.COPY, Class.POINTER)


class FileType(enum.StrEnum):
    """What stands at a path of the root; `other` is a device, a socket or a pipe."""

    FILE = "file"
    LINK = "link"
    DIR = "dir"
    OTHER = "other"


class Found(NamedTuple):
    """The state of a path of the root on disk; a missing path has no Found."""

    kind: FileType
    text: str = ""
    """The text of a link, the sha256 of a file where it was asked for, the lines of a file that is merged.

    Of a directory, and of what is no file: why the farm cannot work in it, or "".
    """
    inode: tuple[int, int] = (0, 0)
    """Device and inode."""
    mode: int = 0
    folder: bool = False
    """Whether it is a link of the user's, in a place of the user, to a directory."""
    foreign: bool = False
    """Whether its owner or group is one that this process cannot give to a file."""
    mount: bool = False
    """Whether something is mounted there."""


class Act(enum.StrEnum):
    """The kind of an operation."""

    MKDIR = "mkdir"
    """Make a directory; with a former state, give its mode to one that exists."""
    PUT = "put"
    """Make a link, hard link or copy under a temporary name and rename it into place."""
    MERGE = "merge"
    """Replace lines of one file by others."""
    REMOVE = "remove"
    RMDIR = "rmdir"
    BRING = "bring"
    """Move a build of a pkgver to its place; keep the former one aside."""


class Op(NamedTuple):
    """One operation; each can be done twice without harm."""

    act: Act
    placed: Placed
    before: Placed | None = None
    """The former state, if it was ours; undoing the operation restores it."""


@dataclass(frozen=True)
class Conf:
    """The record of a copied file that its user changed."""

    base: str
    """The sha256 of the package's file that the user began from, "" for a file of the user's own."""
    beside: Placed | None = None
    """The package's own, put beside as `.new`."""
    owner: str = ""
    """The name of the package that had the file last."""


@dataclass(frozen=True)
class Records:
    """The records of the farm beside the stowed packages."""

    conf: Mapping[str, Conf] = field(default_factory=dict)
    aside: Mapping[str, Placed] = field(default_factory=dict)
    choices: Mapping[str, str] = field(default_factory=dict)
    """The provider that somebody chose for a group of alternatives."""


@dataclass(frozen=True)
class Member:
    """A package as the farm sees it: its entries and its rules."""

    pkgver: PkgVer
    entries: tuple[Entry, ...] = field(repr=False)
    rules: Rules = NO_RULES
    nostow: tuple[str, ...] = ()
    """Globs of what the user wanted to be left out of the root when it was stowed."""

    @property
    def name(self) -> str:
        return self.pkgver.name

    @property
    def owner(self) -> str:
        """Its name as an owner."""
        return self.name if self.name in (SKELETON, TRIGGERS) else str(self.pkgver)

    @cached_property
    def places(self) -> Mapping[str, Placed]:
        """The wanted state of each path of the package."""
        made = self.name == TRIGGERS
        rules, owner, folder = self.rules, self.owner, str(self.pkgver)
        destdir = f"{DESTDIRS}/{folder}/"
        conf = {path.lstrip("/") for path in rules.conf_files}
        ignore, copy, hardlink = rules.ignore, rules.copy, rules.hardlink
        nostow = self.nostow
        found = {}
        # this loop sees every file of every package: it asks for nothing that a package has no rule for
        for entry in self.entries:
            path = entry.path
            if (ignore and matches(path, ignore)) or (nostow and covers(nostow, path)):
                continue
            if entry.kind is Kind.DIR:
                placed = Placed(path, owner, Class.DIR, "", entry.mode | 0o700)  # the farm has to get in
            elif made:
                placed = Placed(path, owner, Class.MADE, entry.sha256, 0o644, f"{MADE}/{entry.sha256}")
            elif path.startswith("etc/") or path in conf or (copy and matches(path, copy)):
                if entry.kind is Kind.LINK:
                    placed = Placed(path, owner, Class.POINTER, entry.target)
                else:
                    source = f"{MADE}/{entry.sha256}" if self.name == SKELETON else destdir + path
                    placed = Placed(path, owner, Class.COPY, entry.sha256, entry.mode & 0o777 | 0o200, source)
            elif entry.kind is Kind.LINK:
                placed = Placed(path, owner, Class.SHIPPED, entry.target)
            elif hardlink and matches(path, hardlink):
                placed = Placed(path, owner, Class.HARD, entry.sha256, entry.mode, destdir + path)
            else:
                placed = Placed(path, owner, Class.LINK, link_text(folder, path), entry.mode)
            found[path] = placed
        return found


def skeleton_member(entries: Iterable[Entry]) -> Member:
    """The skeleton, or a part of it, as a member of the farm like any other."""
    return Member(PkgVer(SKELETON, "0", 1), tuple(entries))


def made_member(made: Mapping[str, tuple[str, str]]) -> Member:
    """The files of triggers, with their directories, as a member of the farm like any other."""
    entries = {path: Entry(path, Kind.FILE, 0o644, sha256=sha256) for path, (_, sha256) in made.items()}
    for path in made:
        while path := path.rpartition("/")[0]:
            entries.setdefault(path, Entry(path, Kind.DIR))
    return Member(PkgVer(TRIGGERS, "0", 1), tuple(sorted(entries.values())))


def link_text(pkgver: PkgVer | str, path: str) -> str:
    """The relative link from a path of the root to its file; it reads the same from the host and from inside.

    >>> link_text(PkgVer("dash", "0.5.12", 1), "usr/bin/dash")
    '../../pkg-destdir/dash-0.5.12_1/usr/bin/dash'
    """
    return "../" * path.count("/") + f"{DESTDIRS}/{pkgver}/{path}"


def merge_lines(text: str, old: str, new: str) -> str:
    """The text of a file without the lines of `old`, and with those of `new` at its end; repeating this is harmless.

    A name that somebody else gave a line already keeps that line.

    >>> merge_lines("root:x:0\\nldap:x:9\\n", "ldap:x:9", "www:x:8\\nroot:x:7")
    'root:x:0\\nwww:x:8\\n'
    """
    ours = {*old.splitlines(), *new.splitlines()}
    kept = [line for line in text.splitlines() if line not in ours]
    names = {line.partition(":")[0] for line in kept}
    lines = [*kept, *(line for line in new.splitlines() if line.partition(":")[0] not in names)]
    return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True)
class Change:
    """A change of the farm, with everything to record when it is done."""

    why: str = ""
    """The command that it is made for."""
    at: str = ""
    """When, in UTC."""
    add: Mapping[str, bool] = field(default_factory=dict)
    """The packages that go in, by pkgver, and whether somebody asked for each by name."""
    drop: tuple[str, ...] = ()
    """The names of the packages that go out."""
    ops: tuple[Op, ...] = ()
    builds: Mapping[str, str] = field(default_factory=dict)
    """By pkgver, the build that is in place from then on."""
    conf: Mapping[str, Conf | None] = field(default_factory=dict)
    """By path, new records of files that users changed; None removes a record."""
    aside: Mapping[str, Placed | None] = field(default_factory=dict)
    """By path, strangers' files that were moved aside; None for one that came back."""
    choices: Mapping[str, str] | None = None
    """The chosen provider of each group of alternatives; None if the choices do not change."""
    fire: tuple[str, ...] = ()
    """Triggers that are to run once the operations are done."""
    made: Mapping[str, tuple[str, str] | None] = field(default_factory=dict)
    """By path, which trigger made the file and its sha256; None for a file that is gone."""
    nostow: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By name, the globs of paths that are left out of a package from then on."""

    def render(self) -> str:
        """The change as JSON."""
        conf = {path: [c.base, c.beside, c.owner] if c else None for path, c in self.conf.items()}
        return json.dumps({**vars(self), "conf": conf})

    @classmethod
    def parse(cls, text: str) -> Change:
        """Read the output of `render`. Raises Unsound for anything else, and for every path that leaves the root."""
        try:
            raw = json.loads(text)
            change = cls(
                **{
                    **raw,
                    "add": {str(PkgVer.parse(pkgver)): bool(asked) for pkgver, asked in raw["add"].items()},
                    "drop": tuple(map(str, raw["drop"])),
                    "ops": tuple(_op_of(*row) for row in raw["ops"]),
                    "builds": {str(PkgVer.parse(pkgver)): build_id(b) for pkgver, b in raw["builds"].items()},
                    "conf": {
                        inside(path): conf_of(c[0], _perhaps(c[1]), c[2]) if c else None
                        for path, c in raw["conf"].items()
                    },
                    "aside": {inside(path): _perhaps(placed) for path, placed in raw["aside"].items()},
                    "choices": raw["choices"] and {str(k): str(v) for k, v in raw["choices"].items()},
                    "fire": tuple(map(str, raw["fire"])),
                    "made": {inside(path): made_of(*made) if made else None for path, made in raw["made"].items()},
                    "nostow": {str(name): globs_of(globs) for name, globs in raw["nostow"].items()},
                }
            )
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            raise Unsound(f"no record of a change: {error}") from error
        return change


def _op_of(act: str, row: Iterable[Any], former: Iterable[Any] | None) -> Op:
    """Read an operation. Raises ValueError for a bad one, and for one at a forbidden path."""
    op = Op(Act(act), _place_of(row), _perhaps(former))
    path, before = op.placed.path, op.before or op.placed
    if before.path != path:
        raise Unsound(f"{op.act} {path}: what was there before has the path {before.path}")
    if op.act is Act.BRING:
        for placed in (op.placed, before):
            PkgVer.parse(placed.path)
            build_id(placed.text)
    elif op.act in (Act.MKDIR, Act.RMDIR):
        if is_ours(path):
            raise Unsound(f"{op.act} {path}: it is a place of xsrc itself")
    elif covers_ours(path):
        raise Unsound(f"{op.act} {path}: it is a place of xsrc itself")
    if (op.act is Act.MERGE) != (path in MERGED and op.placed.how is Class.MERGED):
        raise Unsound(f"{op.act} {path}: lines are merged into {', '.join(MERGED)} only")
    return op


_SOURCES = (f"{DESTDIRS}/", f"{MADE}/")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def _place_of(row: Iterable[Any]) -> Placed:
    path, owner, how, text, mode, source = row
    if not (isinstance(owner, str) and isinstance(text, str) and isinstance(mode, int) and 0 <= mode <= 0o7777):
        raise Unsound(f"{path!a}: want owner, text and mode, got {owner!a}, {text!a} and {mode!a}")
    if "\0" in text:
        raise Unsound(f"{path!a}: its text has a NUL character")
    if source and not inside(source).startswith(_SOURCES):
        raise Unsound(f"{path!a}: its content is to come from {source!a}, which is no place of packages")
    return Placed(inside(path), owner, Class(how), text, mode, source)


def made_of(maker: str, sha256: str) -> tuple[str, str]:
    """Return the trigger that made a file and the file's sha256. Raises Unsound for anything else."""
    if not isinstance(maker, str) or not isinstance(sha256, str) or _SHA256.fullmatch(sha256) is None:
        raise Unsound(f"want a trigger and 64 hex digits, got {maker!a} and {sha256!a}")
    return maker, sha256


def conf_of(base: str, beside: Placed | None, owner: str) -> Conf:
    """Return the record of a conf file. Raises Unsound for one that xsrc did not write."""
    if not isinstance(base, str) or not isinstance(owner, str):
        raise Unsound(f"want a checksum and a name, got {base!a} and {owner!a}")
    return Conf(base, beside, owner)


def globs_of(globs: object) -> tuple[str, ...]:
    """Return the globs of a record. Raises Unsound for anything else."""
    if not isinstance(globs, list) or not all(isinstance(glob, str) for glob in globs):
        raise Unsound(f"want globs, got {globs!a}")
    return tuple(globs)


def name_of(owner: str) -> str:
    """The name of an owner: of a package, without its version."""
    return owner if owner in RESERVED else owner.rpartition("-")[0]


def placed_text(placed: Placed) -> str:
    """A place as the farm's records hold it."""
    return json.dumps(placed)


def placed_read(text: str) -> Placed:
    """Read the output of `placed_text`. Raises ValueError or TypeError for anything else."""
    return _place_of(json.loads(text))


def _perhaps(row: Iterable[Any] | None) -> Placed | None:
    return _place_of(row) if row else None
