"""Masterdirs as the tests see them: copied, put back, and looked at in full without asking xsrc."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Container, Iterator, Mapping
from pathlib import Path

from xsrc.core.layout import Masterdir

State = Mapping[str, str]
"""Every path with its kind, mode and content, and every row of the database."""

LAYERS = "pkg-base"
"""What hides programs of this machine: thousands of devices, made once and kept, so no command changes them."""
_PASSING = (
    LAYERS,
    "pkg-builddir/",
    "var/db/xsrc/farm.",
    "var/db/xsrc/journal.",
    "var/db/xsrc/index",
    "var/db/xsrc/triggers",
)
"""What a command that was cut off may leave: locks, work directories, in which destdirs grow, and scratch folders; and
the database, whose rows are read."""
_ASIDE = "pkg-destdir/."
"""Builds aside, of which only those are looked at that the database knows, and destdirs that are not finished."""
_CLOCK = ("at", "seconds")
"""Columns that differ between equal runs; and so do numbers of rows, for which names stand."""


def duplicate(source: Path, target: Path) -> None:
    """Copy a masterdir without its layers: hard links stay so, and so do modes and times."""
    names: dict[int, str] = {}

    def below(old: str, new: str) -> None:
        os.mkdir(new, 0o700)  # noqa: PTH102 - thousands of times
        with os.scandir(old) as entries:
            for entry in entries:
                if entry.name == LAYERS:
                    continue
                status = entry.stat(follow_symlinks=False)
                made = f"{new}/{entry.name}"
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), made)  # noqa: PTH211, PTH115
                elif entry.is_dir():
                    below(entry.path, made)
                elif status.st_ino in names:
                    os.link(names[status.st_ino], made)
                else:
                    shutil.copyfile(entry.path, made)
                    os.chmod(made, stat.S_IMODE(status.st_mode))
                    if status.st_nlink > 1:
                        names[status.st_ino] = made
                os.utime(made, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)
        os.chmod(new, stat.S_IMODE(os.stat(old).st_mode))  # noqa: PTH116

    below(os.fspath(source), os.fspath(target))


def _walk(top: str, known: Container[str], prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(f"{top}/{prefix}") as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = f"{prefix}{entry.name}"
        if path.startswith(_PASSING) or (path.startswith(_ASIDE) and entry.name not in known and not prefix[13:]):
            continue
        status = entry.stat(follow_symlinks=False)
        yield path, status
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(top, known, f"{path}/")


def _described(path: str, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return f"link {os.readlink(path)}"  # noqa: PTH115
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if stat.S_ISDIR(status.st_mode):
        return f"dir {mode}"
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
        if "/generations/" in path:
            content = b"\n".join(line for line in content.split(b"\n") if not line.startswith(b"at = "))
        return f"file {mode} {hashlib.sha256(content).hexdigest()[:16]}"
    return f"other {status.st_mode:o}"


def look(masterdir: Path, scratch: Path) -> State:
    """A masterdir in full; `scratch` is a folder for a copy of the database, so that the look itself mends nothing."""
    rows, aside = _rows(Masterdir(masterdir).farm, scratch)
    return {**paths(masterdir, aside), **rows}


def paths(masterdir: Path, aside: Container[str] = ()) -> State:
    """Every path of a masterdir with its kind, mode, content and other names; of builds aside those that are named."""
    top = os.fspath(masterdir)
    seen: dict[str, str] = {}
    leaders: dict[int, str] = {}
    for path, status in _walk(top, aside):
        seen[path] = _described(f"{top}/{path}", status)
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            seen[path] += f" = {leaders.setdefault(status.st_ino, path)}"
    return seen


def _rows(database: Path, scratch: Path) -> tuple[dict[str, str], set[str]]:
    """Every row of the farm's database, and the folders of builds aside that it knows.

    A journal that lies beside it is taken into account, and left as it is.
    """
    if not database.exists():
        return {}, set()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for file in database.parent.glob(f"{database.name}*"):
        shutil.copyfile(file, scratch / file.name)
    db = sqlite3.connect(scratch / database.name)
    db.row_factory = sqlite3.Row
    seen = {}
    builds = {
        number: f"{pkgver}.{build}" for number, pkgver, build in db.execute("SELECT id, pkgver, build FROM package")
    }
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    tables.remove("going")  # what is left of a sweep: which folders there are is seen on disk
    for table in tables:
        for row in map(dict, db.execute(f'SELECT * FROM "{table}"')):
            if "package" in row:
                row["package"] = builds.get(row["package"], "none")
            kept = [f"{key}={value!r}" for key, value in row.items() if key not in (*_CLOCK, "id")]
            seen[f"database: {table}: {' '.join(kept)}"] = ""
    db.close()
    return seen, {f".{name}" for name in builds.values()}


def built_of(state: State) -> list[str]:
    """What the database says is built and in its place."""
    return [found[1] for row in state if (found := re.match(r"database: package: .*pkgver='(.*?)'.* current=1 ", row))]


def root_of(state: State) -> State:
    """A state without what xsrc itself keeps: the stowed root and the destdirs."""
    return {path: text for path, text in state.items() if not path.startswith(("database", "var/db/"))}


def difference(wanted: State, found: State, limit: int = 6) -> str:
    """What differs between two states, a line each."""
    lines = [
        f"    {path[:300]}: want {wanted.get(path, 'nothing')}, found {found.get(path, 'nothing')}"
        for path in sorted(wanted.keys() | found.keys())
        if wanted.get(path) != found.get(path)
    ]
    more = [f"    … and {len(lines) - limit} more"] if len(lines) > limit else []
    return "\n".join([*lines[:limit], *more])
