"""The farm's database: built packages, stowed packages, and a change that is not finished."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from xsrc.core.errors import HostError
from xsrc.core.globs import covers, matches, span
from xsrc.core.layout import DESTDIRS
from xsrc.core.paths import Unsound, build_id, inside
from xsrc.core.pkgver import PkgVer
from xsrc.farm.disk.builds import Builds, read_entry, read_globs, read_rules, sound
from xsrc.farm.generation import Stowed
from xsrc.farm.place import Change, Member, Records, conf_of, made_of, placed_read, placed_text
from xsrc.store.manifest import Entry


@contextlib.contextmanager
def opened(path: Path, *, read: bool = False, new: bool = False) -> Iterator[Farm]:
    """Open the farm's database. Raises HostError if it cannot be used.

    `read` opens it for reading only, even on a read-only disk; `new` makes it.
    """
    try:
        farm = Farm(path, read=read, new=new)
        try:
            yield farm
        finally:
            farm.close()
    except (sqlite3.Error, Unsound) as error:
        hint = f"mend the cause, or make it anew from {DESTDIRS}/ and the links: xsrc verify --repair"
        raise HostError(f"the farm's database {path}: {error}", hint=hint) from error


class Farm(Builds):
    """The whole open database: built and stowed packages, other records, and changes; methods raise as in Builds."""

    def stowed(self) -> dict[str, tuple[PkgVer, bool]]:
        """The stowed packages, by name, and whether somebody asked for each by name."""
        rows = self.db.execute(
            "SELECT stowed.name, pkgver, asked FROM stowed JOIN package ON package = package.id ORDER BY stowed.name"
        )
        with sound("stowed"):
            return {name: (PkgVer.parse(pkgver), bool(asked)) for name, pkgver, asked in rows}

    def is_stowed(self, pkgver: PkgVer) -> bool:
        """Whether this very version is stowed."""
        query = "SELECT 1 FROM stowed JOIN package ON package = package.id WHERE pkgver = ?"
        return self.db.execute(query, (str(pkgver),)).fetchone() is not None

    def stowed_builds(self) -> dict[str, Stowed]:
        """The stowed packages, by name, as a generation records them."""
        rows = self.db.execute(
            "SELECT stowed.name, pkgver, build, asked FROM stowed JOIN package ON package = package.id"
        )
        with sound("stowed"):
            return {n: Stowed(PkgVer.parse(pkgver), build_id(build), bool(asked)) for n, pkgver, build, asked in rows}

    def ruled(self) -> list[Member]:
        """The stowed packages whose rules reach beyond their own paths, without their entries."""
        rows = self.db.execute(
            "SELECT pkgver, rules, nostow FROM stowed JOIN package ON package = package.id WHERE public ORDER BY pkgver"
        )
        with sound("rules"):
            return [Member(PkgVer.parse(v), (), read_rules(rules), read_globs(globs)) for v, rules, globs in rows]

    def sharers(self, paths: Iterable[str], without: Iterable[str]) -> list[Member]:
        """The stowed packages with their entries at `paths`, except the packages named `without`.

        They include those with public rules, even without an entry.
        """
        names = list(without)
        found: dict[str, list[Entry]] = {}
        rows = self.db.execute(
            "SELECT pkgver, entry.path, kind, mode, size, sha256, target, inode FROM json_each(?) AS wanted "
            "CROSS JOIN entry ON entry.path = wanted.value JOIN stowed ON stowed.package = entry.package "
            f"JOIN package ON package.id = entry.package WHERE stowed.name NOT IN ({','.join('?' * len(names))})",
            (json.dumps(list(paths)), *names),
        ).fetchall()
        with sound("entries"):
            for pkgver, *row in rows:
                found.setdefault(pkgver, []).append(read_entry(tuple(row)))
        members = {str(member.pkgver): member for member in self.ruled() if member.name not in names}
        for text in found.keys() - members.keys():
            rules, globs = self.db.execute(
                "SELECT rules, nostow FROM package JOIN stowed ON package = package.id WHERE pkgver = ? AND current",
                (text,),
            ).fetchone()
            with sound(text):
                members[text] = Member(PkgVer.parse(text), (), read_rules(rules), read_globs(globs))
        return [replace(m, entries=tuple(found.get(text, ()))) for text, m in members.items()]

    def owners(self, path: str) -> list[tuple[PkgVer, bool]]:
        """Every built package that has a path, and whether it is the stowed one."""
        rows = self.db.execute(
            "SELECT pkgver, nostow FROM entry JOIN package ON package.id = entry.package AND current "
            "LEFT JOIN stowed ON stowed.package = package.id WHERE path = ? ORDER BY pkgver",
            (path,),
        )
        with sound("package"):
            return [(PkgVer.parse(v), globs is not None and not covers(read_globs(globs), path)) for v, globs in rows]

    def concerns(self, trigger: str, globs: Iterable[str], without: Iterable[str], coming: Iterable[str]) -> bool:
        """Whether a stowed package has a path that a glob matches, or asks for a trigger by name.

        Packages named `without` do not count; those of `coming` (pkgvers) count as stowed.
        """
        names, more = json.dumps(list(without)), json.dumps(list(coming))
        among = (
            "FROM package WHERE (pkgver IN (SELECT value FROM json_each(?2)) "
            "OR id IN (SELECT package FROM stowed WHERE name NOT IN (SELECT value FROM json_each(?1))))"
        )
        rows = self.db.execute(f"SELECT rules {among} AND public", (names, more))
        with sound("package"):
            if any(trigger in read_rules(rules).triggers for (rules,) in rows):
                return True
        query = (
            f"SELECT path FROM entry WHERE path BETWEEN ?3 AND ?4 AND kind != 'dir' AND package IN (SELECT id {among})"
        )
        return any(
            matches(path, (glob,)) for glob in globs for (path,) in self.db.execute(query, (names, more, *span(glob)))
        )

    def records(self) -> Records:
        """Files that users changed, files of strangers that were moved aside, chosen alternatives."""
        with sound("conf"):
            conf = {
                inside(path): conf_of(base, placed_read(beside) if beside else None, owner)
                for path, base, beside, owner in self.db.execute("SELECT path, base, beside, owner FROM conf")
            }
        with sound("aside"):
            rows = self.db.execute("SELECT path, placed FROM aside")
            aside = {inside(path): placed_read(text) for path, text in rows}
        return Records(conf, aside, dict(self.db.execute("SELECT family, name FROM choice")))

    def made(self) -> dict[str, tuple[str, str]]:
        """By path, the trigger that made it and its sha256."""
        with sound("made"):
            rows = self.db.execute("SELECT path, maker, sha256 FROM made")
            return {inside(path): made_of(maker, sha256) for path, maker, sha256 in rows}

    def nostow(self) -> dict[str, tuple[str, ...]]:
        """By name, the globs of what was left out of each stowed package."""
        with sound("stowed"):
            rows = self.db.execute("SELECT name, nostow FROM stowed ORDER BY name")
            return {name: read_globs(globs) for name, globs in rows}

    def held(self) -> frozenset[str]:
        """The names of stowed packages that keep their builds."""
        return frozenset(name for (name,) in self.db.execute("SELECT name FROM stowed WHERE held"))

    def hold(self, names: Iterable[str], *, held: bool = True) -> None:
        """Let stowed packages keep their builds, or no longer."""
        with self._transaction():
            rows = [(int(held), name) for name in names]
            self.db.executemany("UPDATE stowed SET held = ? WHERE name = ?", rows)

    def generation(self) -> int:
        """The number of the last change; 0 before the first."""
        row = self.db.execute("SELECT number FROM generation").fetchone()
        with sound("generation"):
            return int(row[0])

    def begun(self) -> Change | None:
        """The change that was begun and not finished, if there is one."""
        row = self.db.execute("SELECT change FROM begun").fetchone()
        with sound("begun"):
            return Change.parse(row[0]) if row else None

    def finish(self, change: Change, number: int) -> None:
        """Record that a change is done, as the generation of that number."""
        with self._transaction():
            for pkgver, build in change.builds.items():
                self._bring(pkgver, build)
            self.db.executemany("DELETE FROM stowed WHERE name = ?", ((name,) for name in change.drop))
            self.db.executemany(
                "INSERT INTO stowed (name, package, asked) SELECT name, id, ? FROM package "
                "WHERE pkgver = ? AND current "
                "ON CONFLICT (name) DO UPDATE SET package = excluded.package, asked = excluded.asked",
                ((int(asked), pkgver) for pkgver, asked in change.add.items()),
            )
            for name, globs in change.nostow.items():
                self.db.execute("UPDATE stowed SET nostow = ? WHERE name = ?", (json.dumps(globs), name))
            for path, conf in change.conf.items():
                self.db.execute("DELETE FROM conf WHERE path = ?", (path,))
                if conf is not None:
                    beside = placed_text(conf.beside) if conf.beside else None
                    self.db.execute("INSERT INTO conf VALUES (?, ?, ?, ?)", (path, conf.base, beside, conf.owner))
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
        """Record that a change is undone."""
        with self._transaction():
            self.db.execute("DELETE FROM begun")
