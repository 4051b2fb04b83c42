"""What each kind of value lets through, and its words for what it does not."""

from __future__ import annotations

import datetime
import time

import pytest

from xsrc.core import spans
from xsrc.core.errors import TemplateError
from xsrc.core.schema import (
    MOST_PROBLEMS,
    Choice,
    Either,
    Flag,
    Hex,
    List,
    Map,
    Number,
    Problem,
    Shape,
    Table,
    Text,
    found,
    nearest,
    read,
    shown,
)

WORD = Text("a word", r"[a-z]+")
TREE = Table(
    {
        "name": WORD,
        "count": Number(1),
        "list": List(WORD),
        "sub": Table({"deep": Flag()}, required=("deep",)),
        "map": Map(Number(), WORD),
    },
    required=("name",),
)


def problems(kind: Shape, value: object) -> list[Problem]:
    return list(kind.problems(value, ("k",)))


def messages(kind: Shape, value: object) -> list[str]:
    return [message for _, message, _ in problems(kind, value)]


RIGHT: list[tuple[Shape, object]] = [
    (Text(), ""),
    (Text(), "two\nlines"),
    (WORD, "abc"),
    (Text("short", longest=3), "abc"),
    (Hex(4), "09af"),
    (Number(), 0),
    (Number(2), 2),
    (Number(), 2**31 - 1),
    (Flag(), True),
    (Flag(), False),
    (Flag(reason=True), True),
    (Flag(reason=True), "because"),
    (Choice(("a", "b")), "b"),
    (Either((Number(), WORD)), 3),
    (Either((Number(), WORD)), "x"),
    (List(), []),
    (List(WORD), ["a", "a"]),
    (List(WORD, least=1), ["a"]),
    (List(WORD, unique=True), ["a", "b"]),
    (Map(), {}),
    (Map(Number(), WORD), {"a": 1}),
    (TREE, {"name": "x"}),
    (TREE, {"name": "x", "count": 1, "list": ["y"], "sub": {"deep": True}, "map": {"z": 0}}),
]


@pytest.mark.parametrize(("kind", "value"), RIGHT)
def test_right_values_pass(kind: Shape, value: object) -> None:
    assert problems(kind, value) == []


WRONG: list[tuple[Shape, object, list[str]]] = [
    (Text(), 3, ["k: want a string, got 3"]),
    (Text(), ["x"], ["k: want a string, got a list"]),
    (WORD, "a1", ['k: want a word, got "a1"']),
    (WORD, "", ['k: want a word, got ""']),
    (Text("short", longest=3), "abcd", ["k: want at most 3 characters, got 4"]),
    (Hex(4), "09a", ["k: want 4 hex digits, got 3"]),
    (Hex(4), "09aff", ["k: want 4 hex digits, got 5"]),
    (Hex(4), "", ["k: want 4 hex digits, got 0"]),
    (Hex(4), "09AF", ["k: want 4 hex digits in lower case, got 'AF' among them"]),
    (Hex(4), "xyz0", ["k: want 4 hex digits in lower case, got 'xyz' among them"]),
    (Hex(4), 1234, ["k: want 4 hex digits, got 1234"]),
    (Number(1), 0, ["k: want a whole number from 1 on, got 0"]),
    (Number(), "1", ['k: want a whole number from 0 on, got "1"']),
    (Number(), 1.0, ["k: want a whole number from 0 on, got 1.0"]),
    (Number(), True, ["k: want a whole number from 0 on, got true"]),
    (Flag(), 1, ["k: want true or false, got 1"]),
    (Flag(), "because", ['k: want true or false, got "because"']),
    (Flag(reason=True), "", ['k: want true, false or the reason as a string, got ""']),
    (Flag(reason=True), 0, ["k: want true, false or the reason as a string, got 0"]),
    (Choice(("a", "b")), "c", ['k: want one of a, b, got "c"']),
    (Choice(("a", "b")), ["a"], ["k: want one of a, b, got a list"]),
    (Either((Number(), WORD)), "A", ['k: want a whole number from 0 on or a word, got "A"']),
    (List(WORD), "a", ['k: want a list, each a word, got "a"']),
    (List(WORD), ["a", 1, "b", "C"], ["k[1]: want a word, got 1", 'k[3]: want a word, got "C"']),
    (List(WORD, least=2), ["a"], ["k: want at least 2 of them, got 1"]),
    (List(WORD, unique=True), ["a", "b", "a"], ['k[2]: "a" is there twice']),
    (Map(), ["x"], ["k: want a table, each value a string, got a list"]),
    (Map(Number(), WORD), {"a": "x"}, ['k.a: want a whole number from 0 on, got "x"']),
    (Table({}), 1, ["k: want a table, got 1"]),
    (TREE, {"name": "x", "sub": {}}, ["k.sub.deep: missing"]),
    (TREE, {"name": "x", "sub": {"deep": 1}}, ["k.sub.deep: want true or false, got 1"]),
    (TREE, {}, ["k.name: missing"]),
]


@pytest.mark.parametrize(("kind", "value", "want"), WRONG)
def test_wrong_values_are_told_in_words(kind: Shape, value: object, want: list[str]) -> None:
    assert messages(kind, value) == want


def test_a_pattern_must_match_the_whole() -> None:
    assert len(problems(WORD, "abc\n")) == 1
    assert len(problems(WORD, "abc def")) == 1


def test_map_names_are_checked_and_named() -> None:
    (path, message, _hint) = problems(Map(Number(), WORD), {"A": 1})[0]
    assert path == ("k", "A")
    assert message == 'k.A: want a word, got "A"'


def test_either_tells_what_is_wrong_inside_the_kind_that_fits() -> None:
    kind = Either((List(WORD), WORD))
    assert messages(kind, ["a", "B"]) == ['k[1]: want a word, got "B"']
    assert messages(kind, 3) == ["k: want a list, each a word or a word, got 3"]


def test_unknown_key_with_the_nearest_known_one() -> None:
    assert problems(TREE, {"name": "x", "cuont": 1}) == [
        (("k", "cuont"), "k.cuont: unknown key", "did you mean count?")
    ]
    assert problems(TREE, {"name": "x", "zzzzzz": 1}) == [(("k", "zzzzzz"), "k.zzzzzz: unknown key", None)]


def test_every_problem_at_once() -> None:
    value = {"cuont": 1, "count": 0, "list": [1, "B"], "sub": 1}
    assert messages(TREE, value) == [
        "k.cuont: unknown key",
        "k.count: want a whole number from 1 on, got 0",
        "k.list[0]: want a word, got 1",
        'k.list[1]: want a word, got "B"',
        "k.sub: want a table, got 1",
        "k.name: missing",
    ]


# Once nothing bounded a number from above; str() refuses one of more than 4300 digits, hexadecimal ones can be longer.
@pytest.mark.parametrize("value", [2**31, 10**30, int("f" * 5000, 16)], ids=["32 bits", "30 digits", "6021 digits"])
def test_numbers_that_nothing_can_count(value: int) -> None:
    (message,) = messages(Number(1), value)
    assert message.startswith("k: want ")
    assert len(message) < 200


def test_shown() -> None:
    assert shown(("distfiles", 0, "sha256")) == "distfiles[0].sha256"
    assert shown(("a", 1, 2)) == "a[1][2]"


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (True, "true"),
        (3, "3"),
        (2.5, "2.5"),
        ("x", '"x"'),
        ("x" * 40, '"' + "x" * 40 + '"'),
        ("x" * 41, '"' + "x" * 37 + '…"'),
        ([1], "a list"),
        ({}, "a table"),
        (datetime.date(2026, 1, 1), "a date"),
    ],
)
def test_found(value: object, want: str) -> None:
    assert found(value) == want


# Once control characters reached the terminal as they are, and a line feed broke the one-line form of a message.
def test_found_shows_control_characters_escaped() -> None:
    assert found("a\nb\x1b[31m") == '"a\\nb\\u001b[31m"'


def test_nearest() -> None:
    assert nearest("licence", ["license", "name"]) == "did you mean license?"
    assert nearest("make_args", ["make_build_args", "make_check_args", "x"]) == (
        "did you mean make_check_args or make_build_args?"
    )
    assert nearest("q", ["license", "name"]) is None


def test_read_gives_the_table_and_its_problems_in_the_order_of_the_text() -> None:
    raw, diagnostics = read("f.toml", 'name = "x"\ncount = 0\n\n[sub]\ndepe = true\n', TREE)
    assert raw == {"name": "x", "count": 0, "sub": {"depe": True}}
    assert [(str(d.span), d.message, d.hint) for d in diagnostics] == [
        ("f.toml:2:1", "count: want a whole number from 1 on, got 0", None),
        ("f.toml:4:2", "sub.deep: missing", None),
        ("f.toml:5:1", "sub.depe: unknown key", "did you mean deep?"),
    ]


def test_read_of_what_is_no_toml() -> None:
    raw, (diagnostic,) = read("f.toml", "name = \nb = 1", TREE)
    assert raw == {}
    assert diagnostic.render() == [
        "f.toml:1:8: error: not valid TOML: invalid value",
        "    1 | name = ",
        "      |        ^",
    ]


def test_read_of_a_key_that_stands_there_twice() -> None:
    _, (diagnostic,) = read("f.toml", "count = 1\ncount = 2\n", TREE)
    assert str(diagnostic.span).startswith("f.toml:2:")
    assert diagnostic.message == "not valid TOML: cannot overwrite a value"


# tomllib raises more than TOMLDecodeError.
@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 3000 + "]" * 3000, "a = " + "{a=" * 900 + "1" + "}" * 900, "a = " + "1" * 5000],
    ids=["lists", "tables", "digits"],
)
def test_read_of_what_is_too_much_for_the_parser(text: str) -> None:
    raw, diagnostics = read("f.toml", text, TREE)
    assert raw == {}
    assert [d.message[:15] for d in diagnostics] == ["not valid TOML:"]


# Once the text was read again for every problem: 22 s for a template with 2000 of them.
def test_many_problems_are_located_in_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[str] = []
    places = spans.places

    def counted(text: str) -> dict[spans.KeyPath, tuple[int, int]]:
        readings.append(text)
        return places(text)

    monkeypatch.setattr(spans, "places", counted)
    text = "".join(f"key{number} = 1\n" for number in range(20))
    _, diagnostics = read("f.toml", text, TREE)
    assert [d.span.line for d in diagnostics] == [1, *range(1, 21)]
    assert len(readings) == 1


def test_a_text_with_thousands_of_problems_is_read_quickly() -> None:
    """A hint costs a comparison with every known key: it is looked for where somebody will read it."""
    begun = time.monotonic()
    _, problems = read("t.toml", "".join(f"counter{number} = 1\n" for number in range(20_000)), TREE)
    assert time.monotonic() - begun < 2
    assert len(problems) == MOST_PROBLEMS + 1
    assert problems[0].hint == "did you mean count?" and problems[0].span.line == 1
    assert problems[-1].message == f"it has more than {MOST_PROBLEMS} problems; the rest is not listed"


def test_as_many_problems_as_are_listed_are_all_there() -> None:
    _, problems = read("t.toml", 'name = "a"\n' + "".join(f"x{number} = 1\n" for number in range(MOST_PROBLEMS)), TREE)
    assert len(problems) == MOST_PROBLEMS and "rest" not in problems[-1].message


def test_a_long_list_of_unique_values_is_read_quickly() -> None:
    begun = time.monotonic()
    kind = List(unique=True)
    assert list(kind.problems([str(number) for number in range(50_000)], ())) == []
    assert len(list(kind.problems(["a", "b", "a"], ()))) == 1
    assert time.monotonic() - begun < 2


def test_nearest_of_very_long_words_is_not_looked_for() -> None:
    begun = time.monotonic()
    assert nearest("a" * 100_000, ["ab" * 50_000] * 10) is None
    assert nearest("naem", ["name"] + ["x" * 60] * 100_000) == "did you mean name?"
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\ufeffname = 1\n", ("at the character U+FEFF", "an invisible byte order mark (BOM)", "sed -i '1s/^\\xef")),
        ("name = 1\nkey\u00a0= 2\n", ("at the character U+00A0 NO-BREAK SPACE", "t.toml:2:4:")),
        ("name = 1\n\u200bkey = 2\n", ("at the character U+200B ZERO WIDTH SPACE",)),
        ("name = “x”\n", ("at the character U+201C LEFT DOUBLE QUOTATION MARK",)),
    ],
)
def test_a_character_that_nobody_sees_is_named(text: str, words: tuple[str, ...]) -> None:
    """Once a byte order mark was told as an invalid statement, under which there was nothing to be seen."""
    _, (problem,) = read("t.toml", text, TREE)
    said = "\n".join(TemplateError([problem]).render())
    for word in words:
        assert word in said
    assert "an invisible" in said or problem.hint is None
