"""Pages of a site: as HTML, and on disk.

Templates beside report.css hold all markup but the pictures. Jinja escapes what they show, so that no caller can forget
it. A page is written under another name and renamed, so that a reader finds it whole.
"""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import IO

from jinja2 import Environment, FunctionLoader, StrictUndefined

from xsrc.core.ui import counted, seconds
from xsrc.core.visible import visible
from xsrc.runs.package_page import PackagePage
from xsrc.runs.run_page import RunPage
from xsrc.runs.text import anchor, moment, reference, run_file, size, style
from xsrc.unix.files import opened, replacing
from xsrc.unix.program import asset


def render(page: RunPage | PackagePage) -> str:
    """A page as HTML; raises OSError where its template cannot be read."""
    name = "run.html.j2" if isinstance(page, RunPage) else "package.html.j2"
    return _environment().get_template(name).render(page=page)


@cache
def _environment() -> Environment:
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        loader=FunctionLoader(lambda name: asset(name).decode()),
        auto_reload=False,  # a run goes on with the templates that it began with
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        word.__name__: word for word in (anchor, counted, seconds, moment, reference, run_file, size, style)
    }
    return made


def _shown(value: object) -> object:
    """The text of a value in a page: Jinja asks for each, before it escapes it."""
    if type(value) is str:  # as most are, and a page has thousands
        return value if value.isascii() and value.isprintable() else visible(value)
    return value if hasattr(value, "__html__") else visible(str(value))


def write_page(path: Path, text: str) -> None:
    """Put a page in its place. Raises OSError."""
    with _replacing(path) as file:
        file.write(text.encode(errors="replace"))


def copy_assets(folder: Path) -> None:
    """Put the shared files of all pages beside them. Raises OSError."""
    for name in ("report.css", "report.js"):
        with _replacing(folder / name) as file:
            file.write(asset(name))


def copy_logs(source: Path, target: Path) -> None:
    """Copy the logs of one job. Raises OSError."""
    target.mkdir(parents=True, exist_ok=True)
    for name in files(source, ".log"):
        with opened(source / f"{name}.log") as log, _replacing(target / f"{name}.log") as copy:
            shutil.copyfileobj(log, copy)


def _replacing(path: Path) -> AbstractContextManager[IO[bytes]]:
    return replacing(path, own=str(os.getpid()))  # several runs may write the same page


def files(folder: Path, ending: str) -> set[str]:
    """The names of a folder's files with this ending, without it; none if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name.removesuffix(ending) for entry in entries if entry.name.endswith(ending)}
    except (FileNotFoundError, NotADirectoryError):
        return set()
