"""Pages of a site on disk: each is written under another name and renamed, so that a reader finds it whole."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from xsrc.effects.files import replacing
from xsrc.effects.tree import PROGRAM


def write_page(path: Path, text: str) -> None:
    """Put a page in its place; raises OSError."""
    with _replacing(path) as file:
        file.write(text.encode(errors="replace"))


def copy_assets(folder: Path) -> None:
    """Put what all pages share beside them; raises OSError."""
    for name in ("report.css", "report.js"):
        with _replacing(folder / name) as file:
            file.write((PROGRAM / "report" / name).read_bytes())


def _replacing(path: Path) -> AbstractContextManager[IO[bytes]]:
    return replacing(path, own=str(os.getpid()))  # several runs may write the same page


def files(folder: Path, ending: str) -> set[str]:
    """The names of a folder's files that end so, without that; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name.removesuffix(ending) for entry in entries if entry.name.endswith(ending)}
    except (FileNotFoundError, NotADirectoryError):
        return set()
