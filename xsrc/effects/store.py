"""The farm's database: what is built, what is stowed, what was begun and not yet finished."""

from __future__ import annotations

import contextlib
import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xsrc.effects.tables import SCHEMA, VERSION
from xsrc.errors import HostError
from xsrc.model.farm import Change, Conf, Member, Records, placed_read, placed_text
from xsrc.model.generation import Stowed
from xsrc.model.manifest import Entry, Kind, Manifest, Props
from xsrc.model.pkgver import Pattern, PkgVer
from xsrc.model.rules import NO_RULES, Rules


@contextlib.contextmanager
def opened(path: Path, *, read: bool = False, new: bool = False) -> Iterator[Farm]:
    """The farm's database; raises HostError for one that cannot be used.

    `read` opens it for a look only, also where nothing can be written; `new` makes it.
    """
    try:
        farm = Farm(path, read=read, new=new)
        try:
            yield farm
        finally:
            farm.close()
    except sqlite3.Error as error:
        hint = "mend the cause, or make it anew from pkg-destdir/ and the links: xsrc verify --repair"
        raise HostError(f"the farm's database {path}: {error}", hint=hint) from error


class Farm:
    """The open database; every write is one transaction.

    Methods raise sqlite3.Error, which `opened` translates, and OSError where the disk does not take what is written.
    """

    def __init__(self, path: Path, *, read: bool = False, new: bool = False) -> None:
        address = f"file:{_quoted(path)}?mode=ro" if read else str(path)
        self.path = str(path)
        self.db = sqlite3.connect(address, isolation_level=None, timeout=60, uri=read)
        self.db.execute("PRAGMA foreign_keys = ON")
        version = self.db.execute("PRAGMA user_version").fetchone()[0]
        if new:
            self.db.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        elif version == 0:
            raise sqlite3.DatabaseError("it is empty")
        elif version != VERSION:
            raise sqlite3.DatabaseError(f"it was made by another version of xsrc ({version}, this one makes {VERSION})")

    def check(self) -> None:
        """Raise sqlite3.DatabaseError where the file is damaged."""
        (said,) = self.db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise sqlite3.DatabaseError(said)

    def close(self) -> None:
        self.db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All writes of the block or none; raises OSError for what the disk does not take."""
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

    # ---- what is built

    def built(self) -> dict[str, str]:
        """The key of each sealed destdir that is in its place, by pkgver."""
        return dict(self.db.execute("SELECT pkgver, key FROM package WHERE current"))

    def builds(self) -> dict[tuple[str, str], bool]:
        """Every build that there is, by pkgver and build, and whether it is in its place."""
        rows = self.db.execute("SELECT pkgver, build, current FROM package ORDER BY id")
        return {(pkgver, build): bool(current) for pkgver, build, current in rows}

    def build(self, pkgver: PkgVer) -> str:
        """Which build of a pkgver is in its place, "" for none."""
        row = self.db.execute("SELECT build FROM package WHERE pkgver = ? AND current", (str(pkgver),)).fetchone()
        return str(row[0]) if row else ""

    def versions(self, name: str) -> list[PkgVer]:
        """The built versions of a package, newest last."""
        rows = self.db.execute("SELECT pkgver FROM package WHERE name = ? AND current", (name,))
        return sorted((PkgVer.parse(text) for (text,) in rows), key=lambda pkgver: pkgver.order)

    def providers(self, pattern: Pattern) -> list[PkgVer]:
        """The built packages that provide a virtual name, in order."""
        rows = self.db.execute("SELECT pkgver, rules FROM package WHERE public AND current ORDER BY pkgver")
        return [PkgVer.parse(text) for text, rules in rows if any(map(pattern.satisfied_by, _rules(rules).provides))]

    def record(
        self,
        props: Props,
        manifest: Manifest,
        change: Change | None = None,
        seconds: Mapping[str, float] | None = None,
        build: str = "",
    ) -> None:
        """Note a sealed destdir, and begin the change that brings it into its place.

        Without a change it stands there already. `seconds` says how long each phase took, where that is known.
        """
        with self._transaction():
            self._insert(props, manifest, build, current=change is None)
            self.note_build(props, seconds)
            if change is not None:
                self.begin(change)

    def record_aside(self, props: Props, manifest: Manifest, build: str) -> None:
        """Note a build that stands aside, while another one of its pkgver is in its place."""
        with self._transaction():
            self._insert(props, manifest, build, current=False)

    def _insert(self, props: Props, manifest: Manifest, build: str, *, current: bool) -> None:
        pkgver, rules = str(props.pkgver), props.rules
        if current:
            self.db.execute("UPDATE package SET current = 0 WHERE pkgver = ?", (pkgver,))
        self.db.execute("DELETE FROM package WHERE pkgver = ? AND build = ? AND NOT current", (pkgver, build))
        row = self.db.execute(
            "INSERT INTO package (name, pkgver, build, key, current, props, run_depends, rules, public, source) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                props.pkgver.name,
                pkgver,
                build,
                props.key,
                int(current),
                props.render(),
                " ".join(props.run_depends),
                json.dumps(rules.table()),
                int(rules.public),
                props.source,
            ),
        )
        self.db.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (row.lastrowid, e.path, e.kind.value, e.mode, e.size, e.sha256, e.target, e.inode)
                for e in manifest.entries
            ),
        )

    def note_build(self, props: Props, seconds: Mapping[str, float] | None = None) -> None:
        """Note that a pkgver was built, also when the outcome is the very same as before."""
        self.db.execute(
            "INSERT INTO built (pkgver, key, seconds) VALUES (?, ?, ?)",
            (str(props.pkgver), props.key, json.dumps(dict(seconds or {}))),
        )

    def forget(self, builds: Iterable[tuple[str, str]], folders: Iterable[str] = ()) -> None:
        """Drop the records of builds, by pkgver and build; none may be stowed. Their `folders` are to be removed."""
        with self._transaction():
            self.db.executemany("DELETE FROM package WHERE pkgver = ? AND build = ?", builds)
            self.db.executemany("INSERT OR IGNORE INTO going VALUES (?)", ((folder,) for folder in folders))

    def going(self) -> list[str]:
        """Folders of builds that were forgotten and are to be removed."""
        return [folder for (folder,) in self.db.execute("SELECT folder FROM going ORDER BY folder")]

    def gone(self, folder: str) -> None:
        """Note that a folder of a forgotten build is removed."""
        with self._transaction():
            self.db.execute("DELETE FROM going WHERE folder = ?", (folder,))

    def props(self, pkgver: PkgVer) -> Props | None:
        """What is known of a built package."""
        row = self.db.execute("SELECT props FROM package WHERE pkgver = ? AND current", (str(pkgver),)).fetchone()
        return Props.parse(row[0]) if row else None

    def run_depends(self, pkgver: PkgVer) -> tuple[str, ...]:
        """What a built package needs at run time, as patterns; nothing for one that is not built."""
        row = self.db.execute("SELECT run_depends FROM package WHERE pkgver = ? AND current", (str(pkgver),)).fetchone()
        return tuple(row[0].split()) if row else ()

    def entries(self, pkgver: PkgVer) -> tuple[Entry, ...]:
        """The manifest of a built package."""
        rows = self.db.execute(
            "SELECT path, kind, mode, size, sha256, target, inode FROM entry "
            "WHERE package = (SELECT id FROM package WHERE pkgver = ? AND current) ORDER BY path",
            (str(pkgver),),
        )
        return tuple(_entry(row) for row in rows)

    def directories(self, pkgver: PkgVer) -> frozenset[str]:
        """The directories of a built package."""
        rows = self.db.execute(
            "SELECT path FROM entry WHERE kind = 'dir' "
            "AND package = (SELECT id FROM package WHERE pkgver = ? AND current)",
            (str(pkgver),),
        )
        return frozenset(path for (path,) in rows)

    def member(self, pkgver: PkgVer, build: str | None = None) -> Member | None:
        """A built package as the planner of the farm wants it; the build in its place, or the one that is named."""
        which, values = ("current", ()) if build is None else ("build = ?", (build,))
        row = self.db.execute(
            f"SELECT id, rules, source FROM package WHERE pkgver = ? AND {which}", (str(pkgver), *values)
        ).fetchone()
        if row is None:
            return None
        rows = self.db.execute(
            "SELECT path, kind, mode, size, sha256, target, inode FROM entry WHERE package = ? ORDER BY path", (row[0],)
        )
        return Member(pkgver, tuple(_entry(entry) for entry in rows), _rules(row[1]), row[2])

    # ---- what is stowed

    def stowed(self) -> dict[str, tuple[PkgVer, bool]]:
        """What is stowed, by name, and whether somebody asked for it by name."""
        rows = self.db.execute(
            "SELECT stowed.name, pkgver, asked FROM stowed JOIN package ON package = package.id ORDER BY stowed.name"
        )
        return {name: (PkgVer.parse(pkgver), bool(asked)) for name, pkgver, asked in rows}

    def is_stowed(self, pkgver: PkgVer) -> bool:
        """Whether this very version is stowed."""
        query = "SELECT 1 FROM stowed JOIN package ON package = package.id WHERE pkgver = ?"
        return self.db.execute(query, (str(pkgver),)).fetchone() is not None

    def stowed_builds(self) -> dict[str, Stowed]:
        """What is stowed, by name, as a generation records it."""
        rows = self.db.execute(
            "SELECT stowed.name, pkgver, build, asked FROM stowed JOIN package ON package = package.id"
        )
        return {name: Stowed(PkgVer.parse(pkgver), build, bool(asked)) for name, pkgver, build, asked in rows}

    def ruled(self) -> list[Member]:
        """The stowed packages whose rules reach beyond their own paths, without their entries."""
        rows = self.db.execute(
            "SELECT pkgver, rules, source FROM stowed JOIN package ON package = package.id WHERE public ORDER BY pkgver"
        )
        return [Member(PkgVer.parse(pkgver), (), _rules(rules), source) for pkgver, rules, source in rows]

    def sharers(self, paths: Iterable[str], without: Iterable[str]) -> list[Member]:
        """The stowed packages with their entries at `paths`, but for the packages named `without`.

        Those whose rules are public are among them, also without an entry.
        """
        names = list(without)
        found: dict[str, list[Entry]] = {}
        rows = self.db.execute(
            "SELECT pkgver, entry.path, kind, mode, size, sha256, target, inode FROM json_each(?) AS wanted "
            "CROSS JOIN entry ON entry.path = wanted.value JOIN stowed ON stowed.package = entry.package "
            f"JOIN package ON package.id = entry.package WHERE stowed.name NOT IN ({','.join('?' * len(names))})",
            (json.dumps(list(paths)), *names),
        ).fetchall()
        for pkgver, *row in rows:
            found.setdefault(pkgver, []).append(_entry(tuple(row)))
        members = {str(member.pkgver): member for member in self.ruled() if member.name not in names}
        for text in found.keys() - members.keys():
            (rules, source) = self.db.execute(
                "SELECT rules, source FROM package WHERE pkgver = ? AND current", (text,)
            ).fetchone()
            members[text] = Member(PkgVer.parse(text), (), _rules(rules), source)
        return [Member(m.pkgver, tuple(found.get(text, ())), m.rules, m.source) for text, m in members.items()]

    def owners(self, path: str) -> list[tuple[PkgVer, bool]]:
        """Every built package that has a path, and whether it is the stowed one."""
        rows = self.db.execute(
            "SELECT pkgver, stowed.name IS NOT NULL FROM entry JOIN package ON package.id = entry.package AND current "
            "LEFT JOIN stowed ON stowed.package = package.id WHERE path = ? ORDER BY pkgver",
            (path,),
        )
        return [(PkgVer.parse(pkgver), bool(stowed)) for pkgver, stowed in rows]

    def concerns(self, trigger: str, globs: Iterable[str], without: Iterable[str], coming: Iterable[str]) -> bool:
        """Whether a stowed package has a path that a glob means or asks for a trigger by name.

        Those named `without` do not count; those of `coming` (pkgvers) do as if they were stowed.
        """
        names, more = json.dumps(list(without)), json.dumps(list(coming))
        among = (
            "FROM package WHERE (pkgver IN (SELECT value FROM json_each(?2)) "
            "OR id IN (SELECT package FROM stowed WHERE name NOT IN (SELECT value FROM json_each(?1))))"
        )
        rows = self.db.execute(f"SELECT rules {among} AND public", (names, more))
        if any(trigger in _rules(rules).triggers for (rules,) in rows):
            return True
        query = f"SELECT 1 FROM entry WHERE path GLOB ?3 AND kind != 'dir' AND package IN (SELECT id {among}) LIMIT 1"
        return any(self.db.execute(query, (names, more, glob)).fetchone() for glob in globs)

    # ---- what is remembered beside

    def records(self) -> Records:
        """Files that users changed, files of strangers that stand aside, chosen alternatives."""
        conf = {
            path: Conf(base, placed_read(beside) if beside else None)
            for path, base, beside in self.db.execute("SELECT path, base, beside FROM conf")
        }
        aside = {path: placed_read(text) for path, text in self.db.execute("SELECT path, placed FROM aside")}
        return Records(conf, aside, dict(self.db.execute("SELECT family, name FROM choice")))

    def made(self) -> dict[str, tuple[str, str]]:
        """By path, the trigger that made it and its sha256."""
        return {
            path: (maker, sha256) for path, maker, sha256 in self.db.execute("SELECT path, maker, sha256 FROM made")
        }

    def generation(self) -> int:
        """The number of the last change; 0 before the first."""
        return int(self.db.execute("SELECT number FROM generation").fetchone()[0])

    # ---- changes

    def begin(self, change: Change) -> None:
        """Note a change before anything is touched, or with what became known of it since."""
        if self.db.in_transaction:
            self.db.execute("INSERT OR REPLACE INTO begun VALUES (1, ?)", (change.render(),))
            return
        with self._transaction():
            self.begin(change)

    def begun(self) -> Change | None:
        """The change that was begun and not finished, if there is one."""
        row = self.db.execute("SELECT change FROM begun").fetchone()
        return Change.parse(row[0]) if row else None

    def finish(self, change: Change, number: int) -> None:
        """Note that all of a change is done, as the generation of that number."""
        with self._transaction():
            for pkgver, build in change.builds.items():
                self._bring(pkgver, build)
            for name in change.drop:
                self.db.execute("DELETE FROM stowed WHERE name = ?", (name,))
            for pkgver, asked in change.add.items():
                self.db.execute(
                    "INSERT OR REPLACE INTO stowed SELECT name, id, ? FROM package WHERE pkgver = ? AND current",
                    (int(asked), pkgver),
                )
            for path, conf in change.conf.items():
                self.db.execute("DELETE FROM conf WHERE path = ?", (path,))
                if conf is not None:
                    beside = placed_text(conf.beside) if conf.beside else None
                    self.db.execute("INSERT INTO conf VALUES (?, ?, ?)", (path, conf.base, beside))
            for path, placed in change.aside.items():
                self.db.execute("DELETE FROM aside WHERE path = ?", (path,))
                if placed is not None:
                    self.db.execute("INSERT INTO aside VALUES (?, ?)", (path, placed_text(placed)))
            for path, made in change.made.items():
                self.db.execute("DELETE FROM made WHERE path = ?", (path,))
                if made is not None:
                    self.db.execute("INSERT INTO made VALUES (?, ?, ?)", (path, *made))
            if change.choices is not None:
                self.db.execute("DELETE FROM choice")
                self.db.executemany("INSERT INTO choice VALUES (?, ?)", change.choices.items())
            self.db.execute("UPDATE generation SET number = ?", (number,))
            self.db.execute("DELETE FROM begun")

    def _bring(self, pkgver: str, build: str) -> None:
        self.db.execute("UPDATE package SET current = 0 WHERE pkgver = ?", (pkgver,))
        self.db.execute("UPDATE package SET current = 1 WHERE pkgver = ? AND build = ?", (pkgver, build))
        self.db.execute(
            "UPDATE stowed SET package = (SELECT id FROM package WHERE pkgver = ?1 AND current) "
            "WHERE package IN (SELECT id FROM package WHERE pkgver = ?1)",
            (pkgver,),
        )

    def undone(self) -> None:
        """Note that nothing of a change is left."""
        with self._transaction():
            self.db.execute("DELETE FROM begun")


def _rules(text: str) -> Rules:
    return Rules.of(json.loads(text)) if text != "{}" else NO_RULES


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))


def _entry(row: tuple[str, str, int, int, str, str, int]) -> Entry:
    path, kind, mode, size, sha256, target, inode = row
    return Entry(path, _KINDS[kind], mode, size, sha256, target, inode)


_KINDS = {kind.value: kind for kind in Kind}
