"""The stowed root as values: how a path stands in it, what changes it, which change was begun."""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from xsrc.model.manifest import Entry, Kind, Props
from xsrc.model.pkgver import PkgVer


class Class(enum.Enum):
    """How a path of a package stands in the stowed root."""

    DIR = "dir"
    LINK = "link"
    """A relative link to the file in its destdir."""
    SHIPPED = "shipped"
    """A link that the package ships, made again verbatim."""
    HARD = "hard"
    COPY = "copy"


@dataclass(frozen=True)
class Placed:
    """What stands, or shall stand, at a path of the root."""

    path: str
    owner: PkgVer
    how: Class
    text: str = ""
    """The text of a link, the sha256 of a copy, the mode of a directory."""
    mode: int = 0o755


@dataclass(frozen=True)
class Found:
    """What stands at a path of the root on disk; a missing path has no Found."""

    kind: str
    """`dir`, `link`, `file` or `other`."""
    text: str = ""
    """The text of a link, the sha256 of a file where it was asked for."""
    inode: tuple[int, int] = (0, 0)
    """Device and inode of a file."""


class Act(enum.Enum):
    """What an operation does."""

    MKDIR = "mkdir"
    PUT = "put"
    """Make a link, hard link or copy under a temporary name and rename it into place."""
    REMOVE = "remove"
    RMDIR = "rmdir"
    KEEP = "keep"
    """Leave a conf file that the user changed and put the package's own beside it as `.new`."""


@dataclass(frozen=True)
class Op:
    """One operation; each can be done twice without harm."""

    act: Act
    placed: Placed
    before: Placed | None = None
    """What stood there, where it was ours: what undoing the operation puts back."""


@dataclass(frozen=True)
class Member:
    """A package as the farm sees it: its entries and its rules."""

    props: Props
    entries: tuple[Entry, ...] = field(repr=False)

    @property
    def name(self) -> str:
        return self.props.pkgver.name

    @cached_property
    def places(self) -> Mapping[str, Placed]:
        """Where and how each path of the package shall stand."""
        props, ignored = self.props, self.props.ignore
        conf = {path.lstrip("/") for path in props.conf_files}
        return {e.path: _place(e, props, conf) for e in self.entries if not (ignored and _matches(e.path, ignored))}


def _place(entry: Entry, props: Props, conf: Set[str]) -> Placed:
    path = entry.path
    if entry.kind is Kind.DIR:
        return Placed(path, props.pkgver, Class.DIR, mode=entry.mode)
    if entry.kind is Kind.LINK:
        return Placed(path, props.pkgver, Class.SHIPPED, entry.target)
    if path.startswith("etc/") or path in conf or (props.copy and _matches(path, props.copy)):
        return Placed(path, props.pkgver, Class.COPY, entry.sha256, entry.mode)
    if props.hardlink and _matches(path, props.hardlink):
        return Placed(path, props.pkgver, Class.HARD, entry.sha256, entry.mode)
    return Placed(path, props.pkgver, Class.LINK, link_text(props.pkgver, path), entry.mode)


def link_text(pkgver: PkgVer, path: str) -> str:
    """The relative link from a path of the root to its file; it reads the same from the host and from inside.

    >>> link_text(PkgVer("dash", "0.5.12", 1), "usr/bin/dash")
    '../../pkg-destdir/dash-0.5.12_1/usr/bin/dash'
    """
    return "../" * path.count("/") + f"pkg-destdir/{pkgver}/{path}"


def _matches(path: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(path, glob.removeprefix("?")) for glob in globs)


@dataclass(frozen=True)
class Change:
    """A change of the farm: what goes in (and whether somebody asked for it by name), what goes out, and how."""

    add: Mapping[str, bool]
    """By pkgver."""
    drop: tuple[str, ...]
    """Names."""
    ops: tuple[Op, ...]

    def render(self) -> str:
        """The change as JSON."""
        ops = [[op.act.value, _row(op.placed), _row(op.before) if op.before else None] for op in self.ops]
        return json.dumps({"add": dict(self.add), "drop": list(self.drop), "ops": ops})

    @classmethod
    def parse(cls, text: str) -> Change:
        """Read what `render` wrote."""
        raw = json.loads(text)
        ops = tuple(
            Op(Act(act), _placed(placed), _placed(before) if before else None) for act, placed, before in raw["ops"]
        )
        return cls(raw["add"], tuple(raw["drop"]), ops)


def _row(placed: Placed) -> list[str | int]:
    return [placed.path, str(placed.owner), placed.how.value, placed.text, placed.mode]


def _placed(row: list[Any]) -> Placed:
    path, owner, how, text, mode = row
    return Placed(path, PkgVer.parse(owner), Class(how), text, mode)
