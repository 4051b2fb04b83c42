"""Generations: their record as text, and what one has that another has not."""

from __future__ import annotations

import pytest

from xsrc.core.pkgver import PkgVer
from xsrc.farm.generation import Generation, GenerationDifference, Stowed, difference

DASH = Stowed(PkgVer("dash", "0.5.12", 1), "b" * 20)
LUA = Stowed(PkgVer("lua", "5.4.6", 2), "c" * 20, asked=False)
ONE = Generation(7, "2026-01-02T03:04:05Z", "stow dash", {"dash": DASH, "lua": LUA}, {"sh": "dash", "vi": "vim"})


def test_the_text_of_a_record() -> None:
    assert ONE.render().split("\n\n") == [
        'number = 7\nat = "2026-01-02T03:04:05Z"\nwhy = "stow dash"',
        '[alternatives]\nsh = "dash"\nvi = "vim"',
        f'[packages.dash]\npkgver = "dash-0.5.12_1"\nbuild = "{"b" * 20}"\nasked = true',
        f'[packages.lua]\npkgver = "lua-5.4.6_2"\nbuild = "{"c" * 20}"\nasked = false\n',
    ]


@pytest.mark.parametrize(
    "one",
    [
        ONE,
        Generation(1, "", ""),
        Generation(1, "", 'stow "x" \\ é\n', {"gtk+3.0": Stowed(PkgVer("gtk+3.0", "3.24", 1), "")}),
        Generation(2, "", "alternatives", {}, {"a.b": "c", "d e": "f"}),
    ],
    ids=["full", "empty", "odd text", "odd groups"],
)
def test_a_record_round_trip(one: Generation) -> None:
    assert Generation.parse(one.render()) == one


TEXT = ONE.render()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "number = ",
        TEXT.replace("number = 7\n", ""),
        TEXT.replace("[alternatives]", "[others]"),
        TEXT.replace("asked = true", ""),
        TEXT.replace("dash-0.5.12_1", "no version"),
        'number = 1\nat = ""\nwhy = ""\nalternatives = {}\npackages = 3\n',
        'number = 1\nat = ""\nwhy = ""\nalternatives = {}\npackages = { a = 3 }\n',
    ],
)
def test_what_is_no_record(text: str) -> None:
    with pytest.raises(ValueError):  # of tomllib, of PkgVer or its own
        Generation.parse(text)


def test_the_builds_it_needs() -> None:
    assert ONE.builds == {("dash-0.5.12_1", "b" * 20), ("lua-5.4.6_2", "c" * 20)}


def stowed(*words: str, **choices: str) -> Generation:
    """A generation of `NAME-VERSION_REVISION/BUILD`s."""
    pairs = [word.split("/") for word in words]
    packages = {PkgVer.parse(v).name: Stowed(PkgVer.parse(v), build) for v, build in pairs}
    return Generation(2, "", "", packages, choices)


@pytest.mark.parametrize(
    ("old", "new", "want", "text"),
    [
        (None, stowed(), GenerationDifference(), "links only"),
        (None, stowed("a-1_1/x"), GenerationDifference(added=("a-1_1",)), "+a-1_1"),
        (stowed("a-1_1/x"), stowed("a-1_1/x"), GenerationDifference(), "links only"),
        (stowed("a-1_1/x"), stowed(), GenerationDifference(removed=("a-1_1",)), "-a-1_1"),
        (
            stowed("a-1_1/x"),
            stowed("a-1.1_2/x"),
            GenerationDifference(changed=(("a-1_1", "a-1.1_2"),)),
            "a-1_1 -> 1.1_2",
        ),
        (
            stowed("a-1_1/x"),
            stowed("a-1_1/y"),
            GenerationDifference(changed=(("a-1_1", "a-1_1"),)),
            "a-1_1 built again",
        ),
        (stowed(), stowed(sh="dash"), GenerationDifference(chosen=(("sh", "dash"),)), "sh=dash"),
        (stowed(sh="ash", vi="v"), stowed(vi="v"), GenerationDifference(chosen=(("sh", ""),)), "sh=?"),
        (
            stowed("a-1_1/x", "b-1_1/x", "c-1_1/x", sh="c"),
            stowed("b-2_1/x", "c-1_1/x", "d-1_1/x", sh="b"),
            GenerationDifference(("d-1_1",), ("a-1_1",), (("b-1_1", "b-2_1"),), (("sh", "b"),)),
            "+d-1_1, -a-1_1, b-1_1 -> 2_1, sh=b",
        ),
    ],
    ids=["first", "added", "equal", "removed", "upgraded", "rebuilt", "chosen", "choice taken back", "all at once"],
)
def test_what_changed(old: Generation | None, new: Generation, want: GenerationDifference, text: str) -> None:
    assert difference(old, new) == want
    assert str(want) == text
