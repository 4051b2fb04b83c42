"""The builds of the farm's database, as the solver of needs asks for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from xsrc.core.paths import build_id, inside
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.farm.candidate import Candidate, Linked
from xsrc.farm.disk.builds import read_rules, sound
from xsrc.farm.disk.database import Farm
from xsrc.store.link import unpacked
from xsrc.store.manifest import Props

_COLUMNS = "pkgver, build, latest, run_depends, links, sonames, rules, public"


class KnownBuilds:
    """The builds that can be in the root; each is read once. Methods raise as those of the database do."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self._by_name: dict[str, list[Candidate]] = {}
        self._props: dict[tuple[str, str], Props] = {}

    def stowed(self) -> dict[str, Candidate]:
        """What is stowed, by name."""
        query = f"SELECT {_COLUMNS} FROM stowed JOIN package ON package = package.id ORDER BY stowed.name"
        return {one.name: one for one in self._read(query, ())}

    def candidates(self, name: str) -> Sequence[Candidate]:
        if name not in self._by_name:
            self.read((name,))
        return self._by_name[name]

    def read(self, names: Iterable[str]) -> None:
        """Read the builds of many packages at once, for `candidates`."""
        new = [name for name in dict.fromkeys(names) if name not in self._by_name]
        query = (
            f"SELECT {_COLUMNS} FROM json_each(?) CROSS JOIN package ON name = value AND (latest OR current) "
            "ORDER BY package.id"
        )
        self._by_name |= {name: [] for name in new}
        for one in self._read(query, (json.dumps(new),)):
            self._by_name[one.name].append(one)

    def latest(self, pkgver: PkgVer) -> Candidate | None:
        """The latest build of a pkgver."""
        return next((one for one in self.candidates(pkgver.name) if one.pkgver == pkgver and one.latest), None)

    def exactly(self, pkgver: PkgVer, build: str) -> Candidate | None:
        """One build, whether it can still be chosen or not."""
        query = f"SELECT {_COLUMNS} FROM package WHERE pkgver = ? AND build = ?"
        return next(iter(self._read(query, (str(pkgver), build))), None)

    def named(self, pattern: Pattern) -> Sequence[str]:
        query = "SELECT name, rules FROM package WHERE public AND (latest OR current) ORDER BY name"
        rows = self.farm.db.execute(query)
        with sound("package"):
            found = [(name, read_rules(rules).provides) for name, rules in rows]
        return [*dict.fromkeys(name for name, provides in found if any(map(pattern.satisfied_by, provides)))]

    def with_soname(self, soname: str) -> Sequence[str]:
        query = (
            "SELECT DISTINCT name FROM package, json_each(sonames) "
            "WHERE value = ? AND (latest OR current) ORDER BY name"
        )
        return [name for (name,) in self.farm.db.execute(query, (soname,))]

    def exports(self, one: Candidate, soname: str) -> frozenset[str]:
        props = self._record(one)
        return frozenset(unpacked(props.exports.get(soname, b""))) if props else frozenset()

    def imports(self, one: Candidate, soname: str) -> tuple[str, ...]:
        props = self._record(one)
        return unpacked(props.links[soname].symbols) if props and soname in props.links else ()

    def _record(self, one: Candidate) -> Props | None:
        key = str(one.pkgver), one.build
        if key not in self._props:
            row = self.farm.db.execute("SELECT props FROM package WHERE pkgver = ? AND build = ?", key).fetchone()
            if row is None:
                return None
            with sound(f"package {one.pkgver}"):
                self._props[key] = Props.parse(row[0])
        return self._props[key]

    def _read(self, query: str, values: Iterable[str]) -> list[Candidate]:
        found = []
        for row in self.farm.db.execute(query, tuple(values)).fetchall():
            with sound(f"package {row[0]}"):
                found.append(_candidate(row))
        return found


def _candidate(row: tuple[str, str, int, str, str, str, str, int]) -> Candidate:
    """The build that a row of `_COLUMNS` holds. Raises ValueError, TypeError, KeyError or AttributeError."""
    pkgver, build, latest, needs, links, sonames, rules, public = row
    linked: dict[str, Any] = json.loads(links) if links != "{}" else {}
    said = read_rules(rules) if public else read_rules("{}")
    return Candidate(
        PkgVer.parse(pkgver),
        build_id(build),
        bool(latest),
        tuple(map(Pattern.parse, needs.split())),
        {soname: _linked(*row) for soname, row in linked.items()},
        frozenset(json.loads(sonames)),
        tuple(said.provides),
        tuple(map(Pattern.parse, said.conflicts)),
        tuple(map(Pattern.parse, said.replaces)),
    )


def _linked(provider: str, build: str, path: str) -> Linked:
    return Linked(str(PkgVer.parse(provider)), build and build_id(build), path and inside(path))
