"""The farm's database: what is built, what is stowed, what was begun and not yet finished."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xsrc.errors import HostError
from xsrc.model.farm import Change, Member
from xsrc.model.manifest import Entry, Kind, Manifest, Props
from xsrc.model.pkgver import PkgVer

_SCHEMA = """
CREATE TABLE IF NOT EXISTS package (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, pkgver TEXT NOT NULL UNIQUE, key TEXT NOT NULL, props BLOB NOT NULL,
  run_depends TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS entry (
  package INTEGER NOT NULL REFERENCES package ON DELETE CASCADE,
  path TEXT NOT NULL, kind TEXT NOT NULL, mode INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
  target TEXT NOT NULL, inode INTEGER NOT NULL,
  PRIMARY KEY (package, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_path ON entry (path);
CREATE TABLE IF NOT EXISTS stowed (
  name TEXT PRIMARY KEY, package INTEGER NOT NULL REFERENCES package, asked INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS built (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, pkgver TEXT NOT NULL, key TEXT NOT NULL,
  seconds TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS begun (id INTEGER PRIMARY KEY CHECK (id = 1), change TEXT NOT NULL);
PRAGMA user_version = 3;
"""
_VERSION = 3


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Farm]:
    """The farm's database, made where it is missing; raises HostError for one that cannot be used."""
    try:
        farm = Farm(path)
        try:
            yield farm
        finally:
            farm.close()
    except sqlite3.Error as error:
        hint = f"if it cannot be mended: mv {path} {path}.old; what is in pkg-destdir/ is found again by xsrc build"
        raise HostError(f"the farm's database {path}: {error}", hint=hint) from error


class Farm:
    """The open database; every write is one transaction. Methods raise sqlite3.Error, which `opened` translates."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, timeout=60)
        self.db.execute("PRAGMA foreign_keys = ON")
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(
                f"it was made by another version of xsrc ({version}, this one makes {_VERSION})"
            )
        if version == 0:
            self.db.executescript(_SCHEMA)

    def close(self) -> None:
        self.db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def built(self) -> dict[str, str]:
        """The key of each sealed destdir, by pkgver."""
        return dict(self.db.execute("SELECT pkgver, key FROM package"))

    def versions(self, name: str) -> list[PkgVer]:
        """The built versions of a package, newest last."""
        rows = self.db.execute("SELECT pkgver FROM package WHERE name = ?", (name,))
        return sorted((PkgVer.parse(text) for (text,) in rows), key=lambda pkgver: pkgver.order)

    def record(
        self,
        props: Props,
        manifest: Manifest,
        change: Change | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> None:
        """Note a sealed destdir, in place of one of the same pkgver, and the change of the farm that follows.

        `seconds` says how long each phase took, where that is known.
        """
        with self._transaction():
            self.db.execute(
                "INSERT INTO package (name, pkgver, key, props, run_depends) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (pkgver) DO UPDATE SET key = excluded.key, props = excluded.props, "
                "run_depends = excluded.run_depends",
                (props.pkgver.name, str(props.pkgver), props.key, props.render(), " ".join(props.run_depends)),
            )
            (number,) = self.db.execute("SELECT id FROM package WHERE pkgver = ?", (str(props.pkgver),)).fetchone()
            self.db.execute("DELETE FROM entry WHERE package = ?", (number,))
            self.db.executemany(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                ((number, e.path, e.kind.value, e.mode, e.size, e.sha256, e.target, e.inode) for e in manifest.entries),
            )
            self.db.execute(
                "INSERT INTO built (pkgver, key, seconds) VALUES (?, ?, ?)",
                (str(props.pkgver), props.key, json.dumps(dict(seconds or {}))),
            )
            if change is not None:
                self.begin(change)

    def forget(self, pkgver: PkgVer) -> None:
        """Drop the record of a destdir that is to be removed; it must not be stowed."""
        with self._transaction():
            self.db.execute("DELETE FROM package WHERE pkgver = ?", (str(pkgver),))

    def props(self, pkgver: PkgVer) -> Props | None:
        """What is known of a built package."""
        row = self.db.execute("SELECT props FROM package WHERE pkgver = ?", (str(pkgver),)).fetchone()
        return Props.parse(row[0]) if row else None

    def run_depends(self, pkgver: PkgVer) -> tuple[str, ...]:
        """What a built package needs at run time, as patterns; nothing for one that is not built."""
        row = self.db.execute("SELECT run_depends FROM package WHERE pkgver = ?", (str(pkgver),)).fetchone()
        return tuple(row[0].split()) if row else ()

    def entries(self, pkgver: PkgVer) -> tuple[Entry, ...]:
        """The manifest of a built package."""
        rows = self.db.execute(
            "SELECT path, kind, mode, size, sha256, target, inode FROM entry "
            "WHERE package = (SELECT id FROM package WHERE pkgver = ?) ORDER BY path",
            (str(pkgver),),
        )
        return tuple(_entry(row) for row in rows)

    def directories(self, pkgver: PkgVer) -> frozenset[str]:
        """The directories of a built package."""
        rows = self.db.execute(
            "SELECT path FROM entry WHERE kind = 'dir' AND package = (SELECT id FROM package WHERE pkgver = ?)",
            (str(pkgver),),
        )
        return frozenset(path for (path,) in rows)

    def member(self, pkgver: PkgVer) -> Member | None:
        """A built package as the planner of the farm wants it."""
        props = self.props(pkgver)
        return Member(props, self.entries(pkgver)) if props else None

    def stowed(self) -> dict[str, tuple[PkgVer, bool]]:
        """What is stowed, by name, and whether somebody asked for it by name."""
        rows = self.db.execute(
            "SELECT stowed.name, pkgver, asked FROM stowed JOIN package ON package = package.id ORDER BY stowed.name"
        )
        return {name: (PkgVer.parse(pkgver), bool(asked)) for name, pkgver, asked in rows}

    def sharers(self, paths: Iterable[str], without: Iterable[str]) -> dict[str, dict[str, Entry]]:
        """The entries of stowed packages at `paths`, by pkgver and path, but for the packages named `without`."""
        names = list(without)
        found: dict[str, dict[str, Entry]] = {}
        rows = self.db.execute(
            "SELECT pkgver, entry.path, kind, mode, size, sha256, target, inode FROM json_each(?) AS wanted "
            "CROSS JOIN entry ON entry.path = wanted.value JOIN stowed ON stowed.package = entry.package "
            f"JOIN package ON package.id = entry.package WHERE stowed.name NOT IN ({','.join('?' * len(names))})",
            (json.dumps(list(paths)), *names),
        ).fetchall()
        for pkgver, *row in rows:
            found.setdefault(pkgver, {})[row[0]] = _entry(tuple(row))
        return found

    def owners(self, path: str) -> list[tuple[PkgVer, bool]]:
        """Every built package that has a path, and whether it is the stowed one."""
        rows = self.db.execute(
            "SELECT pkgver, stowed.name IS NOT NULL FROM entry JOIN package ON package.id = entry.package "
            "LEFT JOIN stowed ON stowed.package = package.id WHERE path = ? ORDER BY pkgver",
            (path,),
        )
        return [(PkgVer.parse(pkgver), bool(stowed)) for pkgver, stowed in rows]

    def begin(self, change: Change) -> None:
        """Note a change before anything is touched."""
        self.db.execute("INSERT INTO begun VALUES (1, ?)", (change.render(),))

    def begun(self) -> Change | None:
        """The change that was begun and not finished, if there is one."""
        row = self.db.execute("SELECT change FROM begun").fetchone()
        return Change.parse(row[0]) if row else None

    def finish(self, change: Change) -> None:
        """Note that all of a change is done."""
        with self._transaction():
            for name in change.drop:
                self.db.execute("DELETE FROM stowed WHERE name = ?", (name,))
            for pkgver, asked in change.add.items():
                self.db.execute(
                    "INSERT INTO stowed SELECT name, id, ? FROM package WHERE pkgver = ?", (int(asked), pkgver)
                )
            self.db.execute("DELETE FROM begun")

    def undone(self) -> None:
        """Note that nothing of a change is left."""
        self.db.execute("DELETE FROM begun")


def _entry(row: tuple[str, str, int, int, str, str, int]) -> Entry:
    path, kind, mode, size, sha256, target, inode = row
    return Entry(path, Kind(kind), mode, size, sha256, target, inode)
