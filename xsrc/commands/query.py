"""`xsrc list`, `files`, `owner`: built packages, stowed packages, and owners of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from plumbum import cli

from xsrc.commands.search import available, show
from xsrc.commands.verb import BUILT, Takes, WithJson
from xsrc.commands.words import choose_version
from xsrc.core.errors import UsageError
from xsrc.core.layout import DESTDIRS, MERGED, Tree
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.farm.accounts import merged
from xsrc.farm.acts.masterdir import is_made
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.farm.alternatives import links_of
from xsrc.farm.disk.database import Farm
from xsrc.farm.place import ACCOUNTS, ORIG, SKELETON
from xsrc.sandbox.disk.skeleton import skeleton
from xsrc.store.manifest import Kind


class _Query(WithJson):
    """A command that asks the database."""


class ListPackages(_Query):
    """Print every built package, the stowed ones with a star"""

    example = "list --available"
    available = cli.Flag(["--available"], excludes=["--untested"], help="all packages of the tree: + built, * stowed")

    untested = cli.Flag(["--untested"], help="only those whose tests did not run when they were built (--no-check)")

    def go(self, session: Session) -> int:
        if self.available:
            show(session.ui, available(session), json=self.json)
            return 0
        rows = []
        with farm_at_rest(session) as farm:
            stowed, held = farm.stowed(), farm.held()
            for text, key in sorted(farm.built().items()):
                pkgver = PkgVer.parse(text)
                now, asked = stowed.get(pkgver.name, (None, False))
                props = farm.props(pkgver)
                untested = props is not None and props.untested
                if self.untested and not untested:
                    continue
                rows.append(
                    {
                        "pkgver": text,
                        "stowed": now == pkgver,
                        "asked": now == pkgver and asked,
                        "held": now == pkgver and pkgver.name in held,
                        "untested": untested,
                        "key": key,
                        "short_desc": props.short_desc if props else "",
                        "size": props.size if props else 0,
                        "options": [name for name, on in (props.options if props else {}).items() if on],
                    }
                )
        if self.json:
            session.ui.json(rows)
            return 0
        width = max((len(str(row["pkgver"])) for row in rows), default=0)
        for row in rows:
            session.ui.output(f"{'*' if row['stowed'] else ' '} {row['pkgver']:{width}}  {row['short_desc']}")
        if rows and self.untested:
            session.ui.note("hint: xsrc check NAME runs the tests of one")
        elif not rows and is_made(session.masterdir):
            session.ui.note(f"nothing {'untested ' if self.untested else ''}is built in {session.masterdir.root}")
        return 0


class Files(_Query):
    """Print the paths of a built package"""

    takes = BUILT
    example = "files dash"

    def go(self, session: Session) -> int:
        names = session.names(self.given, "files")
        with farm_at_rest(session) as farm:
            found = {
                pkgver: farm.entries(pkgver, farm.latest(pkgver))
                for pkgver in (choose_version(session.tree, farm, name) for name in names)
            }
        if self.json:
            table = {
                str(pkgver): [
                    {
                        "path": "/" + e.path,
                        "kind": e.kind.value,
                        "mode": f"{e.mode:04o}",
                        "size": e.size,
                        **({"sha256": e.sha256} if e.kind is Kind.FILE else {}),
                        **({"target": e.target} if e.kind is Kind.LINK else {}),
                    }
                    for e in entries
                ]
                for pkgver, entries in found.items()
            }
            session.ui.json(table)
            return 0
        for entries in found.values():
            for entry in entries:
                if entry.kind is not Kind.DIR:
                    arrow = f" -> {entry.target}" if entry.kind is Kind.LINK else ""
                    session.ui.output(f"/{entry.path}{arrow}")
        return 0


class Owner(_Query):
    """Print which packages have a path: as it is called in the root, or in the masterdir"""

    takes = Takes("PATH…", None)
    example = "owner /usr/bin/dash"

    def go(self, session: Session) -> int:
        if not self.given:
            raise UsageError("owner: which path?", hint="xsrc owner /usr/bin/NAME")
        rows = []
        with farm_at_rest(session) as farm:
            for word in self.given:
                path = in_root(session, word)
                owners = farm.owners(path)
                rows += [{"path": f"/{path}", "pkgver": str(pkgver), "stowed": stowed} for pkgver, stowed in owners]
                others = list(_other_owners(session.tree, farm, path))
                rows += [{"path": f"/{path}", "pkgver": owner, "stowed": True} for owner in others]
                if not owners and not others and not self.json:
                    session.ui.note(f"/{path}: no package has it")
        if self.json:
            session.ui.json(rows)
        else:
            for row in rows:
                session.ui.output(f"{row['path']}: {row['pkgver']}" + ("" if row["stowed"] else " (not stowed)"))
        return 0 if rows else 1


def _other_owners(tree: Tree, farm: Farm, path: str) -> Iterator[str]:
    """Owners of a path beside packages' manifests: alternatives, lines of accounts, triggers, the skeleton."""
    members, records = farm.ruled(), farm.records()
    if (placed := links_of(members, records.choices).get(path)) is not None:
        yield f"{placed.owner} (alternative)"
    if (made := farm.made().get(path)) is not None:
        yield f"trigger {made[0]}"
    if path in merged(members):
        yield ACCOUNTS
    if path in records.aside:
        yield f"adopted: what stood there is /{path}{ORIG}"
    if path in skeleton(tree):
        yield SKELETON


def in_root(session: Session, word: str) -> str:
    """A path of a command line as in the farm: relative to the root, below usr where the root is merged."""
    root = str(session.masterdir.root)
    path = word
    there = Path(os.path.normpath(session.host.cwd / word))
    # the folder may be reached through a link; the path itself is one, as a rule
    real = str(there.parent.resolve() / there.name)
    for named in (str(there), real):
        if named.startswith(root + "/"):
            path = named[len(root) :]
            break
    path = os.path.normpath("/" + path).lstrip("/")
    if path.startswith(f"{DESTDIRS}/"):
        path = path.split("/", 2)[2] if path.count("/") > 1 else ""
    top, slash, rest = path.partition("/")
    if slash and top in MERGED and Path(session.masterdir.root, top).is_symlink():
        path = f"usr/{top}/{rest}"
    return path
