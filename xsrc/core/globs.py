"""The globs of templates and triggers, as sh reads them: no sign matches a slash, but a name `**` does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_SIGN = re.compile(r"\[!?\]?[^\]/]*\]|.", re.DOTALL)
_SPECIAL = re.compile(r"[*?[]")
_CACHED = 1 << 12
_LAST = "\U0010ffff"
"""No name holds it, and it sorts after all that names hold."""


def matches(path: str, globs: Iterable[str]) -> bool:
    """Whether any of the globs means this very path."""
    return any(exact(glob).match(path) for glob in globs)


@lru_cache(_CACHED)
def exact(glob: str) -> re.Pattern[str]:
    """A glob as an expression that matches the paths which it means; a name `**` is any number of directories.

    At the end, `**` is all that is below.

    >>> [bool(exact("usr/lib/*.so").match(path)) for path in ("usr/lib/a.so", "usr/lib/a.so/b", "usr/lib/a/b.so")]
    [True, False, False]
    >>> [bool(exact("usr/**/a").match(path)) for path in ("usr/a", "usr/a/b/a", "usr/ba")]
    [True, True, False]
    >>> [bool(exact("usr/**").match(path)) for path in ("usr", "usr/a", "usr/a/b")]
    [False, True, True]
    """
    first, *later = _runs(glob)
    if not later:
        return re.compile(first[0] + r"\Z", re.DOTALL)
    *middle, (last, names) = later
    # what is after the last ** is as many names as there are in it, whatever is before
    end = rf"(?>(?:[^/]+/)*?(?=[^/]++(?:/[^/]++){{{names - 1}}}\Z)){last}\Z"
    return re.compile(first[0] + _sought(middle) + end, re.DOTALL)


@lru_cache(_CACHED)
def within(glob: str) -> re.Pattern[str]:
    """A glob as an expression that matches what it means, and all that is in a directory which it means.

    >>> [bool(within("usr/lib/*.so").match(path)) for path in ("usr/lib/a.so", "usr/lib/a.so/b", "usr/lib/a/b.so")]
    [True, True, False]
    """
    first, *later = _runs(glob)
    return re.compile(first[0] + _sought(later) + r"(?:/.*)?\Z", re.DOTALL)


def covers(globs: Iterable[str], path: str) -> bool:
    """Whether any of the globs means a path, or a directory that it is in."""
    return any(within(glob).match(path) for glob in globs)


def span(glob: str) -> tuple[str, str]:
    """Between which texts, in the order of their code points, all paths are that a glob means.

    >>> span("usr/lib/lib*.so")[0], span("etc/ld.so.cache")[0]
    ('usr/lib/lib', 'etc/ld.so.cache')
    """
    begin = _SPECIAL.split(_plain(glob), maxsplit=1)[0]
    return begin, begin + _LAST


def escaped(path: str) -> str:
    """The glob that means just this path.

    >>> escaped("a[*]?"), matches("a[*]?", [escaped("a[*]?")])
    ('a[[][*]][?]', True)
    """
    return _SPECIAL.sub(r"[\g<0>]", path)


def _plain(glob: str) -> str:
    """A glob without the `?` that lets it match nothing, and without slashes around it."""
    return glob.removeprefix("?").strip("/")


def _runs(glob: str) -> list[tuple[str, int]]:
    """The expressions of what is between the names `**` of a glob, each with the number of its names.

    The first one begins the path. Each but the last ends with a slash, or is empty.
    """
    *names, last = _plain(glob).split("/")
    runs: list[list[str]] = [[]]
    for name in names:
        if name == "**":
            runs.append([])
        else:
            runs[-1].append(f"{_name(name)}/")
    if last == "**":
        runs.append([])
    runs[-1].append(r"[^/]+" if last == "**" else _name(last) + r"(?=/|\Z)")
    return [("".join(run), len(run)) for run in runs]


def _sought(runs: Iterable[tuple[str, int]]) -> str:
    """The expression of runs, each somewhere after the one before it.

    No glob takes long: what follows a `*` or `**` is looked for once, and the first place where it fits is kept (an
    atomic group). A later place could only leave less for the rest of the glob.
    """
    return "".join(f"(?>(?:[^/]+/)*?{run})" for run, _ in runs)


def _name(glob: str) -> str:
    """The regular expression of one name of a glob."""
    parts = [""]
    for sign in _SIGN.findall(glob):
        match sign:
            case "*":
                parts.append("")
            case "?":
                parts[-1] += "[^/]"
            case _ if len(sign) > 2 and sign != "[!]":
                parts[-1] += _one_of(sign[1:-1])
            case _:
                parts[-1] += re.escape(sign)
    first, *later = parts
    if not later:
        return first
    *middle, last = later
    return first + "".join(f"(?>[^/]*?{part})" for part in middle if part) + f"[^/]*{last}(?=/|\\Z)"


def _one_of(signs: str) -> str:
    """The regular expression of the text between brackets: signs and ranges of them, after a `!` all others."""
    rest, found = signs.removeprefix("!"), ""
    while rest:
        low, high = (rest[0], rest[2]) if rest[1:2] == "-" and len(rest) > 2 else (rest[0], rest[0])
        rest = rest[3:] if rest[1:2] == "-" and len(rest) > 2 else rest[1:]
        if low <= high:
            found += f"{re.escape(low)}-{re.escape(high)}"
    if not found:  # [z-a]
        return "[^/]" if signs.startswith("!") else r"(?!)"
    return f"(?!/)[^{found}]" if signs.startswith("!") else f"(?!/)[{found}]"
