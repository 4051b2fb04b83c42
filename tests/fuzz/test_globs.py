"""Globs of subpackages: the same language as a plain regular expression, without its time."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsrc.plan.split import _pattern

_SIGN = re.compile(r"\*\*/|\[!?\]?[^\]/]*\]|.", re.DOTALL)


def plain(glob: str) -> re.Pattern[str]:
    """A glob as a regular expression that says what it means, and may take for ever."""
    said = ""
    for sign in _SIGN.findall(glob.removeprefix("?").strip("/")):
        if sign == "**/":
            said += "(?:[^/]+/)*"
        elif sign in ("*", "?"):
            said += "[^/]*" if sign == "*" else "[^/]"
        elif len(sign) > 2:
            signs = re.sub(r"([\\\[&~|^])", r"\\\1", sign[1:-1])
            said += "(?!/)" + (f"[^{signs[1:]}]" if signs[0] == "!" else f"[{signs}]")
        else:
            said += re.escape(sign)
    try:
        return re.compile(said + r"(?:/.*)?\Z", re.DOTALL)
    except re.error:
        return re.compile(re.escape(glob) + r"(?:/.*)?\Z")


letters = st.sampled_from("ab.\n")
names = st.text(letters, min_size=1, max_size=4)
paths = st.lists(names, min_size=1, max_size=5).map("/".join)
signs = st.one_of(letters, st.sampled_from(["*", "*", "?", "[ab]", "[!a]", "[a-b]", "[", "[]", "[b-a]", "[^a]", "**"]))
parts = st.one_of(st.just("**"), st.just("*"), names, st.lists(signs, min_size=1, max_size=5).map("".join))
marks = st.sampled_from(["", "", "?"])
globs = st.builds(lambda mark, names: mark + "/".join(names), marks, st.lists(parts, min_size=1, max_size=6))
usual = globs.filter(lambda glob: re.search(r"[^/]\*\*/", glob.removeprefix("?")) is None)


@settings(max_examples=3000)
@given(usual, st.lists(paths, min_size=1, max_size=10))
def test_a_glob_means_the_same_as_the_plain_expression(glob: str, paths: list[str]) -> None:
    for path in paths:
        assert bool(_pattern(glob).match(path)) == bool(plain(glob).match(path)), (glob, path)


@given(st.lists(st.sampled_from(["a", "b", "*", "**", "?"]), min_size=1, max_size=6).map("/".join), paths)
def test_whole_names_and_stars(glob: str, path: str) -> None:
    assert bool(_pattern(glob).match(path)) == bool(plain(glob).match(path))


def test_two_stars_are_directories_only_as_a_whole_name() -> None:
    assert not _pattern("a**/b").match("ax/y/b")
    assert _pattern("a**/b").match("ax/b")


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("**/" * 6 + "x", "/".join("a" * 60)),
        ("**/a/" * 6 + "x", "/".join("a" * 60)),
        ("**/*a*/" * 6 + "x", "/".join(["aaaa"] * 60)),
        ("**/" * 300 + "x", "/".join("a" * 1500)),
        ("*a" * 4 + "b", "a" * 3000),
        ("*a" * 100 + "b", "a" * 3000),
        ("*[!b]" * 40 + "/b", "a" * 3000),
        ("*" * 100 + "b", "a" * 3000),
        ("usr/**/*a*a*a*/**/*a*a*a*/x", "usr/" + "/".join(["aaaaaaaaaa"] * 100)),
    ],
)
def test_no_glob_takes_long(glob: str, path: str) -> None:
    begun = time.monotonic()
    assert _pattern(glob).match(path) is None
    assert time.monotonic() - begun < 2
