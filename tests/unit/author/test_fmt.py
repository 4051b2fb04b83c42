"""The one form of templates: what is ordered, what stays, and that no value and no comment is ever lost."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from xsrc.author.fmt import formatted
from xsrc.author.statements import sections

TREE = Path(__file__).resolve().parents[3] / "templates"

UNTIDY = """# of the whole file

version="1"   #  the first
# of the name
name = 'x'
depends = [ "a",'b' ,
  "c" ]



env = { B = "1", A = "2" } # by hand

# ends the top

# of the update
[update]  # where
pattern = 'a\\d'
url = "u"
[[distfiles]]
sha256 = "ab"
url = ["{a}", # the first
  "{b}"]
strange.key = "#"
[options.'a b'.configure]
off = []
on = ["--x=#1"]
"""
TIDY = """# of the whole file

# of the name
name = "x"
version = "1"  #  the first
depends = [
  "a",
  "b",
  "c",
]
env = { B = "1", A = "2" }  # by hand
# ends the top

[[distfiles]]
url = ["{a}", # the first
  "{b}"]
sha256 = "ab"
strange.key = "#"

[options."a b".configure]
on = ["--x=#1"]
off = []

# of the update
[update]  # where
url = "u"
pattern = 'a\\d'
"""


def test_an_untidy_template() -> None:
    assert formatted(UNTIDY) == TIDY
    assert formatted(TIDY) == TIDY
    assert formatted(UNTIDY.replace("\n", "\r\n")) == TIDY


def test_a_long_list_has_a_line_for_each_item() -> None:
    items = [f"item-number-{n:02}" for n in range(8)]
    line = f"depends = {items}\n".replace("'", '"')
    assert formatted(line) == "depends = [\n" + "".join(f'  "{item}",\n' for item in items) + "]\n"
    assert formatted(line.replace(', "item-number-06", "item-number-07"', "")).count("\n") == 1


@pytest.mark.parametrize(
    "value",
    [
        '"a\\tb"',
        "'one \\ sign'",
        "'''\n[not.a.table]\n# no comment\n'''",
        "0x10",
        "1979-05-27T07:32:00Z",
        "nan",
        "[[1, 2], [], ['a,b', \"]\"]]",
        "{ a = [1, 2], 'b c' = { d = true } }",
        "[{ a = 1 }, { a = 2 }]",
        '"""a "quoted" word"""',
    ],
)
def test_values_stay_as_they_were_written(value: str) -> None:
    text = f"x = {value}\n"
    assert formatted(text) == text
    assert formatted(f"x={value}# why\n") == f"x = {value}  # why\n"


WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
KEYS = st.sampled_from(["name", "version", "depends", "env", "odd one", "a.b", "update", "options", "when", "#"])
VALUES = st.recursive(
    st.integers(-5, 1 << 40) | st.booleans() | WORDS | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A TOML text as tomlkit writes it, with comments between its lines, and the comments."""
    text = tomlkit.dumps(draw(st.dictionaries(KEYS, VALUES, max_size=6)))
    made: list[str] = []
    lines: list[str] = []
    if '"""' in text or "'''" in text:
        return text, made
    for line in text.split("\n"):
        for _ in range(draw(st.integers(0, 2))):
            made.append(f"# {len(made)} [x] = \"'''")
            lines += [made[-1], *[""] * draw(st.integers(0, 2))]
        lines.append(line + (f"#{len(made)}" if line and draw(st.booleans()) else ""))
    return "\n".join(lines), made


@given(documents())
def test_no_value_and_no_comment_is_lost(given: tuple[str, list[str]]) -> None:
    text, comments = given
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # a comment fell between the lines of one value
    after = formatted(text)
    assert tomllib.loads(after) == before
    assert formatted(after) == after
    assert sorted(line for line in after.split("\n") if line in comments) == sorted(comments)
    assert not re.search(r"\n\n\n|[ \t]\n|\A\n", after) or any("\n" in str(v) for v in before.values())


def test_statements_of_a_section_have_their_comments() -> None:
    top, update = sections("# a\n# b\nx = 1\n# end\n\n# of it\n[update]\nurl = 'u' # c\n")
    assert [(s.above, s.key, s.value) for s in top.statements] == [(("# a", "# b"), ("x",), "1")]
    assert (top.below, update.above, update.path) == (("# end",), ("# of it",), ("update",))
    assert (update.statements[0].note, update.statements[0].read) == ("# c", "u")


def test_every_template_of_the_tree_has_this_form() -> None:
    """xsrc fmt mends it."""
    texts = {path.parent.name: path.read_text() for path in TREE.glob("*/template.toml")}
    assert len(texts) > 100
    assert [name for name, text in sorted(texts.items()) if formatted(text) != text] == []
