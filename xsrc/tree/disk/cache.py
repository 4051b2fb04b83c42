"""Cache files in which a command stores its results for later ones: a line about the file, a table, and bytes.

A file is valid only for the program that wrote it. Changes of a few rows are in a second file, which names the first.
xsrc ignores files that it cannot read, that are damaged, or that another program wrote.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from xsrc.unix.files import opened, replace
from xsrc.unix.program import PROGRAM

_FORMAT = 2


@dataclass(frozen=True)
class Stored:
    """A stored file: its table, its name, the place of the bytes after the table, and later changes in another file."""

    table: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    path: Path | None = None
    start: int = 0
    later: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def blob(self) -> bytes:
        """The bytes after the table; the caller checks whether they are still the same."""
        with contextlib.suppress(OSError):
            if self.path is not None:
                with opened(self.path) as file:
                    file.seek(self.start)
                    return file.read()
        return b""


def stored(path: Path | None, base: str = "") -> Stored:
    """The content of a file of an index; nothing if it is damaged or belongs to another program or file."""
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError):
        if path is not None:
            with opened(path) as file:
                about = json.loads(file.readline())
                text = file.read(min(about["length"], os.fstat(file.fileno()).st_size))
                head = _head(text, base)
                if about == head and isinstance(table := json.loads(text), dict):
                    later = {} if base else stored(path.with_suffix(".more"), head["sha256"]).table
                    return Stored(table, head["sha256"], path, file.tell(), later)
    return Stored()


def store(path: Path | None, table: Any, blob: bytes = b"", base: str = "") -> None:
    """Write such a file; with a `base`, one that belongs to the file of that name. Raises OSError."""
    assert path is not None
    text = json.dumps(table, separators=(",", ":")).encode()
    replace(path, b"\n".join([json.dumps(_head(text, base)).encode(), text + blob]))


def _head(text: bytes, base: str) -> dict[str, Any]:
    return {"format": _FORMAT, "program": _program(), "base": base, "length": len(text), "sha256": sha(text)}


@cache
def _program() -> str:
    """The digest of the code of xsrc: another version may read the same template differently."""
    whole = hashlib.sha256()
    for folder, folders, files in os.walk(PROGRAM):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for name in sorted(files):
            with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 - a hundred and fifty, at every start
                text = file.read()
            whole.update(f"{name} {len(text)}\n".encode() + text)
    return whole.hexdigest()


def sha(text: bytes) -> str:
    """The sha256 of a text, in hexadecimal digits."""
    return hashlib.sha256(text).hexdigest()
