"""Pages of a site on disk: each is written under another name and renamed, so that a reader finds it whole."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from xsrc.unix.files import replacing
from xsrc.unix.program import asset


def write_page(path: Path, text: str) -> None:
    """Put a page in its place. Raises OSError."""
    with _replacing(path) as file:
        file.write(text.encode(errors="replace"))


def copy_assets(folder: Path) -> None:
    """Put the shared files of all pages beside them. Raises OSError."""
    for name in ("report.css", "report.js"):
        with _replacing(folder / name) as file:
            file.write(asset(name))


def _replacing(path: Path) -> AbstractContextManager[IO[bytes]]:
    return replacing(path, own=str(os.getpid()))  # several runs may write the same page


def files(folder: Path, ending: str) -> set[str]:
    """The names of a folder's files with this ending, without it; none if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name.removesuffix(ending) for entry in entries if entry.name.endswith(ending)}
    except (FileNotFoundError, NotADirectoryError):
        return set()
