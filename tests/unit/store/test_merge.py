"""Manifests merged: every path has one owner, or all that forbids it is told."""

from __future__ import annotations

from itertools import permutations

import pytest

from tests.unit.builders import a_file, a_link
from xsrc.store.manifest import Entry, Kind
from xsrc.store.merge import Conflict, agree, conflicts, disagreement

DIR = Entry("p", Kind.DIR, 0o755)

DIFFERENT = [
    (a_file("p", "x"), a_file("p", "y"), "different contents"),
    (a_file("p", "x", 0o644), a_file("p", "x", 0o755), "different modes"),
    (a_file("p", "x", 0o644), a_file("p", "y", 0o755), "different contents"),
    (a_link("p", "a"), a_link("p", "b"), "links to a and to b"),
    (a_file("p"), DIR, "a file in the one, a dir in the other"),
    (a_link("p", "a"), a_file("p"), "a link in the one, a file in the other"),
    (DIR, a_link("p", "a"), "a dir in the one, a link in the other"),
]
ALIKE = [
    (a_file("p", "x"), a_file("p", "x")),
    (a_link("p", "a"), a_link("p", "a")),
    (DIR, DIR),
    (DIR, Entry("p", Kind.DIR, 0o700)),
]


@pytest.mark.parametrize(("one", "two", "why"), DIFFERENT)
def test_entries_that_disagree(one: Entry, two: Entry, why: str) -> None:
    assert not agree(one, two)
    assert not agree(two, one)
    assert disagreement(one, two) == why
    assert conflicts({"a-1_1": [one], "b-1_1": [two]}) == (Conflict("p", "a-1_1", "b-1_1", why),)


@pytest.mark.parametrize(("one", "two"), ALIKE)
def test_entries_that_agree(one: Entry, two: Entry) -> None:
    assert agree(one, two)
    assert conflicts({"a-1_1": [one], "b-1_1": [two]}) == ()


def test_both_owners_are_named_and_all_conflicts_told_in_order() -> None:
    found = conflicts(
        {
            "c": [a_file("z", "3"), a_file("m", "1")],
            "a": [a_file("z", "1"), a_file("k", "1")],
            "b": [a_file("m", "2"), a_file("k", "1")],
        }
    )
    assert [str(conflict) for conflict in found] == [
        "/m: b and c: different contents",
        "/z: a and c: different contents",
    ]


def test_the_order_of_manifests_does_not_matter() -> None:
    manifests = {"a": [a_file("p", "1")], "b": [a_file("p", "2")], "c": [a_file("p", "1"), a_file("q")]}
    want = conflicts(manifests)
    assert len(want) == 1
    for names in permutations(manifests):
        assert conflicts({name: manifests[name] for name in names}) == want


def test_nothing_in_common() -> None:
    assert conflicts({"a": [a_file("x")], "b": [a_file("y")]}) == ()
    assert conflicts({}) == ()
