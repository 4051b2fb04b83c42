"""Writes the text of a template in the one form that all templates have; values and comments stay as they are."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

from xsrc.author.statements import Section, Statement, same, sections
from xsrc.core.schema import List, Map, Shape, Table
from xsrc.tree.format import TEMPLATE

WIDTH = 120
"""A list that is longer has a line for each of its items."""

_PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f]*')
"""A text that needs no escape between double quotes."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def formatted(text: str) -> str:
    """The text of a template in its canonical form.

    Keys and tables have the order of the format. An empty line is before each table, and nowhere else. Every comment
    stays with the key or the table that it is before. The text must be valid TOML. Keys that no template has come last.

    >>> formatted('version="1" # of May\\nname = "x"\\n[update]\\n')
    'name = "x"\\nversion = "1"  # of May\\n\\n[update]\\n'
    """
    found = sections(text.replace("\r\n", "\n"))
    parts = sorted(found, key=lambda section: _place(TEMPLATE, section.path[:1]))
    made = "\n\n".join("\n".join(lines) for part in parts if (lines := list(_section(part))))
    made += "\n" if made else ""
    assert same(tomllib.loads(made), tomllib.loads(text)), "a value was changed"
    return made


def _section(section: Section) -> Iterator[str]:
    """The lines of a section."""
    if section.path:
        yield from section.above
        name = ".".join(map(_key, section.path))
        yield _beside(f"[[{name}]]" if section.many else f"[{name}]", section.note)
    elif section.above:
        yield from section.above
        yield ""
    shape = _shape_at(section.path)
    for one in sorted(section.statements, key=lambda statement: _place(shape, statement.key[:1])):
        yield from one.above
        yield from _statement(one)
    yield from section.below


def _shape_at(path: tuple[str, ...]) -> Shape | None:
    """What the format says of the table at a path."""
    shape: Shape | None = TEMPLATE
    for name in path:
        shape = shape.keys.get(name) if isinstance(shape, Table) else shape.of if isinstance(shape, Map) else None
        if isinstance(shape, List):
            shape = shape.of
    return shape


def _place(shape: Shape | None, path: tuple[str, ...]) -> int:
    """Where a key comes in a table; keys that are not of the format come last, in the order that they have."""
    order: Sequence[str] = tuple(shape.keys) if isinstance(shape, Table) else ()
    return -1 if not path else order.index(path[0]) if path[0] in order else len(order)


def _statement(one: Statement) -> Iterator[str]:
    head, value = f"{'.'.join(map(_key, one.key))} = ", one.read
    if isinstance(value, list) and not _has_comment(one.value):
        yield from _list(head, one, value)
    else:
        text = _text(value, one.value) if isinstance(value, str) else one.value
        yield from _beside(head + text, one.note).split("\n")


def _list(head: str, one: Statement, value: list[Any]) -> Iterator[str]:
    """A list on one line; on several if it was so, or is too long."""
    texts = _items(one.value, value)
    line = f"{head}[{', '.join(texts)}]"
    if value and ("\n" in one.value or len(line) > WIDTH):
        yield f"{head}["
        yield from (f"  {text}," for text in texts)
        yield _beside("]", one.note)
    else:
        yield _beside(line, one.note)


def _items(written: str, value: list[Any]) -> list[str]:
    """The texts of the items of a list without comments, each as it was written."""
    texts, rest = [], written[1:-1].strip().removesuffix(",")
    for item in value:
        ends = [found.start() for found in re.finditer(",", rest)] + [len(rest)]
        end = next(end for end in ends if _reads_as(rest[:end], item))
        texts.append(_text(item, rest[:end].strip()) if isinstance(item, str) else rest[:end].strip())
        rest = rest[end + 1 :]
    return texts


def _reads_as(text: str, value: Any) -> bool:
    try:
        return same(tomllib.loads(f"x = {text.strip()}")["x"], value)
    except tomllib.TOMLDecodeError:
        return False


def _has_comment(written: str) -> bool:
    """Whether a list has a comment between its items: it then stays as it was written."""
    return any(not _closed(written[: found.start()]) for found in re.finditer("#", written))


def _closed(head: str) -> bool:
    """Whether the beginning of a list ends inside a string, where # begins no comment."""
    for end in ("]", "0]", ", 0]"):
        try:
            tomllib.loads(f"x = {head}\n{end}")
        except tomllib.TOMLDecodeError:
            continue
        return False
    return True


def _text(value: str, written: str) -> str:
    """A string between double quotes if it needs no escape there; else as it was written."""
    return f'"{value}"' if _PLAIN.fullmatch(value) else written


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else f'"{name}"' if _PLAIN.fullmatch(name) else f"'{name}'"


def _beside(text: str, note: str) -> str:
    """A text and the comment behind it, two blanks apart."""
    return f"{text}  {note}" if note else text
