"""`xsrc search`: what the tree has, whether it is built or not."""

from __future__ import annotations

from collections.abc import Iterable

from xsrc.commands.verb import Takes, WithJson
from xsrc.core.errors import UsageError, XsrcError
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.core.ui import Ui
from xsrc.farm.acts.masterdir import farm_to_read, is_made
from xsrc.tree.acts.closure import index_of

Availability = dict[str, object]


class Search(WithJson):
    """Print the packages of the tree in whose names or descriptions all words occur"""

    takes = Takes("WORD…", None)
    example = "search shell"

    def go(self, session: Session) -> int:
        if not self.given:
            raise UsageError("search: for which word?", hint="xsrc search WORD; xsrc list --available lists all")
        words = [word.lower() for word in self.given]
        every = available(session)
        rows = [row for row in every if all(word in f"{row['name']} {row['short_desc']}".lower() for word in words)]
        if not rows and not self.json:
            hint = nearest(self.given[0], [str(row["name"]) for row in every])
            session.ui.note(f"nothing matches {' '.join(self.given)}" + (f": {hint}" if hint else ""))
        show(session.ui, rows, json=self.json)
        return 0


def available(session: Session) -> list[Availability]:
    """Every package and subpackage of the tree; a bad template is left out with a warning. Raises HostError."""
    rows: list[Availability] = []
    built, stowed = _known(session.masterdir)
    with index_of(session) as index:
        for name in index.names():
            try:
                raw = index.template(name).raw
            except XsrcError:
                session.ui.warn(f"{name}: its template cannot be read: xsrc show {name}")
                continue
            parts = {
                part: body.get("short_desc", raw["short_desc"]) for part, body in raw.get("subpackages", {}).items()
            }
            for one, desc in {name: raw["short_desc"], **parts}.items():
                pkgver = str(PkgVer(one, raw["version"], raw["revision"]))
                row = {"name": one, "pkgver": pkgver, "source": name, "short_desc": desc}
                rows.append({**row, "built": pkgver in built, "stowed": pkgver in stowed})
    return rows


def _known(masterdir: Masterdir) -> tuple[frozenset[str], frozenset[str]]:
    """What is built, and what is stowed. Raises HostError."""
    if not is_made(masterdir):
        return frozenset(), frozenset()
    with farm_to_read(masterdir) as farm:
        return frozenset(farm.built()), frozenset(str(pkgver) for pkgver, _ in farm.stowed().values())


def show(ui: Ui, rows: Iterable[Availability], *, json: bool) -> None:
    """Print packages of the tree: a star marks what is stowed, a plus what is built."""
    listed = list(rows)
    if json:
        ui.json(listed)
        return
    width = max((len(str(row["pkgver"])) for row in listed), default=0)
    for row in listed:
        mark = "*" if row["stowed"] else "+" if row["built"] else " "
        ui.output(f"{mark} {row['pkgver']!s:{width}}  {row['short_desc']}")
