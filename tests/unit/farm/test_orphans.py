"""What nothing needs that somebody asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.farm.candidate import Candidate, Linked
from xsrc.farm.orphans import unneeded


class Nothing:
    """No builds beside those that are stowed, and no symbols."""

    def candidates(self, name: str) -> Sequence[Candidate]:
        return ()

    def named(self, pattern: Pattern) -> Sequence[str]:
        return ()

    def with_soname(self, soname: str) -> Sequence[str]:
        return ()

    def exports(self, one: Candidate, soname: str) -> frozenset[str]:
        return frozenset()

    def imports(self, one: Candidate, soname: str) -> tuple[str, ...]:
        return ()


def one(
    name: str, *needs: str, links: Iterable[tuple[str, str]] = (), sonames: Iterable[str] = (), provides: str = ""
) -> Candidate:
    return Candidate(
        PkgVer(name, "1", 1),
        needs=tuple(map(Pattern.parse, needs)),
        links={soname: Linked(f"{giver}-1_1", "", "x") for soname, giver in links},
        sonames=frozenset(sonames),
        provides=(provides,) if provides else (),
    )


CASES = {
    "a chain": ([one("a", "b"), one("b", "c"), one("c"), one("d", "c")], ["a"], ("d",)),
    "a circle": ([one("a"), one("b", "c"), one("c", "b")], ["a"], ("b", "c")),
    "a library": (
        [one("a", links=[("l.1", "b")]), one("b", sonames=["l.1"]), one("c", sonames=["l.1"])],
        ["a"],
        ("c",),
    ),
    "a library that moved": ([one("a", links=[("l.1", "b")]), one("c", sonames=["l.1"])], ["a"], ()),
    "a bound": ([one("a", "b>=1"), one("b")], ["a"], ()),
    "the nearest to an unmet need": ([one("a", "b>=2"), one("b"), one("c")], ["a"], ("c",)),
    "the one of a virtual name": ([one("a", "v"), one("b", provides="v"), one("c", provides="v")], ["a"], ("c",)),
    "the one that stays anyway": ([one("a", "v"), one("b", provides="v"), one("c", provides="v")], ["a", "c"], ("b",)),
    "the one that comes for another": (
        [one("a", "v"), one("b", provides="v"), one("c", provides="v"), one("d", "c")],
        ["a", "d"],
        ("b",),
    ),
    "nothing is wanted": ([one("a", "b"), one("b")], [], ("a", "b")),
}


@pytest.mark.parametrize(("stowed", "wanted", "gone"), CASES.values(), ids=CASES)
def test_unneeded(stowed: list[Candidate], wanted: list[str], gone: tuple[str, ...]) -> None:
    assert unneeded(Nothing(), {each.name: each for each in stowed}, wanted) == gone
