"""The solver of run-time needs, tried on small worlds against all roots that there can be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.farm.candidate import Candidate, Linked, unmet
from xsrc.farm.orphans import unneeded
from xsrc.farm.solve import RootWish, Solution, solve

NAMES = ("a", "b", "c", "d")
VIRTUAL = "v"


@dataclass(frozen=True)
class World:
    """All builds that there are; sonames are lib.N, of which each has the symbols up to a number."""

    builds: tuple[Candidate, ...]
    symbols: Mapping[tuple[str, str], int]
    """By pkgver and soname, how many symbols the library has."""
    uses: Mapping[tuple[str, str], int]
    """By pkgver and soname, how many symbols its files use."""

    def candidates(self, name: str) -> Sequence[Candidate]:
        return [one for one in self.builds if one.name == name]

    def named(self, pattern: Pattern) -> Sequence[str]:
        return sorted({one.name for one in self.builds if any(map(pattern.satisfied_by, one.provides))})

    def with_soname(self, soname: str) -> Sequence[str]:
        return sorted({one.name for one in self.builds if soname in one.sonames})

    def exports(self, one: Candidate, soname: str) -> frozenset[str]:
        return frozenset(f"s{n}" for n in range(self.symbols.get((str(one.pkgver), soname), 1)))

    def imports(self, one: Candidate, soname: str) -> tuple[str, ...]:
        return tuple(f"s{n}" for n in range(self.uses.get((str(one.pkgver), soname), 0)))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    builds: list[Candidate] = []
    symbols: dict[tuple[str, str], int] = {}
    uses: dict[tuple[str, str], int] = {}
    for name in NAMES:
        for version in range(1, draw(st.integers(1, 3)) + 1):
            pkgver = PkgVer(name, str(version), 1)
            sonames = frozenset(draw(st.sets(st.sampled_from([f"{name}.1", f"{name}.2"]), max_size=1)))
            for soname in sonames:
                symbols[str(pkgver), soname] = draw(st.integers(1, 3))
            others = [other for other in NAMES if other != name]
            bounds = st.sampled_from(["", ">=2", "<2", "=3", "<3"])
            wanted = draw(st.lists(st.tuples(st.sampled_from([*others, VIRTUAL]), bounds), max_size=2))
            provides = (VIRTUAL,) if draw(st.integers(0, 4)) == 0 else ()
            replaces = (Pattern(draw(st.sampled_from(others))),) if draw(st.integers(0, 9)) == 0 else ()
            conflicts = (Pattern(draw(st.sampled_from(others))),) if draw(st.integers(0, 9)) == 0 else ()
            needs = tuple(Pattern.parse(f"{other}{bound}") for other, bound in wanted)
            one = Candidate(pkgver, "b", True, needs, {}, sonames, provides, conflicts, replaces)
            builds.append(one)
    libraries = [(one, soname) for one in builds for soname in sorted(one.sonames)]
    linked = []
    for one in builds:
        links: dict[str, Linked] = {}
        for giver, soname in draw(st.lists(st.sampled_from(libraries), max_size=2)) if libraries else []:
            if giver.name != one.name:
                links[soname] = Linked(str(giver.pkgver), "b", "usr/bin/x")
                uses[str(one.pkgver), soname] = draw(st.integers(0, symbols[str(giver.pkgver), soname]))
        linked.append(replace(one, links=links))
    return World(tuple(linked), symbols, uses)


@st.composite
def stories(draw: st.DrawFn) -> tuple[World, dict[str, Candidate], RootWish]:
    world = draw(worlds())
    stowed = {name: draw(st.sampled_from(list(world.candidates(name)))) for name in NAMES if draw(st.booleans())}
    come = {
        name: draw(st.sampled_from(list(world.candidates(name))))
        for name in draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True))
    }
    go = frozenset(name for name in stowed if name not in come and draw(st.integers(0, 3)) == 0)
    held = frozenset(name for name in stowed if name not in come and name not in go and draw(st.integers(0, 5)) == 0)
    return world, stowed, RootWish(come, go, held, alone=not come and draw(st.booleans()))


def newest(world: World, name: str) -> PkgVer | None:
    return max((one.pkgver for one in world.candidates(name)), key=lambda pkgver: pkgver.order, default=None)


def solved(world: World, stowed: Mapping[str, Candidate], wish: RootWish) -> Solution:
    return solve(world, stowed, wish, lambda name: newest(world, name))


def broken(world: World, stowed: Mapping[str, Candidate], packages: Mapping[str, Candidate]) -> list[tuple[str, str]]:
    """The needs that a root does not meet, without those that were unmet before in what stays."""
    before = {(bad.by.name, bad.need) for bad in unmet(world, stowed)}
    return [
        (bad.by.name, bad.need)
        for bad in unmet(world, packages)
        if stowed.get(bad.by.name) != bad.by or (bad.by.name, bad.need) not in before
    ]


@settings(max_examples=400, deadline=None)
@given(stories())
def test_no_need_is_left_unmet(story: tuple[World, dict[str, Candidate], RootWish]) -> None:
    world, stowed, wish = story
    found = solved(world, stowed, wish)
    packages = found.packages
    if found.unmet:
        return
    assert broken(world, stowed, packages) == []
    assert all(packages[name] == one for name, one in wish.come.items())
    assert wish.go.isdisjoint(packages)
    assert all(packages[name] == stowed[name] for name in wish.held if name in packages)
    came = {name for name in packages if name in wish.come}
    assert not [bad for bad in unmet(world, packages) if bad.by.name in came]


def build(text: str, *needs: str, provides: str = "", replaces: str = "") -> Candidate:
    patterns = tuple(map(Pattern.parse, needs))
    virtual, gone = (provides,) if provides else (), (Pattern(replaces),) if replaces else ()
    return Candidate(PkgVer.parse(text), "b", True, patterns, provides=virtual, replaces=gone)


def test_another_build_of_what_was_looked_at_is_looked_at_too() -> None:
    """d-2 lacks nothing; d-3, which a needs, lacks a later a: once that was not seen, for d had been looked at."""
    stowed = build("d-2_1", provides=VIRTUAL)
    builds = (
        *(build("a-1_1", "d=3"), build("a-2_1", "d<3")),
        *(build("b-2_1", "d", "c"), build("c-2_1", "a<2")),
        *(stowed, build("d-3_1", "c", "a>=2")),
    )
    world = World(builds, {}, {})
    found = solved(world, {"d": stowed}, RootWish({"b": builds[2]}))
    assert found.unmet
    assert any(bad.by.name == "d" for bad in found.unmet) or broken(world, {"d": stowed}, found.packages)


@settings(max_examples=400, deadline=None)
@given(stories())
def test_nothing_changes_but_for_a_need(story: tuple[World, dict[str, Candidate], RootWish]) -> None:
    """What stays is what it was, or later, or was replaced; what is new is asked for, or something asks for it."""
    world, stowed, wish = story
    packages = solved(world, stowed, wish).packages
    replaced = {
        n for n in stowed for one in packages.values() if any(p.matches(stowed[n].pkgver) for p in one.replaces)
    }
    assert set(stowed) - set(packages) <= wish.go | replaced
    if wish.alone:
        assert set(packages) <= {*stowed, *wish.come}


@settings(max_examples=300, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_the_order_of_words_does_not_matter(story: tuple[World, dict[str, Candidate], RootWish], dice: object) -> None:
    world, stowed, wish = story
    first = solved(world, stowed, wish)
    turned = World(tuple(reversed(world.builds)), world.symbols, world.uses)
    backwards = replace(wish, come=dict(reversed(list(wish.come.items()))))
    second = solved(turned, dict(reversed(list(stowed.items()))), backwards)
    assert first == second


def roots(world: World, stowed: Mapping[str, Candidate], wish: RootWish) -> Iterator[dict[str, Candidate]]:
    """Every root that a wish allows: what stays is the same or later, and anything may come."""
    choices: list[list[Candidate | None]] = []
    for name in NAMES:
        every: list[Candidate | None] = list(world.candidates(name))
        if name in wish.come:
            choices.append([wish.come[name]])
        elif name in wish.go:
            choices.append([None])
        elif name in wish.held and name in stowed:
            choices.append([stowed[name]])
        elif name in stowed:
            choices.append([one for one in every if one and one.pkgver.order >= stowed[name].pkgver.order])
        else:
            choices.append([None, *every])
    for chosen in itertools.product(*choices):
        yield {one.name: one for one in chosen if one is not None}


def at_peace(packages: Mapping[str, Candidate]) -> bool:
    return not any(
        one is not other and any(map(other.satisfies, one.conflicts))
        for one in packages.values()
        for other in packages.values()
    )


@settings(max_examples=400, deadline=None)
@given(stories())
def test_a_wish_is_refused_only_if_no_root_fulfils_it(story: tuple[World, dict[str, Candidate], RootWish]) -> None:
    world, stowed, wish = story
    if wish.alone or any(one.replaces for one in world.builds) or not at_peace(stowed | dict(wish.come)):
        return
    found = solved(world, stowed, wish)
    if found.unmet:
        assert not any(at_peace(root) and not unmet(world, root) for root in roots(world, stowed, wish))


@settings(max_examples=400, deadline=None)
@given(stories(), st.sets(st.sampled_from(NAMES)))
def test_what_nothing_needs_can_go(story: tuple[World, dict[str, Candidate], RootWish], wanted: set[str]) -> None:
    world, stowed, _ = story
    gone = unneeded(world, stowed, wanted)
    rest = {name: one for name, one in stowed.items() if name not in gone}
    assert broken(world, stowed, rest) == []
    assert wanted.isdisjoint(gone)
    assert unneeded(world, rest, wanted) == (), "once is enough"
    backwards = dict(reversed(list(stowed.items())))
    assert unneeded(world, backwards, sorted(wanted, reverse=True)) == gone
