"""The journal of runs, a file of SQLite: only history, so its errors never stop a build."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from xsrc.core.layout import Masterdir
from xsrc.core.paths import name_fault
from xsrc.core.pkgver import NAME
from xsrc.runs.run import Expected, JobRecord, Run, State, Tally
from xsrc.unix.lock import locked_folder
from xsrc.unix.sqlite import connect

T = TypeVar("T")
_VERSION = 2
_PATIENCE = 10
"""Seconds to wait for another process that writes."""
_MEMORY = 5
"""Builds of a package that its expectations come from."""

_SCHEMA = (
    "CREATE TABLE run (number INTEGER PRIMARY KEY, began REAL NOT NULL, ended REAL, command TEXT NOT NULL, "
    "workers INTEGER NOT NULL, state TEXT NOT NULL)",
    "CREATE TABLE job (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, name TEXT NOT NULL, pkgver TEXT NOT NULL, "
    "state TEXT NOT NULL, phase TEXT NOT NULL, began REAL, ended REAL, seconds TEXT NOT NULL, peak INTEGER NOT NULL, "
    "reason TEXT NOT NULL, error TEXT NOT NULL, because TEXT NOT NULL, needs TEXT NOT NULL, makejobs INTEGER NOT NULL, "
    "untested INTEGER NOT NULL, took REAL, UNIQUE (run, name))",
    "CREATE INDEX job_done ON job (name, run) WHERE state IN ('built', 'failed')",
    "CREATE INDEX job_built ON job (name, run DESC, took, peak) WHERE state = 'built'",
    f"PRAGMA user_version = {_VERSION}",
)
_COLUMNS = "name, pkgver, state, phase, began, ended, seconds, peak, reason, error, because, needs, makejobs, untested"
_UPSERT = (
    f"INSERT INTO job (run, {_COLUMNS}, took) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    f"ON CONFLICT (run, name) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in (*_COLUMNS.split(', '), 'took'))}"
)
_RUNS = "SELECT number, began, ended, command, workers, state FROM run"
_LATEST = 253402300799
"""The last second of the year 9999: no later time can be shown."""
_DAMAGE = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Journal:
    """Runs and their jobs.

    Each call opens it again, so it may be used across a fork, and several processes may write at once. If the file is
    damaged or belongs to another version of xsrc, rename it with a warning and make a new one. If it cannot be read or
    written, warn once and go on without a history.
    """

    def __init__(self, masterdir: Masterdir, warn: Callable[[str], None]) -> None:
        self.path = masterdir.db / "journal.sqlite"
        self.lock = masterdir.db / "journal.lock"
        self._warn = warn
        self._warned = False
        self._claims: dict[int, int] = {}

    def begin(self, command: str, workers: int, at: float, jobs: Iterable[JobRecord]) -> int:
        """Record a new run and its jobs; return its number, 0 if that is impossible."""
        jobs = tuple(jobs)

        def work(db: sqlite3.Connection) -> int:
            number = int(db.execute("SELECT coalesce(max(number), 0) + 1 FROM run").fetchone()[0])
            while not self._claim(number):  # of a run whose journal was set aside
                number += 1
            row = (number, at, None, command, workers, State.RUNNING)
            db.execute("INSERT INTO run (number, began, ended, command, workers, state) VALUES (?, ?, ?, ?, ?, ?)", row)
            db.executemany(_UPSERT, (_row(number, job) for job in jobs))
            return number

        return self._write(work, 0)

    def note(self, run: int, job: JobRecord) -> None:
        """Record the present state of a job of a run."""
        if run:
            self._execute(_UPSERT, _row(run, job))

    def end(self, run: int, at: float, state: State) -> None:
        """Record the end of a run."""
        if run:
            query = "UPDATE run SET ended = ?, state = ? WHERE number = ?"
            self._execute(query, (at, state, run))
        if (claim := self._claims.pop(run, None)) is not None:
            os.close(claim)

    def run(self, number: int) -> Run | None:
        """One run with its jobs, None if there is none of that number."""
        found = self._read(lambda db: self._runs(db, f"{_RUNS} WHERE number = ?", number), tuple[Run, ...]())
        return found[0] if found else None

    def runs(self, limit: int) -> tuple[Run, ...]:
        """The newest runs with their jobs, newest first; a killed run counts as interrupted."""
        return self._read(lambda db: self._runs(db, f"{_RUNS} ORDER BY number DESC LIMIT ?", limit), ())

    def tested(self, name: str, pkgver: str) -> None:
        """Record that the tests of a package have passed after it was built without them."""
        self._execute("UPDATE job SET untested = 0 WHERE name = ? AND pkgver = ?", (name, pkgver))

    def last(self) -> dict[str, JobRecord]:
        """By name, the newest record of a build that was done or failed."""
        query = (
            f"SELECT {_COLUMNS} FROM job JOIN (SELECT name AS which, max(run) AS newest FROM job "
            "WHERE state IN ('built', 'failed') GROUP BY name) ON name = which AND run = newest"
        )
        return self._read(lambda db: {job.name: job for job in map(_job, db.execute(query))}, {})

    def expected(self) -> dict[str, Expected]:
        """By name, what a build may take: the median of its last builds that began with the first phase."""

        def work(db: sqlite3.Connection) -> dict[str, Expected]:
            builds: dict[str, list[tuple[float, int]]] = {}
            for name, took, peak in db.execute(
                "SELECT name, took, peak FROM job WHERE state = 'built' AND took IS NOT NULL ORDER BY name, run DESC"
            ):
                _check(texts=(name,), times=(took,), counts=(peak,))
                if len(newest := builds.setdefault(name, [])) < _MEMORY:
                    newest.append((took, peak))
            return {name: Expected.of(rows) for name, rows in builds.items()}

        return self._read(work, {})

    def tallies(self, limit: int) -> tuple[Tally, ...]:
        """The newest runs without their jobs, newest first; a killed run counts as interrupted."""

        def work(db: sqlite3.Connection) -> tuple[Tally, ...]:
            found = []
            rows = db.execute(f"{_RUNS} ORDER BY number DESC LIMIT ?", (limit,)).fetchall()
            for number, began, ended, command, workers, state in map(_run, rows):
                counts = db.execute("SELECT state, count(*) FROM job WHERE run = ? GROUP BY state", (number,))
                tally = {State(of): count for of, count in counts}
                if not state.over and not self._claimed(number):
                    state = State.INTERRUPTED
                found.append(Tally(number, began, ended, command, workers, state, tally))
            return tuple(found)

        return self._read(work, tuple[Tally, ...]())

    def history(self, names: Iterable[str] | None = None) -> dict[str, list[tuple[int, JobRecord]]]:
        """By name, every record of a build that was done or failed with the number of its run, newest first.

        Without names, those of all packages.
        """
        wanted = "" if names is None else "AND name IN (SELECT value FROM json_each(?))"
        values = () if names is None else (json.dumps(list(names)),)
        query = f"SELECT run, {_COLUMNS} FROM job WHERE state IN ('built', 'failed') {wanted} ORDER BY name, run DESC"

        def work(db: sqlite3.Connection) -> dict[str, list[tuple[int, JobRecord]]]:
            found: dict[str, list[tuple[int, JobRecord]]] = {}
            for run, *row in db.execute(query, values):
                found.setdefault(row[0], []).append((run, _job(tuple(row))))
            return found

        return self._read(work, {})

    def _runs(self, db: sqlite3.Connection, query: str, value: int) -> tuple[Run, ...]:
        found = []
        jobs = f"SELECT {_COLUMNS} FROM job WHERE run = ? ORDER BY id"
        for row in map(_run, db.execute(query, (value,)).fetchall()):
            run = Run(*row, tuple(map(_job, db.execute(jobs, (row[0],)))))
            found.append(run if run.state.over or self._claimed(run.number) else run.cut_off())
        return tuple(found)

    def _read(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        return self._done(work, otherwise, write=False)

    def _write(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        return self._done(work, otherwise, write=True)

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        """Carry out one statement that writes."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(statement, values)

        self._write(work, None)

    def _done(self, work: Callable[[sqlite3.Connection], T], otherwise: T, *, write: bool) -> T:
        """Do `work` in one transaction and return its result; `otherwise` if the journal is empty or unusable."""
        try:
            if not write and not self.path.exists():
                return otherwise
            try:
                with self._transaction(write=write) as db:
                    return work(db) if _is_made(db, write=write) else otherwise
            except (sqlite3.Error, ValueError, TypeError) as error:
                if not _is_damage(error):
                    raise
                self._set_aside()
            with self._transaction(write=write) as db:
                return work(db) if _is_made(db, write=write) else otherwise
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:  # an index can differ from its table
            if not self._warned:
                self._warned = True
                self._warn(f"the history of builds {self.path}: {error}")
            return otherwise

    @contextlib.contextmanager
    def _transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(connect(self.path, _PATIENCE)) as db:
            db.execute("PRAGMA synchronous = OFF")  # a build does not wait for the disk; a kill -9 does no harm
            db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            yield db
            db.execute("COMMIT")

    def _set_aside(self) -> None:
        """Rename the file, unless another process has done so already."""
        with locked_folder(self.path.parent):
            try:
                with self._transaction(write=False) as db:
                    if not _is_made(db, write=False):
                        return
                    (said,) = db.execute("PRAGMA quick_check(1)").fetchone()
                    for row in db.execute(_RUNS):
                        _run(row)
                    for row in db.execute(f"SELECT {_COLUMNS} FROM job"):
                        _job(row)
                    if db.execute("SELECT 1 FROM job WHERE NOT took BETWEEN 0 AND ?", (_LATEST,)).fetchone():
                        raise ValueError("it holds a time that no build took")
                if said == "ok":
                    return
            except (sqlite3.Error, ValueError, TypeError) as error:
                if not _is_damage(error):
                    raise
                said = str(error)
            aside = self.path.with_suffix(".sqlite.damaged")
            self.path.rename(aside)
            self.path.with_name(self.path.name + "-journal").unlink(missing_ok=True)
        self._warn(f"the history of builds cannot be used and was renamed to {aside}: {said}")

    def _claim(self, number: int) -> bool:
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _byte(number))
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._claims[number] = descriptor
        return True

    def _claimed(self, number: int) -> bool:
        try:
            descriptor = os.open(self.lock, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _byte(number))
            return bool(struct.unpack_from("h", found)[0] != fcntl.F_UNLCK)
        finally:
            os.close(descriptor)


def _byte(number: int) -> bytes:
    """The lock of one byte, as struct flock of fcntl(2)."""
    return struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)


def _is_made(db: sqlite3.Connection, *, write: bool) -> bool:
    """Whether there are tables; make them in order to write. Raises ValueError for those of another version."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0 and write:
        for statement in _SCHEMA:
            db.execute(statement)
        return True
    if version not in (0, _VERSION):
        raise ValueError(f"it was made by another version of xsrc ({version}, this one makes {_VERSION})")
    return bool(version)


def _is_damage(error: Exception) -> bool:
    return not isinstance(error, sqlite3.Error) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def _row(run: int, job: JobRecord) -> tuple[object, ...]:
    return (
        run,
        job.name,
        job.pkgver,
        job.state,
        job.phase,
        job.began,
        job.ended,
        json.dumps(dict(job.seconds)),
        job.peak,
        job.reason,
        job.error,
        job.because,
        " ".join(job.needs),
        job.makejobs,
        int(job.untested),
        job.took if job.whole else None,
    )


def _check(*, texts: Iterable[Any] = (), times: Iterable[Any] = (), counts: Iterable[Any] = ()) -> None:
    """Raise ValueError for a value that xsrc did not write: SQLite accepts any value in any column."""
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"want a text, got {text!a}")
    for time in times:
        if time is not None and not (isinstance(time, int | float) and 0 <= time <= _LATEST):
            raise ValueError(f"want seconds, got {time!a}")
    for count in counts:
        if not (isinstance(count, int) and count >= 0):
            raise ValueError(f"want a number, got {count!a}")


def _run(row: tuple[Any, ...]) -> tuple[int, float, float | None, str, int, State]:
    """The columns of a run. Raises ValueError for a damaged one."""
    number, began, ended, command, workers, state = row
    _check(texts=(command,), times=(began, ended), counts=(number, workers))
    if began is None:
        raise ValueError("a run without a beginning")
    return number, began, ended, command, workers, State(state)


def _job(row: tuple[Any, ...]) -> JobRecord:
    """One record. Raises ValueError or TypeError for a damaged one."""
    name, pkgver, state, phase, began, ended, seconds, peak, reason, error, because, needs, makejobs, untested = row
    if re.fullmatch(NAME, name) is None or name_fault(pkgver):  # pages and logs have their names
        raise ValueError(f"no record of a build: {name!a} as {pkgver!a}")
    try:
        times = {str(phase): float(took) for phase, took in dict(json.loads(seconds)).items()}
    except RecursionError:
        raise ValueError("no record of a build: its phases are nested too deeply") from None
    texts = (pkgver, phase, reason, error, because, needs)
    _check(texts=texts, times=(began, ended, *times.values()), counts=(peak, makejobs, untested))
    return JobRecord(
        name,
        pkgver,
        State(state),
        phase,
        began,
        ended,
        times,
        peak,
        reason,
        error,
        because,
        needs=tuple(needs.split()),
        makejobs=makejobs,
        untested=bool(untested),
    )
