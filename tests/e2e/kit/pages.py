"""Reads the examples of a page: each command with the lines that it is said to print, and what may differ in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HOME = "/home/alice/xsrc"
"""What pages call the checkout."""
_BLOCK = re.compile(r"^```console( long)?\n(.*?)^```$", re.M | re.S)
_MASKS = (
    (r"\d+ h \d\d min|\d+ min \d\d s|\d+(?:\.\d+)? s\b", "SECONDS"),
    (r"\d+ MiB", "MIB"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "WHEN"),
    (r"\bkey [0-9a-f]{12}\b", "key DIGEST"),
    (r"-j \d+", "-j N"),
)
_SLOW = re.compile(r"[^ ]+: \w+(?:-\w+)?: SECONDS\n")
"""A line that only a phase of a second or more prints."""
_HERE = re.compile(r"(?:[^ ]+: https?://|note: using a user namespace).*\n")
"""A line about this machine: an address that did not answer, helpers without capabilities."""


@dataclass(frozen=True)
class Example:
    """One command of a page, with the output that the page shows."""

    command: str
    output: str
    long: bool


def examples(page: Path) -> list[Example]:
    """The commands of a page, in order."""
    found = []
    for long, text in _BLOCK.findall(page.read_text()):
        assert text.startswith("$ "), f"{page}: a console block begins with a command"
        for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            found.append(Example(command, output.rstrip("\n") + "\n" if output.strip() else "", bool(long)))
    return found


def masked(text: str, root: Path) -> str:
    """A text without what differs from run to run and from machine to machine."""
    text = text.replace(str(root), HOME)
    for pattern, word in _MASKS:
        text = re.sub(pattern, word, text)
    return "".join(line for line in text.splitlines(True) if not (_SLOW.fullmatch(line) or _HERE.fullmatch(line)))


def agrees(example: Example, printed: str, root: Path) -> bool:
    """Whether a command printed what the page shows; `…` stands for lines, or for a part of a line."""
    lines = [
        r"(?:.*\n)*?" if line == "…\n" else re.escape(line).replace("…", ".*")
        for line in masked(example.output, root).splitlines(True)
    ]
    return re.fullmatch("".join(lines), masked(printed, root)) is not None
