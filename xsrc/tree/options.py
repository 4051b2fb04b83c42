"""The options of packages on a command line."""

from __future__ import annotations

from collections.abc import Iterable

from xsrc.core.errors import UsageError
from xsrc.core.schema import nearest


def options_by_name(names: Iterable[str], words: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The options of a command line by package: `opt` is for every named package, `NAME.opt` for one.

    Raises UsageError for a word like `.opt`.
    """
    names = tuple(names)
    result: dict[str, tuple[str, ...]] = {}
    for word in words:
        mark = "~" if word.startswith("~") else ""
        name, dot, option = word.removeprefix("~").rpartition(".")
        if dot and not name:
            raise UsageError(f"-o {word}: want OPTION or NAME.OPTION", hint=nearest(word, names))
        for target in (name,) if dot else names:
            result[target] = (*result.get(target, ()), mark + option)
    return result


def split_options(text: str) -> tuple[str, ...]:
    """`a,~b` as words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
