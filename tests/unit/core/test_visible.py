"""What may be printed: nothing that steers a terminal or hides in a line, and ordinary text as it is."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsrc.core.visible import visible, visible_text

HIDDEN = tuple(
    sign
    for sign in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign != "\t"
)
"""Control characters, formats such as directions, halves of characters, ends of lines and paragraphs."""

hostile = st.text(st.one_of(st.characters(), st.sampled_from(HIDDEN), st.sampled_from("\x1b\x9b]0;\\x\u202e")))


def test_every_character_that_is_hidden_is_shown() -> None:
    assert len(HIDDEN) > 2000
    assert [sign for sign in HIDDEN if not visible(sign).isascii() or visible(sign)[0] != "\\"] == []
    assert [sign for sign in HIDDEN if sign != "\n" and visible_text(sign) != visible(sign)] == []


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("\x1b]52;c;Y3Vybg==\x07", r"\x1b]52;c;Y3Vybg==\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb\bc\x7f", r"a\x0db\x08c\x7f"),
        ("a\nhint: b", r"a\x0ahint: b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u061c\u200e\u2067\u2028\ufeff\u200b", r"\u061c\u200e\u2067\u2028\ufeff\u200b"),
        ("\u115f\u3164\uffa0\u034f", r"\u115f\u3164\uffa0\u034f"),
        ("\U000e0041", r"\U000e0041"),
        (b"caf\xe9".decode(errors="surrogateescape"), r"caf\xe9"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_shown(text: str, want: str) -> None:
    assert visible(text) == want


@pytest.mark.parametrize("text", ["", "a\tb", "C:\\x1b", "Größe – 日本語 🐚 e\u0301", "[red]x[/red]", "\u00a0"])
def test_what_stays(text: str) -> None:
    assert visible(text) == text == visible_text(text)


@given(hostile)
def test_nothing_hidden_is_left_and_nothing_else_is_changed(text: str) -> None:
    line = visible(text)
    assert not set(line) & set(HIDDEN)
    assert visible(line) == line, "safe text stays"
    assert "".join(sign if sign not in HIDDEN else visible(sign) for sign in line) == line
    assert line.encode().decode() == line, "it can be written in UTF-8"
    assert visible_text(text).split("\n") == [visible(part) for part in text.split("\n")]


@given(hostile.filter(lambda text: "\\" not in text))
def test_where_there_is_no_backslash_the_text_can_be_had_back(text: str) -> None:
    def back(hit: re.Match[str]) -> str:
        return chr(int(hit[0][2:], 16))

    again = re.sub(r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\U[0-9a-f]{8}", back, visible(text))
    # a byte that is no UTF-8 is shown as a byte
    assert again == re.sub("[\udc80-\udcff]", lambda hit: chr(ord(hit[0]) - 0xDC00), text)
