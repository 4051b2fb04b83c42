"""`xsrc show`: what a template says, with its options chosen and its strings final."""

from __future__ import annotations

from typing import Any

from plumbum import cli

from xsrc.effects.tree import load
from xsrc.errors import UsageError
from xsrc.model.keys import KEYS
from xsrc.model.package import Package
from xsrc.model.schema import nearest
from xsrc.verbs.context import Context
from xsrc.verbs.options import options_by_name, split_options
from xsrc.verbs.verb import Verb


class Show(Verb):
    """Print a template as it is understood, or one field of it: show NAME [FIELD]"""

    json = cli.Flag(["--json"], help="print JSON")
    options = cli.SwitchAttr(["-o", "--options"], str, list=True, argname="OPT", help="options on or ~off")

    def go(self, context: Context) -> int:
        given, field = list(self.given), None
        here = context.here()
        if len(given) == 2 or (len(given) == 1 and here and given[0] in (*KEYS, "pkgver")):
            field = given.pop()
        names = context.names(given, "show")
        words = tuple(word for text in self.options for word in split_options(text))
        chosen = options_by_name(names, words)
        package = context.package(load(context.tree, names[0]), chosen)
        table = fields(package) if names[0] == package.name else part(package, names[0])
        if field is not None:
            if field not in table and field not in KEYS:
                raise UsageError(f"show: no field {field!r}", hint=nearest(field, [*table, *KEYS]))
            value = table.get(field)
            if self.json:
                context.ui.json(value)
            for line in [] if self.json else lines(value):
                context.ui.output(line)
        elif self.json:
            context.ui.json(table)
        else:
            width = max(len(name) for name in table)
            for name, value in table.items():
                for number, line in enumerate(lines(value)):
                    context.ui.output(f"{name if number == 0 else '':{width}}  {line}")
        return 0


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
