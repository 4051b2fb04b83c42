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
_SEAL = 64
"""Characters of a seal."""


class Row(NamedTuple):
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

    def rows(self) -> dict[str, Row]:
        """All rows by name."""
        return {row[0]: Row(*row[1:]) for row in self._ask("SELECT * FROM template")}

    def bodies(self, name: str = "") -> dict[str, str]:
        """The sealed bodies of all templates, or of one."""
        found = self._ask("SELECT * FROM body WHERE name = ?", name) if name else self._ask("SELECT * FROM body")
        return dict(found)

    def _ask(self, query: str, *values: str) -> list[Any]:
        """The rows that a query finds; none in a file that is no cache of this program."""
        with contextlib.suppress(OSError, sqlite3.Error, MemoryError):
            if self._path is not None and self._path.is_file():
                with _opened(self._path) as db:
                    return db.execute(query, values).fetchall() if _is_own(db) else []
        return []

    def store(self, rows: Mapping[str, Row], bodies: Mapping[str, str], gone: Collection[str]) -> None:
        """Replace the rows and bodies of some names, and remove those of others. Do nothing if that fails."""
        if self._path is None:
            return
        with contextlib.suppress(OSError, sqlite3.Error, ValueError, MemoryError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._store(rows, bodies, gone)
            except (sqlite3.Error, MemoryError) as error:
                if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_BUSY:
                    return
                self._path.unlink(missing_ok=True)
                self._store(rows, bodies, gone)

    def _store(self, rows: Mapping[str, Row], bodies: Mapping[str, str], gone: Collection[str]) -> None:
        """Store in one transaction. Raises sqlite3.Error, DatabaseError also for a file that is no cache."""
        assert self._path is not None
        with _opened(self._path) as db:
            db.execute("BEGIN IMMEDIATE")
            if not db.execute("PRAGMA schema_version").fetchone()[0]:
                for statement in _SCHEMA:
                    db.execute(statement)
                db.execute("INSERT INTO program VALUES (?)", (_program(),))
            if not _is_own(db):
                raise sqlite3.DatabaseError("another program made it")
            for table in ("template", "body"):
                db.executemany(f"DELETE FROM {table} WHERE name = ?", [(name,) for name in gone])
            db.executemany(
                "INSERT OR REPLACE INTO template VALUES (?, ?, ?, ?, ?)", [(name, *row) for name, row in rows.items()]
            )
            db.executemany("INSERT OR REPLACE INTO body VALUES (?, ?)", bodies.items())
            db.execute("COMMIT")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The open file. Raises sqlite3.Error."""
    with contextlib.closing(connect(path, _PATIENCE)) as db:
        # whoever is killed while it stores leaves damage, which costs no more than the time to read the tree again
        db.execute("PRAGMA journal_mode = MEMORY")
        db.execute("PRAGMA synchronous = OFF")
        yield db


def _is_own(db: sqlite3.Connection) -> bool:
    """Whether this very program made the file. Raises sqlite3.Error."""
    return db.execute("SELECT digest FROM program").fetchall() == [(_program(),)]


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
