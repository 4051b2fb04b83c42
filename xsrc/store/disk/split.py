"""Divides the tree that a build installed into one tree for each of its packages, before they are sealed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from xsrc.store.manifest import Entry, Kind
from xsrc.unix.trees import remove_tree
from xsrc.unix.walk import Item, Walk, changed, held

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def split_tree(whole: Path, keeps: Iterable[Entry], parts: Mapping[Path, Iterable[Entry]]) -> None:
    """Move the paths of each part from `whole` to a new tree, and remove an earlier tree of this name.

    A file with names in several parts becomes a separate file in each. Raises OSError, and BuildFailed if the tree
    does not match its entries.
    """
    places: dict[str, Path | None] = {}
    modes: dict[Path, int] = {}
    for top, entries in parts.items():
        remove_tree(top)
        top.mkdir(mode=0o755)
        for entry in sorted(entries):
            if entry.kind is Kind.DIR:
                (top / entry.path).mkdir(mode=0o700)
                modes[top / entry.path] = entry.mode
            else:
                places[entry.path] = top
    staying = {entry.path for entry in keeps}
    names = _names(whole, places)
    emptied: list[str] = []
    with Walk(whole) as at:
        for item in at.items():
            if item.name == ".":
                _open(item.parent)
                emptied += [item.path] if item.path and item.path not in staying else []
            elif (place := places.pop(item.path, None)) is not None:
                _move(item, place / item.path, alone=len(names.get(_inode(item.status), ())) < 2)
    if places:
        raise changed(next(iter(places)))
    for path in emptied:  # each after what it held
        _rmdir(whole, path)
    for folder in sorted(modes, reverse=True):
        folder.chmod(modes[folder])


def _inode(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _names(whole: Path, places: Mapping[str, Path | None]) -> dict[tuple[int, int], set[Path | None]]:
    """Where the names of each file with several of them go; None means the tree that they are in."""
    found: dict[tuple[int, int], set[Path | None]] = {}
    with Walk(whole) as at:
        for item in at.items():
            if item.status.st_nlink > 1 and not stat.S_ISDIR(item.status.st_mode):
                found.setdefault(_inode(item.status), set()).add(places.get(item.path))
    return found


def _move(item: Item, target: Path, *, alone: bool) -> None:
    _open(item.parent)
    if alone or not stat.S_ISREG(item.status.st_mode):
        os.rename(item.name, target, src_dir_fd=item.parent)
        return
    with held(item.name, item.parent) as (thing, status):
        if not os.path.samestat(status, item.status):
            raise changed(f"/{item.path}")
        os.chmod(thing, stat.S_IMODE(status.st_mode) | 0o400)
        with os.fdopen(os.open(thing, _READ & ~os.O_NOFOLLOW), "rb") as old, target.open("xb") as new:
            shutil.copyfileobj(old, new, 1 << 20)
        os.chmod(thing, stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        target.chmod(stat.S_IMODE(status.st_mode))
    os.unlink(item.name, dir_fd=item.parent)


def _open(folder: int) -> None:
    """Let the owner of a directory write to it; sealing later takes this right away."""
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    if mode & 0o700 != 0o700:
        os.fchmod(folder, mode | 0o700)


def _rmdir(top: Path, path: str) -> None:
    """Remove an empty directory, reached name by name."""
    *above, name = path.split("/")
    with Walk(top) as at:
        for step in above:
            at.down(step)
        os.rmdir(name, dir_fd=at.here)
