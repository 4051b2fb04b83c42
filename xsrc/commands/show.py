"""`xsrc show`: a template with its options chosen and its strings final."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xsrc.commands.verb import Takes, WithBase, WithJson, WithOptions
from xsrc.commands.words import names_in_tree, parse_pkgver
from xsrc.core.errors import UsageError
from xsrc.core.layout import Tree
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.core.ui import Ui
from xsrc.tree.acts.closure import homes_of, package_of
from xsrc.tree.disk.templates import load
from xsrc.tree.disk.templates import names as names_of
from xsrc.tree.format import KEYS
from xsrc.tree.options import options_by_name
from xsrc.tree.package import Package


class Show(WithJson, WithOptions, WithBase):
    """Print templates as they are understood, or one field of each"""

    takes = Takes("NAME… [FIELD]", None)
    example = "show dash options"
    more = "template"

    def go(self, session: Session) -> int:
        given, field = list(self.given), None
        if given and (len(given) > 1 or session.here()) and self.is_field(session.tree, given):
            field = given.pop()
        names = names_in_tree(session, given, "show")
        words = self.words
        homes = homes_of(session.tree, names)
        chosen = options_by_name(homes, words)
        if stray := next((name for name in chosen if name not in homes), None):
            raise UsageError(f"-o {stray}.…: {stray} is none of what is shown", hint=nearest(stray, homes))
        tables = {}
        for name in names:
            package = package_of(session, load(session.tree, name), chosen)
            tables[name] = fields(package) if name == package.name else part(package, name)
        if field is None:
            self.show(session.ui, tables)
        else:
            self.show_field(session.ui, tables, field)
        return 0

    def is_field(self, tree: Tree, given: list[str]) -> bool:
        """Whether the last word names a field, not a template."""
        return given[-1] in (*KEYS, "pkgver") or (len(given) == 2 and parse_pkgver(given[-1])[0] not in names_of(tree))

    def show(self, ui: Ui, tables: Mapping[str, dict[str, Any]]) -> None:
        """Print all fields of each template, of several with an empty line between."""
        if self.json:
            ui.json(tables)
            return
        for place, table in enumerate(tables.values()):
            if place:
                ui.output("")
            width = max(len(name) for name in table)
            for name, value in table.items():
                for number, line in enumerate(lines(value)):
                    ui.output(f"{name if number == 0 else '':{width}}  {line}")

    def show_field(self, ui: Ui, tables: Mapping[str, dict[str, Any]], field: str) -> None:
        """Print one field of each template. Raises UsageError for an unknown field."""
        known = list(dict.fromkeys((*(key for table in tables.values() for key in table), *KEYS)))
        if field not in known:
            raise UsageError(f"show: no field {field!r}", hint=nearest(field, known))
        if self.json:
            ui.json({name: table.get(field) for name, table in tables.items()})
            return
        for table in tables.values():
            for line in lines(table.get(field)):
                ui.output(line)


def fields(package: Package) -> dict[str, Any]:
    """Every field that is set, in the order of the format, the pkgver first."""
    table: dict[str, Any] = {"pkgver": str(package.pkgver)}
    table |= {key: package.raw[key] for key in KEYS if key in package.raw and key != "options"}
    if package.options:
        bodies = package.raw["options"]
        table["options"] = {name: {"on": on, "desc": bodies[name]["desc"]} for name, on in package.options.items()}
    if package.patches:
        table["patches"] = list(package.patches)
    return table


def part(package: Package, name: str) -> dict[str, Any]:
    """Every field of a subpackage that is set, with the package that it is of."""
    pkgver = next(pkgver for pkgver in package.outputs if pkgver.name == name)
    return {"pkgver": str(pkgver), "source": package.name, **package.raw["subpackages"][name]}


def lines(value: Any) -> list[str]:
    """A value as lines for a person."""
    match value:
        case None:
            return []
        case bool():
            return [str(value).lower()]
        case list():
            return [line for item in value for line in lines(item)]
        case dict():
            rows = []
            for key, item in value.items():
                below = lines(item)
                rows += [f"{key}: {below[0]}"] if len(below) == 1 else [f"{key}:", *(f"  {line}" for line in below)]
            return rows
        case str():
            return value.splitlines() or [""]
    return [str(value)]
