"""The topics of `xsrc help`: pages in Markdown beside the program, and how a terminal shows them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from xsrc.unix.program import PROGRAM

_FOLDER = PROGRAM / "topics"
_ITEM = re.compile(r"(?:- |\d+\. )")


def titles() -> tuple[str, ...]:
    """The names of all topics."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.md")))


def topic(name: str) -> str:
    """The page of a topic. Raises OSError."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")


def formatted(text: str, width: int) -> Iterator[str]:
    """A page for a terminal: paragraphs and tables of that width, examples indented, marks of Markdown left out."""
    fence = False
    block: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("```"):
            yield from _block(block, width)
            block, fence = [], not fence
        elif fence:
            yield f"    {line}".rstrip()
        elif line.strip() and not line.startswith("#"):
            block.append(line)
        else:
            yield from _block(block, width)
            block = []
            yield line.lstrip("# ").upper() if line.startswith("#") else ""


def _block(lines: Sequence[str], width: int) -> Iterator[str]:
    if not lines:
        return
    if lines[0].startswith("|"):
        yield from _table(lines, width)
    elif lines[0].startswith("    "):
        yield from lines
    else:
        for item in _items(lines):
            mark = _ITEM.match(item)
            yield from _wrapped(item, width, "", " " * (len(mark[0]) if mark else 0))


def _items(lines: Sequence[str]) -> Iterator[str]:
    """The items of a list, or the one paragraph, each in one line."""
    text: list[str] = []
    for line in lines:
        if _ITEM.match(line) and text:
            yield " ".join(text)
            text = []
        text.append(line.strip())
    yield " ".join(text)


def _table(lines: Sequence[str], width: int) -> Iterator[str]:
    """The rows of a table; the widest columns are narrowed until it fits."""
    rows = [[_plain(cell.strip()) for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rows = [row for row in rows if not re.fullmatch(r"[-: ]*", "".join(row))]
    wide = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    while sum(wide) + 2 * len(wide) - 2 > width and max(wide) > 1:
        wide[wide.index(max(wide))] -= 1
    for row in rows:
        cells = [textwrap.wrap(cell, size, break_on_hyphens=False) for cell, size in zip(row, wide, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            yield "  ".join(f"{part:<{size}}" for part, size in zip(parts, wide, strict=True)).rstrip()


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        _plain(text),
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _plain(text: str) -> str:
    """A text without the marks of Markdown: `code`, **strong**, [text](address)."""
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text).replace("\\|", "|")
    return "".join(part if at % 2 else part.replace("**", "") for at, part in enumerate(text.split("`")))
