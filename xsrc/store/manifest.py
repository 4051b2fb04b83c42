"""The files of a destdir as a value, and the two property lists beside them.

Both lists have the shape of the xbps formats: xbps can read them and ignores our own keys.
"""

from __future__ import annotations

import enum
import hashlib
import plistlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple
from xml.parsers.expat import ExpatError

from xsrc.core.globs import matches
from xsrc.core.outcome import UNKNOWN, Outcome
from xsrc.core.paths import CONTROLS, Unsound, build_id, inside
from xsrc.core.pkgver import RESERVED, PkgVer
from xsrc.store import listing
from xsrc.store.link import Link
from xsrc.store.listing import Listed
from xsrc.store.rules import NO_RULES, Rules

FILES, PROPS = "files.plist", "props.plist"
METADATA = frozenset({FILES, PROPS})
"""Names at the top of a destdir that are about the package, not of it."""
UNTESTED = "untested"
"""The mark of a build whose tests did not run."""


_UNREADABLE = (
    plistlib.InvalidFileException,
    ExpatError,
    LookupError,
    TypeError,
    AttributeError,
    ValueError,
    OverflowError,
    RecursionError,
)


def read_plist(data: bytes) -> Any:
    """Read a property list, only as XML: in the binary form, a few bytes can expand beyond all memory.

    Raises the errors of _UNREADABLE, also for numbers that no property list can hold.
    """
    found = plistlib.loads(data, fmt=plistlib.FMT_XML)
    queue: list[Any] = [found]
    for value in queue:  # which grows meanwhile
        if isinstance(value, dict):
            queue += value.values()
        elif isinstance(value, list):
            queue += value
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            raise ValueError("a number of more than 64 bits")
    return found


def render_plist(value: Mapping[str, Any]) -> bytes:
    """The text of a property list."""
    return plistlib.dumps(dict(value))


class Kind(enum.StrEnum):
    """What a path is."""

    FILE = "file"
    LINK = "link"
    DIR = "dir"


class Entry(NamedTuple):
    """One path of a destdir, relative to its root."""

    path: str
    kind: Kind
    mode: int = 0o755
    """Permission bits as they were installed, setuid and setgid included."""
    size: int = 0
    """Bytes."""
    sha256: str = ""
    target: str = ""
    """The text of a link."""
    inode: int = 0
    """Equal and not 0 for the names of one hard-linked file."""


def kept_mode(path: str, mode: int, open_modes: Iterable[tuple[str, int]]) -> int:
    """The mode that a manifest has for a path: nobody but its owner can write it, except where a template says so.

    `open_modes` are globs, each with the mode that a template gives to what it means.

    >>> oct(kept_mode("usr/lib/x", 0o777, [])), oct(kept_mode("var/tmp", 0o1777, [("var/tmp", 0o1777)]))
    ('0o755', '0o1777')
    """
    said = mode & 0o022 and any(mode == given and matches(path, (glob,)) for glob, given in open_modes)
    return mode if said else mode & ~0o022


def entry_of(path: str, kind: Kind, mode: int, size: int, sha256: str, target: str, inode: int) -> Entry:
    """Return the entry that a record holds. Raises Unsound for an impossible one."""
    if not (isinstance(mode, int) and 0 <= mode <= 0o7777 and isinstance(size, int) and size >= 0):
        raise Unsound(f"{path!a}: want a mode and a size, got {mode!a} and {size!a}")
    if not (isinstance(sha256, str) and isinstance(inode, int)):
        raise Unsound(f"{path!a}: want a checksum and a number, got {sha256!a} and {inode!a}")
    if not isinstance(target, str) or (target and not target.isprintable() and CONTROLS.search(target)):
        raise Unsound(f"{path!a}: {target!a} is no text of a link")
    return Entry(inside(path), kind, mode, size, sha256, target, inode)


_LISTED = {"files": Kind.FILE, "conf_files": Kind.FILE, "links": Kind.LINK, "dirs": Kind.DIR}
"""What the paths of each list are."""


def _rows(lists: Any) -> list[tuple[str, Listed]]:
    """The rows of a property list, whoever wrote it. Raises the errors of _UNREADABLE."""
    return [
        (name, Listed(item["file"], *(item.get(key) for key in Listed._fields[1:])))
        for name in _LISTED
        for item in lists.get(name, [])
    ]


def _rooted(path: str) -> str:
    if path[:1] != "/":
        raise Unsound(f"{path!a} does not begin with /")
    return path[1:]


@dataclass(frozen=True)
class Manifest:
    """Every path of a destdir, in order."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Manifest:
        return cls(tuple(sorted(entries)))

    @property
    def size(self) -> int:
        """Bytes of all files, each inode once."""
        seen: set[int] = set()
        total = 0
        for entry in self.entries:
            if entry.kind is Kind.FILE and not (entry.inode and entry.inode in seen):
                seen.add(entry.inode)
                total += entry.size
        return total

    def render(self, conf_files: Iterable[str] = ()) -> bytes:
        """The text of files.plist."""
        conf = {path.lstrip("/") for path in conf_files}
        lists: dict[str, list[Listed]] = {"files": [], "conf_files": [], "links": [], "dirs": []}
        for path, kind, mode, size, sha256, target, inode in self.entries:
            match kind:
                case Kind.FILE:
                    row = Listed(f"/{path}", inode or None, f"{mode:04o}", sha256, size)
                    lists["conf_files" if path in conf else "files"].append(row)
                case Kind.LINK:
                    lists["links"].append(Listed(f"/{path}", target=target))
                case Kind.DIR:
                    lists["dirs"].append(Listed(f"/{path}", mode=f"{mode:04o}"))
        return listing.written(lists)

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read files.plist. Raises ValueError for a bad one, and Unsound for a path that leaves the root."""
        try:
            rows = listing.rows(data)
            rows = _rows(read_plist(data)) if rows is None else rows
            entries = [
                entry_of(
                    _rooted(row.file),
                    kind,
                    int("0777" if row.mode is None else row.mode, 8),
                    (row.size or 0) if kind is Kind.FILE else 0,
                    (row.sha256 or "") if kind is Kind.FILE else "",
                    (row.target or "") if kind is Kind.LINK else "",
                    (row.inode or 0) if kind is Kind.FILE else 0,
                )
                for name, row in rows
                for kind in (_LISTED[name],)
            ]
        except _UNREADABLE as error:
            raise ValueError(f"not a files.plist: {error}") from error
        return cls.of(entries)


@dataclass(frozen=True)
class Props:
    """The record of one sealed destdir."""

    pkgver: PkgVer
    arch: str
    key: str
    """The build key; its pre-image is in the farm's database and below `preimage`."""
    inputs: str = ""
    """The digest of the package's own inputs, without its dependencies."""
    outcome: Outcome = UNKNOWN
    """The outcome of the build."""
    saw: Mapping[str, Outcome] = field(default_factory=dict)
    """The outcome of each package in its build roots, by name, on the rungs that count for this package."""
    short_desc: str = ""
    license: str = ""
    homepage: str = ""
    maintainer: str = ""
    size: int = 0
    """Bytes installed."""
    run_depends: tuple[str, ...] = ()
    """Patterns: the declared ones and the packages whose libraries are needed."""
    shlib_requires: tuple[str, ...] = ()
    shlib_provides: tuple[str, ...] = ()
    links: Mapping[str, Link] = field(default_factory=dict)
    """By soname, the libraries of other packages that its files were linked with; all others are of the base."""
    exports: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """By soname of its own libraries, the symbols that others can use, packed."""
    rules: Rules = NO_RULES
    source: str = ""
    """For a subpackage, the pkgver that it belongs to."""
    commit: str = ""
    """The commit of the tree that it was built from, with a `+` if its template differed; no part of its identity."""
    options: Mapping[str, bool] = field(default_factory=dict)
    build: Mapping[str, Any] = field(default_factory=dict)
    """How it was built: base, SOURCE_DATE_EPOCH, and whether its tests were left out."""
    preimage: str = field(default="", repr=False)

    @property
    def untested(self) -> bool:
        """Whether it has tests that did not run."""
        return bool(self.build.get(UNTESTED))

    _LISTS = ("run_depends", "shlib_requires", "shlib_provides")
    _TEXTS = ("short_desc", "license", "homepage", "maintainer", "source", "commit", "inputs", "preimage")

    def render(self) -> bytes:
        """The text of props.plist."""
        props: dict[str, Any] = {
            "pkgver": str(self.pkgver),
            "pkgname": self.pkgver.name,
            "version": f"{self.pkgver.version}_{self.pkgver.revision}",
            "architecture": self.arch,
            "installed_size": self.size,
            "build-key": self.key,
            "outcome": str(self.outcome),
            "saw": {name: str(saw) for name, saw in sorted(self.saw.items())},
            "build-options": dict(self.options),
            "build": dict(self.build),
        }
        props |= {"shlib-links": {name: asdict(self.links[name]) for name in sorted(self.links)}} if self.links else {}
        props |= {"shlib-exports": dict(sorted(self.exports.items()))} if self.exports else {}
        rules = self.rules.table()
        props |= {name: rules.pop(name) for name in _XBPS if name in rules}
        props |= {"rules": rules} if rules else {}
        for name in (*self._LISTS, *self._TEXTS):
            if value := getattr(self, name):
                props[_PLIST.get(name, name)] = list(value) if isinstance(value, tuple) else value
        return render_plist(props)

    @classmethod
    def parse(cls, data: bytes) -> Props:
        """Read props.plist. Raises ValueError for a bad one, and for a rule that leaves the root."""
        try:
            props = read_plist(data)
            rest: dict[str, Any] = {name: tuple(props.get(_PLIST.get(name, name), ())) for name in cls._LISTS}
            rest |= {name: props.get(_PLIST.get(name, name), "") for name in cls._TEXTS}
            pkgver = PkgVer.parse(props["pkgver"])
            if pkgver.name in RESERVED:
                raise Unsound(f"no package is named {pkgver.name}")
            return cls(
                pkgver=pkgver,
                arch=props["architecture"],
                key=props["build-key"],
                outcome=Outcome.parse(props.get("outcome", "  ")),
                saw={name: Outcome.parse(saw) for name, saw in props.get("saw", {}).items()},
                size=props["installed_size"],
                links={soname: _link(row) for soname, row in props.get("shlib-links", {}).items()},
                exports={soname: bytes(data) for soname, data in props.get("shlib-exports", {}).items()},
                rules=Rules.of({**props.get("rules", {}), **{n: props[n] for n in _XBPS if n in props}}),
                options=props.get("build-options", {}),
                build=props.get("build", {}),
                **rest,
            )
        except _UNREADABLE as error:
            raise ValueError(f"not a props.plist: {error}") from error


def _link(row: Mapping[str, Any]) -> Link:
    provider, path = str(PkgVer.parse(row["provider"])), row["path"]
    return Link(provider, row["build"] and build_id(row["build"]), path and inside(path), bytes(row["symbols"]))


_XBPS = ("conf_files", "provides", "conflicts", "replaces")
"""Rules that xbps knows by the same names."""
_PLIST = {
    "shlib_requires": "shlib-requires",
    "shlib_provides": "shlib-provides",
    "inputs": "build-inputs",
    "commit": "source-commit",
}


def identity(props: Props, files: bytes) -> str:
    """The id of a build among those of a pkgver: the beginning of the digest of its tree."""
    return tree_digest(props, files)[:20]


def tree_digest(props: Props, files: bytes) -> str:
    """The digest of what a sealed destdir holds: of both its property lists without its history.

    A second build from other inputs, or with tests, has the same digest if its files, their times and its rules are
    the same.
    """
    kept = Props(
        props.pkgver,
        props.arch,
        "",
        size=props.size,
        run_depends=props.run_depends,
        shlib_requires=props.shlib_requires,
        shlib_provides=props.shlib_provides,
        rules=props.rules,
        source=props.source,
        build={name: value for name, value in props.build.items() if name != UNTESTED},
    )
    return hashlib.sha256(hashlib.sha256(kept.render()).digest() + hashlib.sha256(files).digest()).hexdigest()
