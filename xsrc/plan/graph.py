"""Which packages need which, in which order, and which cannot be ordered at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from xsrc.errors import TemplateError
from xsrc.model.arch import Dep
from xsrc.model.package import Package

BUILD = (Dep.TOOL, Dep.LIB, Dep.CHECK)
Packages = Mapping[str, Package]
Way = tuple[tuple[str, Dep], ...]


def run_closure(names: Iterable[str], packages: Packages) -> tuple[str, ...]:
    """`names` and all that they need at run time, each once, nearest first; cycles are no trouble here."""
    found: dict[str, None] = {}
    queue = list(names)
    while queue:
        name = queue.pop(0)
        if name not in found:
            found[name] = None
            queue += packages[name].needs(Dep.RUN)
    return tuple(found)


def build_closure(package: Package, packages: Packages, kinds: Iterable[Dep] = BUILD) -> tuple[str, ...]:
    """Every package that a build root of `package` holds by declaration, in the order of names."""
    return tuple(sorted(run_closure(package.needs(*kinds), packages)))


def order(names: Iterable[str], packages: Packages) -> tuple[str, ...]:
    """`names` and all that they need, to build and to run, each after what its build needs.

    Raises TemplateError that spells a cycle out.
    """
    done: dict[str, None] = {}
    for name in run_closure(names, packages):
        if name not in done:
            _visit(name, packages, done)
    return tuple(done)


def _visit(first: str, packages: Packages, done: dict[str, None]) -> None:
    """Put `first` after all that its build needs; with a stack of our own, for chains may be longer than Python's."""
    trail: list[tuple[str, Dep | None]] = [(first, None)]
    stack = [(1, _ways(packages[first], packages))]
    while stack:
        length, ways = stack[-1]
        del trail[length:]
        way = next(ways, None)
        if way is None:
            stack.pop()
            done[trail[-1][0]] = None
            continue
        name = way[-1][0]
        if name in done:
            continue
        if name in {trail[at - 1][0] for at, _ in stack}:
            raise _cycle([*trail, *way], packages)
        trail += way
        stack.append((len(trail), _ways(packages[name], packages)))


def _ways(package: Package, packages: Packages) -> Iterator[Way]:
    """How a build comes to each package that it needs: directly, or through what that needs to run."""
    for kind in BUILD:
        for direct in package.needs(kind):
            ways: dict[str, Way] = {direct: ((direct, kind),)}
            queue = [direct]
            for name in queue:
                yield ways[name]
                for further in packages[name].needs(Dep.RUN):
                    if further not in ways:
                        ways[further] = (*ways[name], (further, Dep.RUN))
                        queue.append(further)


def _cycle(trail: list[tuple[str, Dep | None]], packages: Packages) -> TemplateError:
    last, _ = trail[-1]
    start = next(index for index, (name, _) in enumerate(trail) if name == last)
    words = trail[start][0]
    for name, kind in trail[start + 1 :]:
        words += f" -> {name}" + (f" ({kind.value})" if kind else "")
    template = packages[last].template
    second = trail[start + 1][1] if len(trail) > start + 1 else None
    path: tuple[str, ...] = (second.value,) if second else ()
    return template.error(path, f"dependency cycle: {words}", "one of them has to do without the other")


def dependents(name: str, packages: Packages, kinds: Iterable[Dep] = tuple(Dep)) -> tuple[str, ...]:
    """Every package of `packages` that needs `name` directly, in the order of names."""
    kinds = tuple(kinds)
    return tuple(sorted(other for other, package in packages.items() if name in package.needs(*kinds)))
