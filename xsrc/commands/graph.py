"""`xsrc graph`: the needs of some packages or of the whole tree, for programs; and their cycles, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from plumbum import cli

from xsrc.build.acts.outlines import outlines
from xsrc.build.key import Keyed, keyed
from xsrc.commands.verb import SOME_NAMES, WithBase
from xsrc.commands.words import select
from xsrc.core.dep import Dep
from xsrc.core.session import Session
from xsrc.tree.acts.closure import homes_of, index_of
from xsrc.tree.graph import Cycle, Needing, Node, cycle_of, sort
from xsrc.tree.outline import Outline

_LOOKS = {Dep.TOOL: "dashed", Dep.LIB: "solid", Dep.CHECK: "dotted", Dep.RUN: "bold"}


class Graph(WithBase):
    """Print packages and all that they need in build order (no name: the whole tree), and every cycle"""

    takes = SOME_NAMES
    example = "graph --dot file"
    more = "selectors"

    json = cli.Flag(["--json"], help="print JSON: needs by kind, keys, order, cycles")
    dot = cli.Flag(["--dot"], excludes=["--json"], help="print a graph for dot(1)")

    def go(self, session: Session) -> int:
        every = not self.given and session.here() is None
        names = index_of(session).names() if every else homes_of(session.tree, select(session, self.given, "graph")[0])
        with index_of(session):
            packages = dict(outlines(session)) if every else outlines(session)
            row = sort(names, packages)
            ordered, cycles = _ordered(row.groups, packages)
        if self.dot:
            for line in dot(ordered, packages):
                session.ui.output(line)
        elif self.json:
            keys = keyed(row.groups, row.packages, lambda name: packages[name].inputs)
            for line in rows(ordered, packages, keys, cycles):
                session.ui.output(line)
        else:
            for name in ordered:
                session.ui.output(str(packages[name].pkgver))
        for cycle in cycles:
            session.ui.warn(f"dependency cycle: {cycle}")
        return 0


def rows(
    ordered: Iterable[str], packages: Mapping[str, Outline], keys: Mapping[str, Keyed], cycles: Iterable[Cycle]
) -> Iterator[str]:
    """The graph as JSON: a package a line, as there may be ten thousand; names and versions need no escaping."""
    yield '{"packages": {'
    comma, kinds = "", tuple(kind.value for kind in Dep)
    for name in ordered:
        package = packages[name]
        found = zip(kinds, package.names.split("|"), strict=True)
        needs = ", ".join([f'"{kind}": ["{names}"]' for kind, text in found if (names := text.replace(" ", '", "'))])
        yield f'{comma}"{name}": {{"pkgver": "{package.pkgver}", "key": "{keys[name].key}", "needs": {{{needs}}}}}'
        comma = ","
    yield f'}}, "order": {json.dumps(tuple(ordered))}, "cycles": {json.dumps([cycle.names for cycle in cycles])}}}'


def _ordered(
    together: Iterable[tuple[Node, ...]], packages: Mapping[str, Needing]
) -> tuple[tuple[str, ...], tuple[Cycle, ...]]:
    """Names in build order, and the cycles, whose packages are adjacent."""
    ordered: list[str] = []
    cycles = []
    for group in together:
        ordered += [name for name, usable in group if not usable]
        if (cycle := cycle_of(group, packages)) is not None:
            cycles.append(cycle)
    return tuple(ordered), tuple(cycles)


def dot(ordered: tuple[str, ...], packages: Mapping[str, Needing]) -> Iterator[str]:
    """The graph in the language of dot(1): a line style for each kind of need."""
    yield "digraph packages {"
    yield '  rankdir=LR; node [shape=box, fontname="sans-serif"];'
    for name in ordered:
        yield f'  "{name}" [label="{packages[name].pkgver}"];'
        for kind, look in _LOOKS.items():
            for need in packages[name].needs(kind):
                yield f'  "{name}" -> "{need}" [style={look}, tooltip="{kind.value}"];'
    yield "}"
