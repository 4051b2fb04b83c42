"""Two builds of one package, compared by their manifests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsrc.store.compare import compare
from xsrc.store.manifest import Entry, Kind, Manifest


def a_file(path: str, content: str = "a", mode: int = 0o644, inode: int = 0) -> Entry:
    return Entry(path, Kind.FILE, mode, len(content), content * 8, inode=inode)


def a_link(path: str, target: str) -> Entry:
    return Entry(path, Kind.LINK, 0o777, target=target)


def said(first: list[Entry], second: list[Entry]) -> list[str]:
    return [" ".join(str(one).split()) for one in compare(Manifest.of(first), Manifest.of(second))]


BOTH = a_file("usr/both")


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        (a_file("x", "a"), a_file("x", "b"), ["content /x"]),
        (a_file("x", "a"), a_file("x", "aa"), ["content /x: 1 bytes, then 2"]),
        (a_file("x", mode=0o755), a_file("x", mode=0o700), ["mode /x: 0755, then 0700"]),
        (Entry("x", Kind.DIR, 0o755), Entry("x", Kind.DIR, 0o700), ["mode /x: 0755, then 0700"]),
        (a_file("x", "a", 0o600), a_file("x", "b"), ["content /x", "mode /x: 0600, then 0644"]),
        (a_link("x", "a"), a_link("x", "b"), ["target /x: a, then b"]),
        (a_link("x", "a"), a_file("x"), ["kind /x: link, then file"]),
        (a_file("x"), a_file("y"), ["only in the first /x", "only in the second /y"]),
    ],
)
def test_what_differs(first: Entry, second: Entry, lines: list[str]) -> None:
    assert said([BOTH, first], [BOTH, second]) == lines


def test_hard_links_are_told_by_their_names_not_by_their_numbers() -> None:
    one = [a_file("a", inode=1), a_file("b", inode=1), a_file("c", inode=2), a_file("d", inode=2)]
    assert said(one, [entry._replace(inode=7 - entry.inode) for entry in one]) == []
    parted = [*one[:2], *(entry._replace(inode=0) for entry in one[2:])]
    assert said(one, parted) == ["hard links /c", "hard links /d"]


def test_a_path_of_one_build_only_is_said_once_though_it_was_a_name_of_another() -> None:
    first = [a_file("a", inode=1), a_file("b", inode=1)]
    assert said(first, [a_file("a")]) == ["hard links /a", "only in the first /b"]


entries = st.builds(
    Entry,
    st.sampled_from("abcdef"),
    st.sampled_from(Kind),
    st.sampled_from((0o644, 0o755)),
    st.integers(0, 1),
    st.sampled_from("xy"),
    st.sampled_from("pq"),
    st.integers(0, 2),
)
manifests = st.lists(entries, max_size=6, unique_by=lambda entry: entry.path).map(Manifest.of)


@given(manifests, manifests)
def test_nothing_differs_exactly_where_all_is_the_same(first: Manifest, second: Manifest) -> None:
    assert not compare(first, first)
    bare = [Manifest.of(entry._replace(inode=0) for entry in manifest.entries) for manifest in (first, second)]
    assert (not compare(*bare)) == (bare[0] == bare[1])
    assert {one.path for one in compare(first, second)} == {one.path for one in compare(second, first)}
