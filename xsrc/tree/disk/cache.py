"""Stores what an index knows of its templates in a SQLite file: for each name a row, and a body that few commands need.

A file counts only for the program that wrote it. SQLite does not notice a value whose bytes have changed, so texts are
sealed. A file that is damaged, or that something else wrote, is ignored, and made anew as soon as a row changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from xsrc.unix.program import PROGRAM
from xsrc.unix.sqlite import connect

_PATIENCE = 1.0
"""Seconds to wait for a process that is storing."""
_SCHEMA = (
    "CREATE TABLE program (digest TEXT)",
    "CREATE TABLE template (name TEXT PRIMARY KEY, seen INTEGER, beside TEXT, digest TEXT, outline TEXT) WITHOUT ROWID",
    "CREATE TABLE body (name TEXT PRIMARY KEY, body TEXT)",
)
_COLUMNS = "name, seen, beside, digest, outline"
_ERRORS = (OSError, sqlite3.Error, ValueError, MemoryError)
"""What SQLite raises for a file of any bytes, and for texts that are none."""
_SEAL = 64
"""Characters of a seal."""


class IndexRow(NamedTuple):
    """One template: how to see whether it changed, and its outline. Whoever uses a field checks it."""

    seen: int
    """A hash of the stats of its folder, its text and the files beside it; 0 if stats are not reliable."""
    beside: str
    """The paths of its other sources, below its folder, as JSON; "" for none."""
    digest: str
    """The digest of the contents of all its sources."""
    outline: str = ""
    """The fields of its outline, sealed."""


class Cache:
    """The file of an index; `path` is None to store nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._damaged = False

    def rows(self) -> dict[str, IndexRow]:
        """All rows by name."""
        return {row[0]: IndexRow(*row[1:]) for row in self._ask(f"SELECT {_COLUMNS} FROM template")}

    def bodies(self) -> dict[str, str]:
        """All sealed bodies by name."""
        return dict(self._ask("SELECT name, body FROM body"))

    def _ask(self, query: str) -> list[Any]:
        """The rows that a query finds; none in a file that is no cache of this program."""
        try:
            if self._path is not None and self._path.is_file():
                with _opened(self._path) as db:
                    _check(db)
                    return db.execute(query).fetchall()
        except _ERRORS as error:
            self._damaged |= _is_damage(error)
        return []

    def store(self, rows: Mapping[str, IndexRow], bodies: Mapping[str, str], gone: Collection[str]) -> None:
        """Replace the rows and bodies of some names, and remove those of others. Do nothing if that fails."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._damaged:
                self._path.unlink(missing_ok=True)
            _store(self._path, rows, bodies, gone)
            self._damaged = False
        except _ERRORS as error:
            if not self._damaged and _is_damage(error):
                self._damaged = True
                self.store(rows, bodies, gone)


def _store(path: Path, rows: Mapping[str, IndexRow], bodies: Mapping[str, str], gone: Collection[str]) -> None:
    """Store in one transaction. Raises sqlite3.Error, DatabaseError also for a file that is no cache."""
    with _opened(path) as db:
        db.execute("BEGIN IMMEDIATE")
        if not db.execute("PRAGMA schema_version").fetchone()[0]:
            for statement in _SCHEMA:
                db.execute(statement)
            db.execute("INSERT INTO program VALUES (?)", (_program(),))
        _check(db)
        for table in ("template", "body"):
            db.executemany(f"DELETE FROM {table} WHERE name = ?", [(name,) for name in gone])
        changed = [(name, *row) for name, row in rows.items()]
        db.executemany(f"INSERT OR REPLACE INTO template ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", changed)
        db.executemany("INSERT OR REPLACE INTO body (name, body) VALUES (?, ?)", bodies.items())
        db.execute("COMMIT")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The open file. Raises sqlite3.Error."""
    with contextlib.closing(connect(path, _PATIENCE)) as db:
        # whoever is killed while it stores leaves damage, which costs no more than the time to read the tree again
        db.execute("PRAGMA journal_mode = MEMORY")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA page_size = 16384")  # of a new file: it is read as a whole, which takes 2/3 of the time
        yield db


def _check(db: sqlite3.Connection) -> None:
    """Raise sqlite3.DatabaseError for a file that another program made, or another version of this one."""
    if db.execute("SELECT digest FROM program").fetchall() != [(_program(),)]:
        raise sqlite3.DatabaseError("another program made it")


def _is_damage(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL)


@cache
def _program() -> str:
    """The digest of the code of xsrc: another version may read the same template differently."""
    whole = hashlib.sha256()
    for folder, folders, files in os.walk(PROGRAM):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for name in sorted(files):
            with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 - a hundred and fifty, at every start
                text = file.read()
            whole.update(f"{name} {len(text)}\n".encode() + text)
    return whole.hexdigest()


def sealed(about: str, text: str) -> str:
    """A text with a seal in front, which holds only for what it is `about`."""
    return sha(f"{about}\n{text}".encode()) + text


def unsealed(about: str, text: object) -> str:
    """The text behind a seal; "" for one whose seal does not hold."""
    return text[_SEAL:] if isinstance(text, str) and text == sealed(about, text[_SEAL:]) else ""


def sha(text: bytes) -> str:
    """The sha256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()
