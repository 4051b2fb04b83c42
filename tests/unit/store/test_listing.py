"""The text of files.plist is the same that plistlib writes, and reading it gives the same as plistlib does."""

from __future__ import annotations

import plistlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsrc.store.listing import Listed, rows, written
from xsrc.store.manifest import Entry, Kind, Manifest

TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
PATHS = TEXTS.map(lambda text: f"/{text}")
SHA = st.text("0123456789abcdef", min_size=64, max_size=64)
NUMBERS = st.integers(0, 1 << 40)
NONE = st.none()
FILES = st.builds(Listed, PATHS, NONE | NUMBERS, st.just("4755"), SHA, NUMBERS, NONE)
LISTS = st.fixed_dictionaries(
    {
        "files": st.lists(FILES, max_size=5),
        "conf_files": st.lists(FILES, max_size=2),
        "links": st.lists(st.builds(Listed, PATHS, NONE, NONE, NONE, NONE, TEXTS), max_size=3),
        "dirs": st.lists(st.builds(Listed, PATHS, NONE, st.just("1777"), NONE, NONE, NONE), max_size=3),
    }
)


def plain(lists: dict[str, list[Listed]]) -> dict[str, Any]:
    """The same as plistlib takes it."""
    return {
        name: [{key: value for key, value in row._asdict().items() if value is not None} for row in found]
        for name, found in lists.items()
        if found
    }


@given(LISTS)
def test_the_text_is_that_of_plistlib_and_is_read_again(lists: dict[str, list[Listed]]) -> None:
    text = written(lists)
    assert text == plistlib.dumps(plain(lists))
    found = rows(text)
    if any(lists.values()):
        assert found == [(name, row) for name in sorted(lists) for row in lists[name]]
    else:
        assert found is None


WHOLE = Manifest.of(
    [
        Entry("usr", Kind.DIR),
        Entry("usr/a", Kind.FILE, 0o644, 3, "a" * 64),
        Entry("usr/b", Kind.LINK, 0o777, target="a"),
    ]
).render()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<dict>\n", b"<dict>"),
        (b"/usr/a", b"/usr/a&#65;"),
        (b"0644", b"644"),
        (b"<key>links</key>", b"<key>files</key>"),
        (b"<key>size</key>", b"<key>mutable</key>"),
        (b"</plist>\n", b"</plist>"),
        (b"\t\t</dict>\n\t</array>", b"\t\t</dict>\n"),
        (b"/usr/a", b"/usr/\xff"),
    ],
)
def test_another_text_is_left_to_plistlib(old: bytes, new: bytes) -> None:
    assert rows(WHOLE) is not None
    assert old in WHOLE
    assert rows(WHOLE.replace(old, new)) is None


def test_a_list_of_xbps_is_read_too() -> None:
    lists = {
        "files": [{"file": "/usr/a", "sha256": "a" * 64, "mutable": True}],
        "links": [{"file": "/b", "target": "a"}],
    }
    assert Manifest.parse(plistlib.dumps(lists, sort_keys=False)).entries == (
        Entry("b", Kind.LINK, 0o777, target="a"),
        Entry("usr/a", Kind.FILE, 0o777, 0, "a" * 64),
    )
