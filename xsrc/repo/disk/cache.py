"""Writes a cache, a folder of plain files: the destdirs of builds by checksum, and their traces by key."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from xsrc.core.errors import BuildFailed, HostError
from xsrc.export.disk.write import Content, Head, write
from xsrc.repo.sealed import SealedLists
from xsrc.repo.trace import ARCHIVES, LARGEST, TRACES, Piece, Trace, place
from xsrc.sources.disk.distdir import sha256_of
from xsrc.store.manifest import FILES, PROPS
from xsrc.unix import files
from xsrc.unix.files import Below
from xsrc.unix.lock import locked

_NEXT = "next"
"""The name of an archive until its checksum is known. One command at a time writes to a cache."""


@contextlib.contextmanager
def held(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a cache inside the block; make the cache if it is missing. Raises HostError if it cannot."""
    try:
        for name in (TRACES, ARCHIVES):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "choose a folder of your own with room: --to DIR"
        raise HostError(f"{folder}: no cache can be here: {error.strerror}", hint=hint) from error
    with locked(folder / ".lock", "xsrc push", say):
        yield


def read_trace(folder: Path, key: str) -> Trace | None:
    """The first trace of a key, None if there is none. Raises HostError for a damaged one, and OSError."""
    path = folder / place(key)
    try:
        return Trace.parse(files.read(path, LARGEST))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise HostError(f"{path}: {error}", hint=f"remove it, and push again: rm {path}") from error


def write_trace(folder: Path, path: str, trace: Trace) -> None:
    """Put a trace in its place in one step; a later crash of the machine cannot empty it. Raises OSError."""
    with files.replacing(folder / path, durable=True) as file:
        file.write(trace.render())


def whole(folder: Path, trace: Trace) -> bool:
    """Whether a cache has all files that a trace names, in their lengths."""
    with contextlib.suppress(FileNotFoundError):
        return all((folder / piece.path).stat().st_size == piece.size for piece in trace.pieces)
    return False


def lists_of(destdir: Path) -> SealedLists:
    """Both lists of a sealed destdir. Raises OSError, BuildFailed for a bad record."""
    with Below(destdir) as at, at.open(PROPS) as first, at.open(FILES) as second, _sound(destdir):
        return SealedLists.parse(first.read(), second.read())


@contextlib.contextmanager
def _sound(destdir: Path) -> Iterator[None]:
    """Turn the error of a bad list inside the block into BuildFailed."""
    try:
        yield
    except ValueError as error:
        raise BuildFailed(f"{destdir}: {error}", hint="xsrc verify says what else is wrong") from error


def put_build(folder: Path, destdir: Path, lists: SealedLists) -> Piece:
    """Write the file of a sealed destdir; equal destdirs have equal files. Nobody sees half of it.

    Raises BuildFailed for a damaged destdir, and OSError.
    """
    with _sound(destdir):
        manifest = lists.manifest
    entries = tuple(entry._replace(mode=entry.mode & 0o555) for entry in manifest.entries)
    made, pkgver = folder / ARCHIVES / _NEXT, lists.props.pkgver
    heads = (Head(PROPS, lists.record, 0o444), Head(FILES, lists.listed, 0o444))
    write(made, heads, Content(str(pkgver), destdir, entries, folders=True))
    with made.open("rb") as file:
        sha256, size = sha256_of(file), os.fstat(file.fileno()).st_size
    piece = Piece(pkgver, lists.tree, sha256, size, manifest.size)
    made.rename(folder / piece.path)
    files.sync_folder(made.parent)
    return piece
