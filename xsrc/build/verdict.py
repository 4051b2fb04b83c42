"""Says from the log of a phase what its exit code does not: whether tests ran, and whether flags reached a compiler."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_CALL = re.compile(
    r"(?:^|[\s;&|(\"'`@])(?:[^\s\"']*/)?(?:[a-z0-9_.]+-)*(?:gcc|cc|clang|g\+\+|c\+\+|clang\+\+)(?:-[0-9.]+)?\s(?P<words>.*)"
)
_SOURCE = re.compile(r"[\"']?[^-\s].*\.(?:(?P<c>c)|cc|cpp|cxx|C)[\"']?")


def ran_nothing(log: str, tests: Mapping[str, str]) -> bool:
    """Whether a suite ran no test, by the `tests` of its build style: with both expressions, `ran` outweighs `none`.

    >>> ran_nothing("running 0 tests\\n", {"ran": "^running [1-9]"})
    True
    """
    ran, none = tests.get("ran"), tests.get("none")
    if ran and re.search(ran, log, re.MULTILINE):
        return False
    return re.search(none, log, re.MULTILINE) is not None if none else bool(ran)


def flags_lost(log: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """Of CFLAGS and CXXFLAGS, those that no call of a compiler in a log has; none where the log shows no call.

    >>> flags_lost("gcc -O1 -c a.c\\n", {"CFLAGS": "-O2", "CXXFLAGS": "-O2"})
    ('CFLAGS',)
    """
    seen: set[str] = set()
    reached: set[str] = set()
    for name, words in _compiled(log):
        seen.add(name)
        if words.issuperset(env.get(name, "").split()):
            reached.add(name)
    return tuple(sorted(seen - reached))


def _compiled(log: str) -> Iterator[tuple[str, set[str]]]:
    """The words of each call that compiles a source, with the variable for its flags."""
    for line in re.sub(r"\\\n", " ", log).splitlines():
        if (call := _CALL.search(line)) is None:
            continue
        words = call["words"].split()
        kinds = {bool(hit["c"]) for hit in map(_SOURCE.fullmatch, words) if hit}
        for c in kinds:
            yield ("CFLAGS" if c else "CXXFLAGS"), set(words)
