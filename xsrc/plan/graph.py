"""Which packages need which, in which order, and which cannot be ordered at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.errors import TemplateError
from xsrc.model.arch import Dep
from xsrc.model.package import Package

BUILD = (Dep.TOOL, Dep.LIB, Dep.CHECK)
Packages = Mapping[str, Package]


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
    trail: list[tuple[str, Dep | None]] = []

    def visit(name: str, kind: Dep | None) -> None:
        if name in done:
            return
        if name in (step for step, _ in trail):
            raise _cycle([*trail, (name, kind)], packages)
        trail.append((name, kind))
        package = packages[name]
        for need in BUILD:
            for direct in package.needs(need):
                visit(direct, need)
                for further in run_closure((direct,), packages)[1:]:
                    visit(further, Dep.RUN)
        trail.pop()
        done[name] = None

    for name in run_closure(names, packages):
        visit(name, None)
    return tuple(done)


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
