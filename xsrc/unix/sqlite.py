"""Opens SQLite databases that somebody else may have written; runs no code that is in one."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

_REFUSED = "SELECT name FROM sqlite_master WHERE type IN ('view', 'trigger') LIMIT 1"


class _Connection(sqlite3.Connection):
    """A connection that reports a damaged schema as one, also where the complaint of SQLite is no text itself."""

    def execute(self, *query: Any) -> sqlite3.Cursor:
        """Run a statement. Raises sqlite3.Error."""
        try:
            return super().execute(*query)
        except UnicodeDecodeError as error:
            damage = sqlite3.DatabaseError("it is damaged: it holds names that are no text")
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise damage from error


def connect(path: Path | str, timeout: float, *, read: bool = False) -> sqlite3.Connection:
    """Open a database; with `read`, for a look only.

    Raises sqlite3.Error, DatabaseError for a link, or for a database with views or triggers: xsrc makes none, and what
    they call would run in this process.
    """
    if Path(path).is_symlink():
        raise sqlite3.DatabaseError("it is a symbolic link")
    address = _read_only(path) if read else path
    db = sqlite3.connect(address, isolation_level=None, timeout=timeout, uri=read, factory=_Connection)
    try:
        if configure := getattr(db, "setconfig", None):  # Python 3.12
            configure(getattr(sqlite3, "SQLITE_DBCONFIG_DEFENSIVE"), True)  # noqa: B009
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute("PRAGMA cell_size_check = ON")
        db.execute("PRAGMA mmap_size = 0")  # a file that another process cuts short would end this one
        if found := db.execute(_REFUSED).fetchone():
            raise sqlite3.DatabaseError(f"it holds a view or a trigger: {found[0]!a}")
    except BaseException:
        db.close()
        raise
    return db


def _read_only(path: Path | str) -> str:
    from urllib.parse import quote  # few need it

    return f"file:{quote(str(path))}?mode=ro"
