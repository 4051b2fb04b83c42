"""Chooses the builds that are in the root together, so that each has what it needs at run time; pure.

A build needs the packages of its patterns, and the libraries that its files were linked with: each soname, and of each
library the symbols that the files use. A wish (packages that come or go) is solved by a search that tries the best
choice first. It comes back to a choice only if what follows from it cannot be solved. Names are looked at in order, so
that equal wishes have equal results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.farm.candidate import Candidate, Checks, Known, Unmet

STEPS = 20_000
"""Choices that a search tries at most."""


@dataclass(frozen=True)
class Solution:
    """The packages of the root by name, and the needs that stay unmet; none if the wish can be fulfilled."""

    packages: Mapping[str, Candidate]
    unmet: tuple[Unmet, ...] = ()


@dataclass(frozen=True)
class RootWish:
    """What is to change: packages that come, by name, and names that go."""

    come: Mapping[str, Candidate] = field(default_factory=dict)
    go: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    """Names that keep their builds."""
    alone: bool = False
    """Bring nothing else, and take nothing else along."""


def solve(
    known: Known,
    stowed: Mapping[str, Candidate],
    wish: RootWish,
    preferred: Callable[[str], PkgVer | None],
    *,
    linked_first: bool = True,
) -> Solution:
    """The root after a wish.

    What came with a wish, and all that it needs, has everything that it needs. What stays loses nothing that it had;
    its newer builds are taken along if they fit. Of several builds, the one comes that files were linked with, then
    `preferred`, then the newest; without `linked_first`, the preferred one comes first. What is stowed is replaced only
    if it does not fit, or if what comes was linked with a later one.

    If there is no such root, the result names the needs that would be unmet.
    """
    search = _Search(known, stowed, wish, preferred, linked_first)
    found = search.run()
    if found is not None:
        return found
    closest = search.run(tolerant=True) or Solution(stowed)
    return replace(closest, unmet=tuple({(bad.by.name, bad.need): bad for bad in closest.unmet}.values()))


@dataclass(frozen=True)
class _State:
    """A root on the way: packages, the names that no later choice may change, and the names to look at."""

    packages: Mapping[str, Candidate]
    fixed: frozenset[str]
    todo: tuple[tuple[str, bool], ...]
    """Names, and whether all needs have to be met: those of what comes."""
    seen: frozenset[str] = frozenset()
    """Names of what comes that were looked at, as the builds that they are now."""
    kept: frozenset[tuple[str, str]] = frozenset()
    """Names and sonames for which an older library is good enough."""
    unmet: tuple[Unmet, ...] = ()


class _Search:
    """The search for one wish."""

    def __init__(
        self,
        known: Known,
        stowed: Mapping[str, Candidate],
        wish: RootWish,
        preferred: Callable[[str], PkgVer | None],
        linked_first: bool,
    ) -> None:
        self.known, self.stowed, self.wish = known, stowed, wish
        self.preferred, self.linked_first = preferred, linked_first
        self.checks = Checks(known)

    def run(self, *, tolerant: bool = False) -> Solution | None:
        """The first root that fulfils the wish; with `tolerant`, the first choices, with what stays unmet."""
        stack = [iter((self.start(),))]
        left = STEPS
        while stack and left:
            state = next(stack[-1], None)
            if state is None:
                stack.pop()
                continue
            left -= 1
            while state is not None and state.todo:
                options = self.step(state, tolerant)
                state = next(options, None)
                stack.append(options)
            if state is not None:
                return Solution(dict(sorted(state.packages.items())), state.unmet)
        return None

    def start(self) -> _State:
        """The root right after the wish, with all that it may have broken still to look at."""
        wish = self.wish
        fixed = frozenset((*wish.come, *wish.go, *wish.held))
        packages = {name: one for name, one in self.stowed.items() if name not in wish.go}
        state = self.with_these(_State(packages, fixed, ()), [wish.come[name] for name in sorted(wish.come)])
        gone = [self.stowed[name] for name in sorted(wish.go) if name in self.stowed]
        return replace(state, todo=(*state.todo, *self.hurt(state.packages, gone)))

    def with_one(self, state: _State, one: Candidate) -> _State:
        """A root with one more build; what it replaces is gone."""
        return self.with_these(state, (one,))

    def with_these(self, state: _State, coming: Sequence[Candidate]) -> _State:
        """A root with more builds; what they replace is gone."""
        new = {one.name: one for one in coming}
        replaced = [pattern for one in coming for pattern in one.replaces]
        gone = [
            other
            for name, other in sorted(state.packages.items())
            if name in new or (name not in state.fixed and any(p.matches(other.pkgver) for p in replaced))
        ]
        out = {other.name for other in gone}
        packages = {name: other for name, other in state.packages.items() if name not in out} | new
        todo = (*state.todo, *((name, True) for name in new), *self.hurt(packages, gone))
        fixed, seen = state.fixed | out | new.keys(), state.seen - new.keys()
        return replace(state, packages=packages, fixed=fixed, todo=todo, seen=seen)

    def hurt(self, packages: Mapping[str, Candidate], gone: Iterable[Candidate]) -> list[tuple[str, bool]]:
        """The packages that may need something of those that are gone."""
        gone = tuple(gone)
        if not gone:
            return []
        sonames = frozenset(soname for one in gone for soname in one.sonames)
        return [
            (name, False)
            for name, other in sorted(packages.items())
            if not sonames.isdisjoint(other.links)
            or any(one.satisfies(pattern) for pattern in other.needs for one in gone)
        ]

    def step(self, state: _State, tolerant: bool) -> Iterator[_State]:
        """The roots that follow from looking at the next name, the best first."""
        (name, strict), *rest = state.todo
        one = state.packages.get(name)
        if one is None or (strict and name in state.seen):
            yield replace(state, todo=tuple(rest))
            return
        bad = next(self.bad(one, state, strict or name in state.seen), None)
        if bad is not None:
            options = self.options(bad, state, strict)
            if not tolerant:
                yield from options
                return
            yield next(options, replace(state, unmet=(*state.unmet, bad)))
            return
        if strict and (later := self.later(one, state)) is not None:
            soname, better = later
            if self.fits(better, state):
                yield self.with_one(state, better)
            yield replace(state, kept=state.kept | {(name, soname)})
            return
        if not strict:
            yield replace(state, todo=tuple(rest))
            return
        # what it needs has to have all that it needs itself
        givers = [(giver.name, True) for giver in self.needed(one, state)]
        yield replace(state, todo=(*rest, *givers), seen=state.seen | {name})

    def bad(self, one: Candidate, state: _State, strict: bool) -> Iterator[Unmet]:
        """The unmet needs of a package that have to be met: not those that what stays did not have before."""
        for found in self.checks.of(one, state.packages):
            if found in state.unmet:
                continue
            if not strict and self.stowed.get(one.name) == one and self.was_unmet(found):
                continue
            yield found

    def was_unmet(self, found: Unmet) -> bool:
        return any(old.need == found.need for old in self.checks.of(found.by, self.stowed))

    def later(self, one: Candidate, state: _State) -> tuple[str, Candidate] | None:
        """A library that a build was linked with, and that is later than the one which is stowed."""
        for soname, link in one.links.items():
            here = state.packages.get(link.name)
            if here is None or link.name in state.fixed or (one.name, soname) in state.kept or self.wish.alone:
                continue
            then = PkgVer.parse(link.provider)
            if (then.order, then == here.pkgver and not here.latest) > (here.pkgver.order, False):
                for better in self.known.candidates(link.name):
                    if better.pkgver == then and better.latest and soname in better.sonames:
                        return soname, better
        return None

    def options(self, bad: Unmet, state: _State, strict: bool) -> Iterator[_State]:
        """The roots in which an unmet need may be met."""
        if self.wish.alone:
            return
        ways = [self.providers(bad, state), self.renewed(bad, state)]
        found = list(chain(*(ways if strict else reversed(ways))))
        fit = {one for one in found if self.fits(one, state)}
        state = replace(state, todo=((bad.by.name, strict), *state.todo[1:]))
        for one in found:
            if one in fit:
                yield self.with_one(state, one)
        for one in found:
            if one not in fit:
                yield from self.beside(state, one)

    def beside(self, state: _State, one: Candidate) -> Iterator[_State]:
        """The roots with one more build; later builds come of what conflicts with it."""
        foe = next(self.foes(one, state), None)
        if foe is None:
            yield self.with_one(state, one)
        elif foe.name not in state.fixed:
            for better in self.renewals(foe):
                if not _conflict(better, one):
                    for cleared in self.beside(state, better):
                        yield from self.beside(cleared, one)

    def providers(self, bad: Unmet, state: _State) -> Iterator[Candidate]:
        """The builds that satisfy a need, the best first."""
        link = bad.by.links.get(bad.need)
        if link is not None:
            names = [link.name, *sorted(self.known.with_soname(bad.need))]
            pattern = None
        else:
            pattern = Pattern.parse(bad.need)
            names = self.by_name(pattern, state)
        for name in dict.fromkeys(names):
            if name in state.fixed:
                continue
            for one in self.ordered(name, bad.by):
                fit = one.satisfies(pattern) if pattern else bad.need in one.sonames
                fit = fit and not (link and self.checks.missing(bad.by, bad.need, one))
                if fit and one != state.packages.get(name):
                    yield one

    def by_name(self, pattern: Pattern, state: _State) -> list[str]:
        """The names of packages that may satisfy a pattern: an old build whose template is gone comes last."""
        virtual = self.known.named(pattern)
        names = [pattern.name, *sorted(virtual, key=lambda name: (name not in state.packages, name))]
        return sorted(names, key=lambda name: bool(virtual) and self.preferred(name) is None)

    def renewed(self, bad: Unmet, state: _State) -> Iterator[Candidate]:
        """Later builds of what has the need."""
        if bad.by.name not in state.fixed:
            yield from self.renewals(bad.by)

    def renewals(self, old: Candidate) -> Iterator[Candidate]:
        """Builds that can come in the place of one: never older ones."""
        for one in self.ordered(old.name, old):
            if one != old and one.pkgver.order >= old.pkgver.order and (one.latest or not old.latest):
                yield one

    def ordered(self, name: str, by: Candidate) -> list[Candidate]:
        """The builds of a package, in the order in which they are to be tried for what `by` needs."""
        found = sorted(self.known.candidates(name), key=lambda one: one.pkgver.order, reverse=True)
        if len(found) < 2:
            return found
        linked = {link.provider for link in by.links.values() if link.name == name}
        wanted = self.preferred(name)
        if self.linked_first:
            return sorted(found, key=lambda o: (str(o.pkgver) not in linked, o.pkgver != wanted, not o.latest))
        return sorted(found, key=lambda o: (o.pkgver != wanted, str(o.pkgver) not in linked, not o.latest))

    def fits(self, one: Candidate, state: _State) -> bool:
        """Whether a build conflicts with nothing that it does not replace."""
        return next(self.foes(one, state), None) is None

    def foes(self, one: Candidate, state: _State) -> Iterator[Candidate]:
        """What conflicts with a build that does not replace it, in order of the names."""
        for name, other in sorted(state.packages.items()):
            if name != one.name and not any(p.matches(other.pkgver) for p in one.replaces) and _conflict(one, other):
                yield other

    def needed(self, one: Candidate, state: _State) -> Iterator[Candidate]:
        """The packages that a build has its needs from."""
        for pattern in one.needs:
            if (giver := self.checks.giver(pattern, state.packages)) is not None:
                yield giver
        for soname, link in one.links.items():
            for giver in self.checks.givers(link, soname, state.packages):
                if not self.checks.missing(one, soname, giver):
                    yield giver
                    break


def _conflict(one: Candidate, other: Candidate) -> bool:
    return any(map(other.satisfies, one.conflicts)) or any(map(one.satisfies, other.conflicts))
