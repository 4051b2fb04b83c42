"""The initial content of every masterdir: the directories, links and files of masterdir-skel/."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from xsrc.core.errors import Diagnostic, Span, TemplateError
from xsrc.core.layout import Tree
from xsrc.core.paths import fault, target_fault
from xsrc.store.manifest import Entry, Kind
from xsrc.unix.files import Below, create, replace

_NAME = "masterdir-skel"
_MARKER = ".keep"


def skeleton(tree: Tree) -> dict[str, Entry]:
    """The content of masterdir-skel/, by path, each directory before its content.

    Raises TemplateError for links that lead out of it, and for anything that is no file, folder or link.
    """
    return {path: entry for path, (entry, _) in _read(tree).items()}


def _read(tree: Tree) -> dict[str, tuple[Entry, bytes]]:
    """The content of masterdir-skel/, by path, with the contents of files."""
    top = tree.root / _NAME
    found: dict[str, tuple[Entry, bytes]] = {}
    bad: list[Diagnostic] = []
    if top.is_symlink():
        raise TemplateError([Diagnostic(Span(_NAME), f"want a folder, got a link to {str(top.readlink())!a}")])
    with Below(top) as source:
        for folder, directories, files in os.walk(top):
            for name in sorted((*directories, *files)):
                path = str(Path(folder, name).relative_to(top))
                if name == _MARKER and name in files:
                    continue
                try:
                    found[path] = _entry(path, Path(folder, name), source)
                except (OSError, ValueError) as error:
                    why = error.strerror if isinstance(error, OSError) else error
                    bad.append(Diagnostic(Span(f"{_NAME}/{path}"), f"{why}", "put a file or a folder there"))
    if bad:
        raise TemplateError(bad)
    return found


def _entry(path: str, at: Path, source: Below) -> tuple[Entry, bytes]:
    """The entry of one path, with its content. Raises ValueError for a forbidden one, OSError for no file."""
    if why := fault(path):
        raise ValueError(f"want the name of a file, got {path!a}: {why}")
    if at.is_symlink():
        target = str(at.readlink())
        if target.startswith("/") or (why := target_fault(path, target)):
            why = "it begins with /" if target.startswith("/") else why
            raise ValueError(f"want a link to a place in {_NAME}/, got one to {target!a}: {why}")
        return Entry(path, Kind.LINK, 0o777, target=target), b""
    if at.is_dir():
        return Entry(path, Kind.DIR), b""
    with source.open(path) as file:
        data = file.read()
    return Entry(path, Kind.FILE, 0o644, sha256=hashlib.sha256(data).hexdigest()), data


def keep_files(tree: Tree, wanted: Iterable[str], folder: Path) -> None:
    """Copy files of masterdir-skel/ into a folder, each named by its checksum; `wanted` are checksums.

    Raises TemplateError as `skeleton` does, and OSError.
    """
    files = {entry.sha256: data for entry, data in _read(tree).values() if entry.kind is Kind.FILE}
    folder.mkdir(mode=0o755, exist_ok=True)
    for sha256 in files.keys() & set(wanted):
        replace(folder / sha256, files[sha256])


def copy_skeleton(tree: Tree, target: Path) -> None:
    """Copy the directories, links and files of masterdir-skel/ below `target`; existing paths stay as they are.

    Raises TemplateError as `skeleton` does, and OSError.
    """
    target.mkdir(mode=0o755, exist_ok=True)
    with Below(target) as below:
        for path, (entry, data) in _read(tree).items():
            if entry.kind is Kind.DIR:
                below.at(path, make=True)
                continue
            parent, name = below.place(path)
            with contextlib.suppress(FileExistsError):
                if entry.kind is Kind.LINK:
                    os.symlink(entry.target, name, dir_fd=parent)
                else:
                    create(name, data, parent)
