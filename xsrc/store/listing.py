"""The text of files.plist, written and read without a tree of elements.

The text is the same that plistlib writes. plistlib takes half a second for the list of ten thousand files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
    '<plist version="1.0">\n'
)
_LISTS = ("conf_files", "dirs", "files", "links")


class Listed(NamedTuple):
    """One path of a list, with the keys that it has there; None for a key that it has not."""

    file: str
    inode: int | None = None
    mode: str | None = None
    sha256: str | None = None
    size: int | None = None
    target: str | None = None


def written(lists: Mapping[str, Iterable[Listed]]) -> bytes:
    """The text of the lists; those without rows are left out."""
    parts: list[str] = []
    for name in sorted(lists):
        rows = [_row(row) for row in lists[name]]
        if rows:
            parts += [f"\t<key>{name}</key>\n\t<array>\n", *rows, "\t</array>\n"]
    body = "".join(["<dict>\n", *parts, "</dict>\n"]) if parts else "<dict/>\n"
    return f"{HEAD}{body}</plist>\n".encode()


def _row(row: Listed) -> str:
    file, inode, mode, sha256, size, target = row
    text = f"\t\t<dict>\n\t\t\t<key>file</key>\n\t\t\t<string>{_escaped(file)}</string>\n"
    if inode is not None:
        text += f"\t\t\t<key>inode</key>\n\t\t\t<integer>{inode}</integer>\n"
    if mode is not None:
        text += f"\t\t\t<key>mode</key>\n\t\t\t<string>{mode}</string>\n"
    if sha256 is not None:
        text += f"\t\t\t<key>sha256</key>\n\t\t\t<string>{sha256}</string>\n"
    if size is not None:
        text += f"\t\t\t<key>size</key>\n\t\t\t<integer>{size}</integer>\n"
    if target is not None:
        text += f"\t\t\t<key>target</key>\n\t\t\t<string>{_escaped(target)}</string>\n"
    return text + "\t\t</dict>\n"


def _escaped(text: str) -> str:
    if "&" in text or "<" in text or ">" in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def _key(name: str, kind: str, value: str) -> str:
    return rf"(?:\t\t\t<key>{name}</key>\n\t\t\t<{kind}>({value})</{kind}>\n)?"


_TEXT = r"[^<>&\r]*(?:&(?:amp|lt|gt);[^<>&\r]*)*"
_ROW = re.compile(
    rf"\t\t<dict>\n\t\t\t<key>file</key>\n\t\t\t<string>({_TEXT})</string>\n"
    + _key("inode", "integer", "[0-9]{1,18}")
    + _key("mode", "string", "[0-7]{4}")
    + _key("sha256", "string", "[0-9a-f]*")
    + _key("size", "integer", "[0-9]{1,18}")
    + _key("target", "string", _TEXT)
    + r"\t\t</dict>\n"
)
_START = re.compile(rf"\t<key>({'|'.join(_LISTS)})</key>\n\t<array>\n")
_END = "\t</array>\n"


def rows(data: bytes) -> list[tuple[str, Listed]] | None:
    """Each row of a text that `written` made, with the name of its list; None for any other text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    at = len(f"{HEAD}<dict>\n")
    if not text.startswith(f"{HEAD}<dict>\n"):
        return None
    found: list[tuple[str, Listed]] = []
    seen: set[str] = set()
    while (start := _START.match(text, at)) and start[1] not in seen:
        seen.add(start[1])
        at = start.end()
        for row, at in _matched(text, at):  # noqa: B007, B020 - the place of the last one is where the list ends
            found.append((start[1], row))
        if not text.startswith(_END, at):
            return None
        at += len(_END)
    return found if text[at:] == "</dict>\n</plist>\n" else None


def _matched(text: str, at: int) -> Iterator[tuple[Listed, int]]:
    """Each row from a place on, with the place after it."""
    for hit in _ROW.finditer(text, at):
        if hit.start() != at:
            return
        at = hit.end()
        file, inode, mode, sha256, size, target = hit.groups()
        yield (
            Listed(
                _plain(file),
                int(inode) if inode is not None else None,
                mode,
                sha256,
                int(size) if size is not None else None,
                _plain(target) if target is not None else None,
            ),
            at,
        )


def _plain(text: str) -> str:
    if "&" in text:
        return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return text
