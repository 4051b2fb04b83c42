"""Globs: the same language as names that are matched one by one, without the time that this may take."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsrc.core.globs import escaped, exact, matches, span, within


def means(glob: str, path: str) -> bool:
    """Whether a glob means a path: name by name as the library matches names, whatever time it takes."""
    return _mean(glob.removeprefix("?").strip("/").split("/"), path.split("/"))


def _mean(globs: list[str], names: list[str]) -> bool:
    if not globs or not names:
        return not globs and not names
    if globs[0] != "**":
        return fnmatchcase(names[0], globs[0]) and _mean(globs[1:], names[1:])
    if len(globs) == 1:
        return True
    return _mean(globs[1:], names) or _mean(globs, names[1:])


def above(path: str) -> list[str]:
    """A path and the directories that it is in."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


letters = st.sampled_from("ab.\n")
names = st.text(letters, min_size=1, max_size=4)
paths = st.lists(names, min_size=1, max_size=5).map("/".join)
signs = st.one_of(letters, st.sampled_from(["*", "*", "?", "[ab]", "[!a]", "[a-b]", "[", "[]", "[b-a]", "[^a]", "**"]))
parts = st.one_of(st.just("**"), st.just("*"), names, st.lists(signs, min_size=1, max_size=5).map("".join))
marks = st.sampled_from(["", "", "?"])
globs = st.builds(lambda mark, names: mark + "/".join(names), marks, st.lists(parts, min_size=1, max_size=6))


@settings(max_examples=3000)
@given(globs, st.lists(paths, min_size=1, max_size=10))
def test_a_glob_means_the_same_as_name_by_name(glob: str, paths: list[str]) -> None:
    for path in paths:
        assert matches(path, [glob]) == means(glob, path), (glob, path)
        assert bool(within(glob).match(path)) == any(means(glob, one) for one in above(path)), (glob, path)
        begin, end = span(glob)
        assert begin <= path <= end or not means(glob, path), (glob, path)


@given(st.lists(st.sampled_from(["a", "b", "*", "**", "?"]), min_size=1, max_size=6).map("/".join), paths)
def test_whole_names_and_stars(glob: str, path: str) -> None:
    assert matches(path, [glob]) == means(glob, path)
    assert bool(within(glob).match(path)) == any(means(glob, one) for one in above(path))


@given(paths | globs)
def test_an_escaped_path_means_itself(path: str) -> None:
    path = path.strip("/")
    assert matches(path, [escaped(path)]) and not matches(f"{path}x", [escaped(path)])


def test_two_stars_are_directories_only_as_a_whole_name() -> None:
    assert not matches("ax/y/b", ["a**/b"])
    assert matches("ax/b", ["a**/b"])


@pytest.mark.parametrize("read", [exact, within])
@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("**/" * 6 + "x", "/".join("a" * 60)),
        ("**/a/" * 6 + "x", "/".join("a" * 60)),
        ("**/*a*/" * 6 + "x", "/".join(["aaaa"] * 60)),
        ("**/" * 300 + "x", "/".join("a" * 1500)),
        ("**/" + "a/" * 300 + "x", "/".join("a" * 1500)),
        ("**/" + "*a*/" * 60 + "x", "/".join(["aaaa"] * 600)),
        ("*a" * 4 + "b", "a" * 3000),
        ("*a" * 100 + "b", "a" * 3000),
        ("*[!b]" * 40 + "/b", "a" * 3000),
        ("*" * 100 + "b", "a" * 3000),
        ("usr/**/*a*a*a*/**/*a*a*a*/x", "usr/" + "/".join(["aaaaaaaaaa"] * 100)),
    ],
)
def test_no_glob_takes_long(read: Callable[[str], re.Pattern[str]], glob: str, path: str) -> None:
    begun = time.monotonic()
    assert read(glob).match(path) is None
    assert time.monotonic() - begun < 2
