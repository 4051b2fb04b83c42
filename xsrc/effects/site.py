"""Pages of a site on disk: each is written under another name and renamed, so that a reader finds it whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from xsrc.effects.tree import PROGRAM


def write_page(path: Path, text: str) -> None:
    """Put a page in its place; raises OSError."""
    with _part(path) as part:
        part.write_text(text, encoding="utf-8", errors="replace")


def copy_assets(folder: Path) -> None:
    """Put what all pages share beside them; raises OSError."""
    for name in ("report.css", "report.js"):
        source = PROGRAM / "report" / name
        with _part(folder / name) as part:
            shutil.copyfile(source, part)


@contextlib.contextmanager
def _part(path: Path) -> Iterator[Path]:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        part.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def files(folder: Path, ending: str) -> set[str]:
    """The names of a folder's files that end so, without that; none where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name.removesuffix(ending) for entry in entries if entry.name.endswith(ending)}
    except (FileNotFoundError, NotADirectoryError):
        return set()
