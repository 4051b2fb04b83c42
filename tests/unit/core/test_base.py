"""Bases: which one a word means, and the record that a finished one carries."""

from __future__ import annotations

import pytest

from xsrc.core.base import Record, fitting

NAMES = ("debian-bookworm-amd64", "debian-trixie-amd64", "source-1-x86_64-musl")
RECORD = Record("debian-bookworm-amd64", "x86_64", "12.11", "ab" * 32, 9, {"bash": "5.2-2+b8", "apt": "2.6.1"})


@pytest.mark.parametrize(
    ("wish", "want"),
    [
        ("debian", NAMES[:2]),
        ("debian:trixie", NAMES[1:2]),
        ("debian:trixie/amd64", NAMES[1:2]),
        ("debian:trixie/arm64", ()),
        ("debian-bookworm-amd64", NAMES[:1]),
        ("debian:book", ()),
        ("deb", ()),
    ],
)
def test_a_wish_means_whole_words_of_a_name(wish: str, want: tuple[str, ...]) -> None:
    assert fitting(wish, NAMES) == want


def test_a_record_is_read_as_it_was_written() -> None:
    assert Record.parse(RECORD.render()) == RECORD
    assert RECORD.render().index("apt") < RECORD.render().index("bash")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"debian-bookworm-amd64"', '"../out"'),
        ('"debian-bookworm-amd64"', '".hidden"'),
        ("size = 9", 'size = "9"'),
        ("digest", "other"),
        ("[packages]", "[packages"),
        ('apt = "2.6.1"', "apt = 2"),
        ("[packages]", "packages = 1\n[more]"),
    ],
)
def test_what_is_no_record_is_refused(old: str, new: str) -> None:
    text = RECORD.render()
    assert old in text
    with pytest.raises(ValueError, match=r"not a base\.toml"):
        Record.parse(text.replace(old, new))
