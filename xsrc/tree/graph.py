"""Which packages need which, in which order, and which cannot be ordered at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from xsrc.core.dep import BUILD, Dep
from xsrc.core.pkgver import PkgVer
from xsrc.tree.package import Package

_DONE = 1 << 60
"""The place of a node that is no longer on the path: after all others."""


class Needing(Protocol):
    """The interface of a package for the graph."""

    @property
    def pkgver(self) -> PkgVer: ...
    def needs(self, *kinds: Dep) -> tuple[str, ...]: ...


class Node(NamedTuple):
    """A package as built, or as usable: then it and everything that it needs to run are built."""

    name: str
    usable: bool


@dataclass(frozen=True)
class Cycle:
    """Packages that need each other to be built; the first is repeated at the end."""

    names: tuple[str, ...]
    kinds: tuple[Dep, ...]
    """The kind of need from each to the next."""

    def __str__(self) -> str:
        words = (f" -> {name} ({kind.value})" for name, kind in zip(self.names[1:], self.kinds, strict=True))
        return self.names[0] + "".join(words)


def run_closure(names: Iterable[str], packages: Mapping[str, Needing]) -> tuple[str, ...]:
    """`names` and everything that they need at run time, each once, nearest first; cycles are allowed here."""
    found: dict[str, None] = {}
    queue = deque(names)
    while queue:
        name = queue.popleft()
        if name not in found:
            found[name] = None
            queue += packages[name].needs(Dep.RUN)
    return tuple(found)


def build_closure(package: Needing, packages: Mapping[str, Needing], kinds: Iterable[Dep] = BUILD) -> tuple[str, ...]:
    """Every package that a build root of `package` holds by declaration, in the order of names."""
    return tuple(sorted(run_closure(package.needs(*kinds), packages)))


def order(names: Iterable[str], packages: Mapping[str, Package]) -> tuple[str, ...]:
    """`names` and all that they need, to build and to run, each after what its build needs, late tests left out.

    Raises TemplateError that names the whole cycle.
    """
    return ordered(sort(names, packages).groups, packages)


@dataclass(frozen=True)
class Untested:
    """A package as the graph has it where its tests come later."""

    package: Needing

    @property
    def pkgver(self) -> PkgVer:
        return self.package.pkgver

    def needs(self, *kinds: Dep) -> tuple[str, ...]:
        return self.package.needs(*(kind for kind in kinds if kind is not Dep.CHECK))


@dataclass(frozen=True)
class Sorted:
    """Packages in their order, those that need each other together."""

    groups: tuple[tuple[Node, ...], ...]
    packages: Mapping[str, Needing]
    """The packages as the order has them."""
    late: frozenset[str] = frozenset()
    """Packages whose tests come after packages that need them: each is built without tests, and then with them."""


def sort(names: Iterable[str], packages: Mapping[str, Needing]) -> Sorted:
    """The components of `groups`. A cycle that only tests make is none: those tests come late."""
    names = tuple(names)
    together = tuple(groups(names, packages))
    late: set[str] = set()
    for group in together:
        if cycle_of(group, packages) is not None:
            members = {node.name for node in group}
            late |= {name for name, usable in group if not usable and members & {*packages[name].needs(Dep.CHECK)}}
    if not late:
        return Sorted(together, packages)
    every = {node.name: packages[node.name] for group in together for node in group}
    rest = {name: Untested(package) if name in late else package for name, package in every.items()}
    # what late tests need is built too
    further = (need for name in sorted(late) for need in packages[name].needs(Dep.CHECK))
    return Sorted(tuple(groups((*names, *further), rest)), rest, frozenset(late))


def ordered(together: Iterable[tuple[Node, ...]], packages: Mapping[str, Package]) -> tuple[str, ...]:
    """The packages to build in components, in their order. Raises TemplateError that names the whole cycle."""
    result: list[str] = []
    for group in together:
        if (cycle := cycle_of(group, packages)) is not None:
            template = packages[cycle.names[0]].template
            message = f"dependency cycle: {cycle}"
            raise template.error((cycle.kinds[0].value,), message, "one of them has to do without the other")
        result += [name for name, usable in group if not usable]
    return tuple(result)


def groups(names: Iterable[str], packages: Mapping[str, Needing]) -> Iterator[tuple[Node, ...]]:
    """The strongly connected components of `names` and of all that they need, each after what it needs.

    A component is one build, or packages that need each other to run. A component with a build and more is a cycle. The
    time is linear in packages and needs (Tarjan 1972). It uses a stack of its own, because chains may be long.
    """
    place: dict[tuple[str, bool], int] = {}
    path: list[tuple[str, bool]] = []

    def enter(node: tuple[str, bool]) -> tuple[Iterator[tuple[str, bool]], int]:
        place[node] = at = len(path)
        path.append(node)
        return iter(_before(*node, packages)), at

    for name in names:
        node = (name, True)
        if node in place:
            continue
        stack: list[tuple[tuple[str, bool], Iterator[tuple[str, bool]], int]] = []
        ways, low = enter(node)
        while True:
            for further in ways:
                at = place.get(further)
                if at is None:
                    stack.append((node, ways, low))
                    node = further
                    ways, low = enter(node)
                    break
                if at < low:
                    low = at
            else:
                if low == place[node]:
                    group = path[low:]
                    del path[low:]
                    place.update(dict.fromkeys(group, _DONE))
                    yield tuple(map(Node._make, group))
                if not stack:
                    break
                below = low
                node, ways, low = stack.pop()
                low = min(low, below)


def successors(node: Node, packages: Mapping[str, Needing]) -> list[Node]:
    """The nodes that must be complete before this node."""
    return [Node(*pair) for pair in _before(*node, packages)]


def _before(name: str, usable: bool, packages: Mapping[str, Needing]) -> list[tuple[str, bool]]:
    """The same as pairs, which are several times faster to make; there are tens of thousands."""
    if not usable:
        return [(need, True) for need in packages[name].needs(*BUILD)]
    return [(name, False), *[(need, True) for need in packages[name].needs(Dep.RUN)]]


def cycle_of(group: tuple[Node, ...], packages: Mapping[str, Needing]) -> Cycle | None:
    """The shortest cycle through the first build of a component, if it is a cycle."""
    start = next((node for node in group if not node.usable), None) if len(group) > 1 else None
    if start is None:
        return None
    members = set(group)
    before: dict[Node, Node] = {}
    queue = deque([start])
    while start not in before:
        node = queue.popleft()
        for further in successors(node, packages):
            if further in members and further not in before:
                before[further] = node
                queue.append(further)
    way = [start]
    while len(way) == 1 or way[-1] != start:
        way.append(before[way[-1]])
    way.reverse()
    names, kinds = [start.name], []
    for node, further in pairwise(way):
        if further.usable:
            names.append(further.name)
            kinds.append(Dep.RUN if node.usable else _kind(packages[node.name], further.name))
    return Cycle(tuple(names), tuple(kinds))


def _kind(package: Needing, name: str) -> Dep:
    return next(kind for kind in BUILD if name in package.needs(kind))


def dependents(name: str, packages: Mapping[str, Needing], kinds: Iterable[Dep] = tuple(Dep)) -> tuple[str, ...]:
    """Every package of `packages` that needs `name` directly, in the order of names."""
    kinds = tuple(kinds)
    return tuple(sorted(other for other, package in packages.items() if name in package.needs(*kinds)))


def all_dependents(names: Iterable[str], packages: Mapping[str, Needing]) -> tuple[str, ...]:
    """Every package of `packages` that needs one of `names`, directly or by others, in the order of names."""
    back: dict[str, list[str]] = {}
    for other, package in packages.items():
        for name in package.needs(*Dep):
            back.setdefault(name, []).append(other)
    found: set[str] = set()
    queue = list(names)
    while queue:
        for other in back.get(queue.pop(), ()):
            if other not in found:
                found.add(other)
                queue.append(other)
    return tuple(sorted(found))
