"""Finds the packages of a root that nothing which somebody asked for needs any more; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from xsrc.farm.candidate import Candidate, Checks, Known


def unneeded(known: Known, stowed: Mapping[str, Candidate], wanted: Collection[str]) -> tuple[str, ...]:
    """The stowed packages that can go without a loss for the `wanted` ones, and for what those need; by name.

    A package that the others need for a pattern or a library stays. Of several that satisfy a need, one that stays
    anyway is enough; else it is the one that the solver prefers.
    """
    checks = Checks(known)
    kept: set[str] = set()
    todo = sorted(name for name in wanted if name in stowed)
    open_needs: list[tuple[str, ...]] = []
    while todo or open_needs:
        while todo:
            name = todo.pop()
            if name not in kept:
                kept.add(name)
                needs = list(_needs(checks, stowed[name], stowed))
                todo += [givers[0] for givers in needs if len(givers) == 1]
                open_needs += [givers for givers in needs if len(givers) > 1]
        # what has to stay anyway may satisfy a need that several could
        open_needs = sorted({givers for givers in open_needs if kept.isdisjoint(givers)})
        if open_needs:
            todo.append(open_needs.pop(0)[0])
    return tuple(name for name in sorted(stowed) if name not in kept)


def _needs(checks: Checks, one: Candidate, stowed: Mapping[str, Candidate]) -> Iterator[tuple[str, ...]]:
    """For each need of a package, the packages of which one has to stay, the best first."""
    for pattern in one.needs:
        best = checks.giver(pattern, stowed)
        if best is not None and best.name == pattern.name:
            yield (best.name,)
        elif best is not None:
            yield tuple(name for name in sorted(stowed) if stowed[name].satisfies(pattern))
        elif pattern.name in stowed:  # not met, but nearest to it
            yield (pattern.name,)
    for soname, link in one.links.items():
        fitting = [g for g in checks.givers(link, soname, stowed) if not checks.missing(one, soname, g)]
        if fitting:
            yield (fitting[0].name,)  # which of several the loader takes is not ours to say
        elif link.name in stowed:
            yield (link.name,)
