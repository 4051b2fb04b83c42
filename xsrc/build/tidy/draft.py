"""A destdir that is being tidied, as values: its paths, the edits that are planned, and what makes them impossible."""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from xsrc.store.form import Form
from xsrc.store.manifest import Kind

TOPS = ("bin", "sbin", "lib", "lib64")
"""The folders at the top of a root that are links into usr."""


class Untidy(Exception):
    """A destdir that cannot be tidied; the arguments are the reasons, each a line."""


class Spot(NamedTuple):
    """One path of a destdir; devices and the like count as files."""

    kind: Kind
    mode: int = 0o755
    size: int = 0
    target: str = ""
    inode: tuple[int, int] = (0, 0)
    names: int = 1
    form: Form = Form.OTHER


class Action(enum.Enum):
    """What an edit does."""

    MAKE = enum.auto()
    MOVE = enum.auto()
    REMOVE = enum.auto()
    UNPACK = enum.auto()
    """Write the content of a compressed file to another name, and remove it."""
    SAME = enum.auto()
    """Remove a compressed file whose content another file has already."""
    JOIN = enum.auto()
    """Replace a file by a second name of another one."""
    LINK = enum.auto()
    """Make or change a symbolic link."""


@dataclass(frozen=True)
class Edit:
    """One change of a destdir; `words` is its line in the log, empty if another line covers it."""

    action: Action
    path: str
    to: str
    words: str


class Draft:
    """The paths of a destdir as they will be after the edits that are planned so far."""

    def __init__(self, tree: Mapping[str, Spot]) -> None:
        self.tree = dict(tree)
        self.edits: list[Edit] = []
        self.bad: list[str] = []

    def make(self, path: str) -> None:
        """Make a directory if there is none."""
        if path not in self.tree:
            self.tree[path] = Spot(Kind.DIR)
            self.edits.append(Edit(Action.MAKE, path, "", ""))

    def move(self, path: str, to: str) -> None:
        """Move a path; of a directory, the caller moves what is in it."""
        self.tree[to] = self.tree.pop(path)
        self.edits.append(Edit(Action.MOVE, path, to, f"moved /{path} to /{to}"))

    def remove(self, path: str, why: str) -> None:
        """Remove a file, a link or an empty directory."""
        del self.tree[path]
        self.edits.append(Edit(Action.REMOVE, path, "", f"removed /{path}: {why}" if why else ""))

    def unpack(self, path: str, to: str) -> None:
        """Replace a compressed file by its content."""
        self.tree[to] = self.tree.pop(path)
        self.edits.append(Edit(Action.UNPACK, path, to, f"unpacked /{path}"))

    def same(self, path: str, to: str) -> None:
        """Remove a compressed file after its content was found to be that of another file."""
        del self.tree[path]
        self.edits.append(Edit(Action.SAME, path, to, f"removed /{path}: /{to} has the same content"))

    def join(self, path: str, to: str, first: str) -> None:
        """Replace a file by the name `to` of the file `first`."""
        self.tree[to] = self.tree.pop(path)
        self.edits += [
            Edit(Action.REMOVE, path, "", ""),
            Edit(Action.JOIN, to, first, f"unpacked /{path}: another name of /{first}"),
        ]

    def link(self, path: str, text: str) -> None:
        """Make a symbolic link, or give it another text."""
        self.tree[path] = Spot(Kind.LINK, target=text)
        self.edits.append(Edit(Action.LINK, path, text, f"made the link /{path} to {text}"))

    def refuse(self, one: str, other: str) -> None:
        """Note that two paths are one after this step."""
        self.bad.append(f"both /{one} and /{other} are installed")

    def leads(self, path: str) -> str:
        """Where a link leads, as a path of a root with merged /usr."""
        return merged(destination(path, self.tree[path].target))

    def links(self) -> list[str]:
        """The symbolic links, in order."""
        return sorted(path for path, spot in self.tree.items() if spot.kind is Kind.LINK)


def destination(path: str, text: str) -> str:
    """Where a link at `path` with this text leads, by the names alone; the root is "".

    >>> destination("usr/lib/a", "../../lib/b"), destination("bin/a", "/usr/bin/b"), destination("a", "../..")
    ('lib/b', 'usr/bin/b', '')
    """
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(path), text)).lstrip("/")


def merged(path: str) -> str:
    """The same path where /usr is merged.

    >>> merged("lib/x"), merged("usr/lib/x"), merged("libexec/x")
    ('usr/lib/x', 'usr/lib/x', 'libexec/x')
    """
    return f"usr/{path}" if path.partition("/")[0] in TOPS else path


def relative(path: str, to: str) -> str:
    """The text of a link at `path` that leads to `to`.

    >>> relative("usr/lib/a", "usr/lib/b"), relative("usr/bin/a", "etc/b")
    ('b', '../../etc/b')
    """
    return posixpath.relpath(f"/{to}", f"/{posixpath.dirname(path)}")


def in_order(paths: Iterable[str]) -> list[str]:
    """Sort paths so that a directory comes before what is in it, and nothing else comes between."""
    return sorted(paths, key=lambda path: path.split("/"))
