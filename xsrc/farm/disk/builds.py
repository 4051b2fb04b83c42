"""The part of the farm's database about builds: the identity, content, outcome and inputs of each."""

from __future__ import annotations

import contextlib
import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from xsrc.core.layout import kept_name
from xsrc.core.outcome import Outcome
from xsrc.core.paths import Unsound, build_id, component
from xsrc.core.pkgver import PkgVer
from xsrc.farm.disk.schema import SCHEMA, VERSION
from xsrc.farm.place import Change, Member, globs_of
from xsrc.store.manifest import Entry, Kind, Manifest, Props, entry_of
from xsrc.store.rules import NO_RULES, Rules
from xsrc.unix.sqlite import connect


class Builds:
    """The open database, as far as it is about builds; every write is one transaction.

    Methods raise sqlite3.Error, and Unsound for a row that xsrc did not write; `opened` converts both. They raise
    OSError if the disk cannot store a change.
    """

    def __init__(self, path: Path, *, read: bool = False, new: bool = False) -> None:
        self.path = str(path)
        self.db = connect(path, 60, read=read)
        self.db.execute("PRAGMA foreign_keys = ON")
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if new:
            self.db.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        elif version == 0:
            raise sqlite3.DatabaseError("it is empty")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"it was made by another version of xsrc ({version}, this one makes {VERSION})")

    def check(self) -> None:
        """Raise sqlite3.DatabaseError if the file is damaged."""
        (said,) = self.db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise sqlite3.DatabaseError(said)

    def close(self) -> None:
        self.db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All writes of the block or none. Raises OSError if the disk cannot store them."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            yield
            self.db.execute("COMMIT")
        except BaseException as error:
            if self.db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self.db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                number = errno.ENOSPC if "full" in str(error) else errno.EIO
                raise OSError(number, str(error), self.path) from error
            raise

    def built(self) -> dict[str, str]:
        """The key of the latest build of each pkgver."""
        rows = self.db.execute("SELECT pkgver, key FROM package WHERE latest")
        with sound("package"):
            return {_pkgver(pkgver): key for pkgver, key in rows}

    def inputs(self) -> dict[str, str]:
        """The digest of the own inputs of the latest build of each pkgver."""
        rows = self.db.execute("SELECT pkgver, inputs FROM package WHERE latest")
        with sound("package"):
            return {_pkgver(pkgver): inputs for pkgver, inputs in rows}

    def outcomes(self) -> dict[str, Outcome]:
        """The outcome of the latest build of each pkgver."""
        rows = self.db.execute("SELECT pkgver, outcome FROM package WHERE latest")
        with sound("package"):
            return {pkgver: Outcome.parse(text) for pkgver, text in rows}

    def saw(self, pkgvers: Iterable[str] | None = None) -> dict[str, dict[str, Outcome]]:
        """By pkgver, for each latest build (or of `pkgvers`), the outcomes of the packages that it saw."""
        rows: Iterable[tuple[str, str]]
        if pkgvers is None:
            rows = self.db.execute("SELECT pkgver, saw FROM package WHERE latest")
        else:
            query = "SELECT pkgver, saw FROM json_each(?) JOIN package ON pkgver = value AND latest"
            rows = self.db.execute(query, (json.dumps(list(pkgvers)),))
        # most of them were seen by many
        parse = cache(Outcome.parse)
        with sound("package"):
            return {pkgver: {n: parse(outcome) for n, outcome in json.loads(text).items()} for pkgver, text in rows}

    def builds(self) -> dict[tuple[str, str], BuildState]:
        """Every build, by pkgver and build."""
        rows = self.db.execute("SELECT pkgver, build, current, latest FROM package ORDER BY id")
        with sound("package"):
            return {(_pkgver(v), build_id(build)): BuildState(bool(c), bool(last)) for v, build, c, last in rows}

    def in_place(self) -> list[PkgVer]:
        """The pkgvers of which a build is in its place, in order of their names."""
        rows = self.db.execute("SELECT pkgver FROM package WHERE current ORDER BY pkgver")
        with sound("package"):
            return [PkgVer.parse(text) for (text,) in rows]

    def build(self, pkgver: PkgVer) -> str:
        """Which build of a pkgver is in its place, "" for none."""
        return self._one("current", pkgver)

    def builds_of(self, pkgvers: Iterable[PkgVer]) -> dict[str, str]:
        """By pkgver, which build is in its place; those without one are left out."""
        query = "SELECT pkgver, build FROM json_each(?) CROSS JOIN package ON pkgver = value AND current"
        rows = self.db.execute(query, (json.dumps([str(pkgver) for pkgver in pkgvers]),))
        with sound("package"):
            return {pkgver: build_id(build) for pkgver, build in rows}

    def latest(self, pkgver: PkgVer) -> str:
        """Which build of a pkgver was made last, "" for none."""
        return self._one("latest", pkgver)

    def _one(self, which: str, pkgver: PkgVer) -> str:
        row = self.db.execute(f"SELECT build FROM package WHERE pkgver = ? AND {which}", (str(pkgver),)).fetchone()
        with sound(f"package {pkgver}"):
            return build_id(row[0]) if row else ""

    def folder(self, pkgver: PkgVer) -> str:
        """The name of the folder of the latest build of a pkgver, below pkg-destdir."""
        query = "SELECT pkgver, build, current FROM package WHERE pkgver = ? AND latest"
        row = self.db.execute(query, (str(pkgver),)).fetchone()
        with sound(f"package {pkgver}"):
            return _folder(*row) if row else str(pkgver)

    def folders(self) -> dict[str, str]:
        """The same of every pkgver that has a latest build."""
        rows = self.db.execute("SELECT pkgver, build, current FROM package WHERE latest")
        with sound("package"):
            return {pkgver: _folder(pkgver, build, current) for pkgver, build, current in rows}

    def with_key(self, pkgver: PkgVer, key: str) -> str:
        """Which build of a pkgver has a key, "" for none."""
        query = "SELECT build FROM package WHERE pkgver = ? AND key = ? ORDER BY latest DESC, id DESC"
        row = self.db.execute(query, (str(pkgver), key)).fetchone()
        with sound(f"package {pkgver}"):
            return build_id(row[0]) if row else ""

    def parts(self, pkgver: PkgVer) -> list[PkgVer]:
        """The subpackages of a built package, in order of their names."""
        rows = self.db.execute("SELECT pkgver FROM package WHERE source = ? AND latest ORDER BY pkgver", (str(pkgver),))
        with sound("package"):
            return [PkgVer.parse(text) for (text,) in rows]

    def versions(self, name: str) -> list[PkgVer]:
        """The built versions of a package, newest last."""
        rows = self.db.execute("SELECT pkgver FROM package WHERE name = ? AND latest", (name,))
        with sound("package"):
            return sorted((PkgVer.parse(text) for (text,) in rows), key=lambda pkgver: pkgver.order)

    def record(
        self, props: Props, manifest: Manifest, seconds: Mapping[str, float] | None = None, build: str = ""
    ) -> None:
        """Record a sealed destdir that is in its place; `seconds` says how long each phase took, if known."""
        with self._transaction():
            self._insert(props, manifest, build, current=True, latest=True)
            self.note_build(props, seconds)

    def record_aside(
        self,
        props: Props,
        manifest: Manifest,
        build: str,
        seconds: Mapping[str, float] | None = None,
        *,
        latest: bool = False,
    ) -> None:
        """Record a build that is kept aside while another one of its pkgver is in its place.

        The `latest` one was just made, and comes into its place when the package is stowed again.
        """
        with self._transaction():
            self._insert(props, manifest, build, current=False, latest=latest)
            if latest:
                self.note_build(props, seconds)

    def _insert(self, props: Props, manifest: Manifest, build: str, *, current: bool, latest: bool) -> None:
        pkgver, rules = str(props.pkgver), props.rules
        if current:
            self.db.execute("UPDATE package SET current = 0 WHERE pkgver = ?", (pkgver,))
        if latest:
            self.db.execute("UPDATE package SET latest = 0 WHERE pkgver = ?", (pkgver,))
        self.db.execute("DELETE FROM package WHERE pkgver = ? AND build = ? AND NOT current", (pkgver, build))
        row = self.db.execute(
            "INSERT INTO package (name, pkgver, build, current, latest, public, source, run_depends, rules, sonames, "
            "links, key, inputs, outcome, saw, props) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(props.pkgver.name, pkgver, build, int(current), int(latest), int(rules.public), props.source),
                *(" ".join(props.run_depends), json.dumps(rules.table()), json.dumps(props.shlib_provides)),
                *_origin(props),
            ),
        )
        self.db.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (row.lastrowid, e.path, e.kind.value, e.mode, e.size, e.sha256, e.target, e.inode)
                for e in manifest.entries
            ),
        )

    def renew(self, props: Props, build: str, seconds: Mapping[str, float] | None = None) -> None:
        """Record the new inputs of a build that was made again with the same result; it is the latest from then on."""
        with self._transaction():
            self._be_latest(str(props.pkgver), build)
            self.db.execute(
                "UPDATE package SET links = ?, key = ?, inputs = ?, outcome = ?, saw = ?, props = ? "
                "WHERE pkgver = ? AND latest",
                (*_origin(props), str(props.pkgver)),
            )
            self.note_build(props, seconds)

    def be_latest(self, builds: Iterable[tuple[PkgVer, str]]) -> None:
        """Record that older builds count again as the latest of their pkgvers."""
        rows = [(str(pkgver), build) for pkgver, build in builds]
        if rows:
            with self._transaction():
                for pkgver, build in rows:
                    self._be_latest(pkgver, build)

    def _be_latest(self, pkgver: str, build: str) -> None:
        self.db.execute("UPDATE package SET latest = 0 WHERE pkgver = ? AND build != ?", (pkgver, build))
        self.db.execute("UPDATE package SET latest = 1 WHERE pkgver = ? AND build = ?", (pkgver, build))

    def note_keys(self, keys: Iterable[tuple[PkgVer, str]]) -> None:
        """Record new keys of the latest builds; the packages that they saw have the same outcomes."""
        rows = [(key, str(pkgver)) for pkgver, key in keys]
        if rows:
            with self._transaction():
                self.db.executemany("UPDATE package SET key = ? WHERE pkgver = ? AND latest", rows)

    def note_build(self, props: Props, seconds: Mapping[str, float] | None = None) -> None:
        """Note that a pkgver was built, also when the outcome is the very same as before."""
        self.db.execute(
            "INSERT INTO built (pkgver, key, seconds) VALUES (?, ?, ?)",
            (str(props.pkgver), props.key, json.dumps(dict(seconds or {}))),
        )

    def begin(self, change: Change) -> None:
        """Record a change before it begins, or again with later results."""
        if self.db.in_transaction:
            self.db.execute("INSERT OR REPLACE INTO begun VALUES (1, ?)", (change.render(),))
            return
        with self._transaction():
            self.begin(change)

    def forget(self, builds: Iterable[tuple[str, str]], folders: Iterable[str] = ()) -> None:
        """Drop the records of builds, by pkgver and build, none of them stowed; record their `folders` for removal."""
        with self._transaction():
            self.db.executemany("DELETE FROM package WHERE pkgver = ? AND build = ?", builds)
            # what is in its place counts as the latest again where that one is gone
            self.db.execute(
                "UPDATE package SET latest = 1 WHERE current "
                "AND NOT EXISTS (SELECT 1 FROM package AS other WHERE other.pkgver = package.pkgver AND other.latest)"
            )
            self.db.executemany("INSERT OR IGNORE INTO going VALUES (?)", ((folder,) for folder in folders))

    def going(self) -> list[str]:
        """Folders of forgotten builds that must be removed."""
        with sound("going"):
            return [component(folder) for (folder,) in self.db.execute("SELECT folder FROM going ORDER BY folder")]

    def gone(self, folder: str) -> None:
        """Note that a folder of a forgotten build is removed."""
        with self._transaction():
            self.db.execute("DELETE FROM going WHERE folder = ?", (folder,))

    def props(self, pkgver: PkgVer, build: str | None = None) -> Props | None:
        """The record of the latest build of a package, or of the named one."""
        which = self.latest(pkgver) if build is None else build
        query = "SELECT props FROM package WHERE pkgver = ? AND build = ?"
        row = self.db.execute(query, (str(pkgver), which)).fetchone()
        with sound(f"package {pkgver}"):
            return Props.parse(row[0]) if row else None

    def run_depends(self, pkgver: PkgVer) -> tuple[str, ...]:
        """The needs of the latest build of a package at run time, as patterns; none for one that is not built."""
        row = self.db.execute("SELECT run_depends FROM package WHERE pkgver = ? AND latest", (str(pkgver),)).fetchone()
        with sound(f"package {pkgver}"):
            return tuple(str(row[0]).split()) if row else ()

    def entries(self, pkgver: PkgVer, build: str | None = None) -> tuple[Entry, ...]:
        """The manifest of the latest build of a package, or of the named one."""
        rows = self.db.execute(
            "SELECT path, kind, mode, size, sha256, target, inode FROM entry "
            "WHERE package = (SELECT id FROM package WHERE pkgver = ? AND build = ?) ORDER BY path",
            (str(pkgver), self.latest(pkgver) if build is None else build),
        )
        with sound(f"entries of {pkgver}"):
            return tuple(read_entry(row) for row in rows)

    def member(self, pkgver: PkgVer, build: str | None = None) -> Member | None:
        """A built package for the planner of the farm: the build in its place, or the named one."""
        which, values = ("current", ()) if build is None else ("build = ?", (build,))
        row = self.db.execute(
            "SELECT id, rules, nostow FROM package LEFT JOIN stowed ON stowed.package = package.id "
            f"WHERE pkgver = ? AND {which}",
            (str(pkgver), *values),
        ).fetchone()
        if row is None:
            return None
        rows = self.db.execute(
            "SELECT path, kind, mode, size, sha256, target, inode FROM entry WHERE package = ? ORDER BY path", (row[0],)
        )
        with sound(f"{pkgver}"):
            return Member(pkgver, tuple(read_entry(entry) for entry in rows), read_rules(row[1]), read_globs(row[2]))


def _folder(pkgver: str, build: str, current: int) -> str:
    """The name of the folder of a build, below pkg-destdir."""
    return _pkgver(pkgver) if current else kept_name(_pkgver(pkgver), build_id(build))


class BuildState(NamedTuple):
    """Whether a build is in its place, and whether it is the latest of its pkgver."""

    current: bool
    latest: bool


def _origin(props: Props) -> tuple[str, str, str, str, str, bytes]:
    """The data that may change when an equal build is made again."""
    links = json.dumps({soname: [one.provider, one.build, one.path] for soname, one in props.links.items()})
    saw = json.dumps({name: str(outcome) for name, outcome in props.saw.items()}, sort_keys=True)
    return links, props.key, props.inputs, str(props.outcome), saw, props.render()


@contextlib.contextmanager
def sound(what: str) -> Iterator[None]:
    """Convert errors of reading rows: raises Unsound, which names them by `what`."""
    try:
        yield
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise Unsound(f"{what}: {error}") from error


def _pkgver(text: str) -> str:
    return str(PkgVer.parse(text))


def read_rules(text: str) -> Rules:
    """The rules that a column holds. Raises ValueError, TypeError, KeyError or AttributeError for anything else."""
    return Rules.of(json.loads(text)) if text != "{}" else NO_RULES


def read_globs(text: str | None) -> tuple[str, ...]:
    """The globs that a column holds, none for what is not stowed. Raises ValueError for anything else."""
    return globs_of(json.loads(text)) if text not in (None, "[]") else ()


def read_entry(row: tuple[str, str, int, int, str, str, int]) -> Entry:
    """The entry that a row holds. Raises Unsound for a path that leaves the root, KeyError for no kind."""
    path, kind, mode, size, sha256, target, inode = row
    return entry_of(path, _KINDS[kind], mode, size, sha256, target, inode)


_KINDS = {kind.value: kind for kind in Kind}
