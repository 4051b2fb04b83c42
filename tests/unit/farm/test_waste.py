"""What can go: builds and generations that nothing needs any more."""

from __future__ import annotations

import pytest

from xsrc.core.pkgver import PkgVer
from xsrc.farm.generation import Generation, Stowed
from xsrc.farm.waste import Waste, needing, waste

Pair = tuple[str, str]
OLD, NEW, AGAIN, OTHER = ("p-1_1", "b1"), ("p-2_1", "b2"), ("p-2_1", "b3"), ("q-1_1", "b4")


def generation(number: int, *pairs: Pair) -> Generation:
    """A generation of some builds."""
    packages = {PkgVer.parse(v).name: Stowed(PkgVer.parse(v), build) for v, build in pairs}
    return Generation(number, "", "", packages)


@pytest.mark.parametrize(
    ("builds", "stowed", "kept", "want"),
    [
        ({}, (), 10, ()),
        ({OLD: True}, (), 10, ()),
        ({OLD: True, NEW: True}, (), 10, (OLD,)),
        ({OLD: True, NEW: True}, (OLD,), 10, ()),
        ({NEW: True, AGAIN: False}, (NEW,), 10, (AGAIN,)),
        ({NEW: False, AGAIN: True}, (), 10, (NEW,)),
        ({OLD: True, NEW: True, OTHER: True}, (OTHER,), 10, (OLD,)),
    ],
    ids=[
        "nothing",
        "the only version",
        "an older version",
        "what is stowed",
        "a build that stands aside",
        "the newest is the one in its place",
        "each package by itself",
    ],
)
def test_builds_without_generations(
    builds: dict[Pair, bool], stowed: tuple[Pair, ...], kept: int, want: object
) -> None:
    assert waste(builds, stowed, (), kept) == Waste(want, ())  # type: ignore[arg-type]


EVERY = {OLD: True, NEW: False, AGAIN: True, OTHER: True}
HISTORY = (generation(1, OLD), generation(2, NEW), generation(3, AGAIN, OTHER), generation(4, OTHER))


@pytest.mark.parametrize(
    ("keep", "builds", "numbers"),
    [
        (10, (), ()),
        (4, (), ()),
        (3, (OLD,), (1,)),
        (2, (OLD, NEW), (1, 2)),
        (1, (OLD, NEW), (1, 2, 3)),
        (0, (OLD, NEW), (1, 2, 3)),
    ],
)
def test_the_last_generations_keep_what_they_need(
    keep: int, builds: tuple[Pair, ...], numbers: tuple[int, ...]
) -> None:
    want = Waste(builds, numbers)
    assert waste(EVERY, (OTHER,), HISTORY, keep) == want
    assert waste(EVERY, (OTHER,), reversed(HISTORY), keep) == want


def test_everything_that_nothing_refers_to() -> None:
    assert waste(EVERY, (OTHER,), HISTORY, 1, everything=True).builds == (OLD, NEW, AGAIN)
    assert waste(EVERY, (OTHER, OLD), HISTORY, 2, everything=True).builds == (NEW,)
    assert waste(EVERY, (), (), 1, everything=True).builds == tuple(sorted(EVERY))


def test_generations_of_which_some_are_gone_already() -> None:
    assert waste(EVERY, (OTHER,), HISTORY[1:], 2) == Waste((OLD, NEW), (2,))


# 10 comes after 9, whatever the text says.
def test_the_newest_version_is_not_the_last_by_name() -> None:
    builds = {("p-9_1", "a"): True, ("p-10_1", "b"): True, ("p-10_2", "c"): True}
    assert waste(builds, (), (), 1).builds == (("p-10_1", "b"), ("p-9_1", "a"))


def test_the_generations_that_need_a_build() -> None:
    kept = [generation(3, OLD, OTHER), generation(1, NEW), generation(2, AGAIN)]
    assert needing([NEW, OTHER], kept) == (1, 3)
    assert needing([], kept) == needing([("p-3_1", "")], kept) == ()
