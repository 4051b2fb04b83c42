"""The store of files by checksum: those of triggers, and those of users while a change that removes them goes on."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from xsrc.store.disk.seal import give_mode
from xsrc.unix.files import Below
from xsrc.unix.walk import Walk, changed, held


def take(out: Path, wanted: Mapping[str, str], folder: Path) -> None:
    """Move the files of `wanted`, paths below `out` with their sha256, into `folder`; each becomes 0644.

    Raises BuildFailed if one of them is no longer the file that it was, and OSError.
    """
    folder.mkdir(mode=0o755, exist_ok=True)
    with Walk(out) as at:
        for item in at.items():
            sha256 = wanted.get(item.path)
            if sha256 is None or item.name == ".":
                continue
            with held(item.name, item.parent) as (thing, status):
                if not stat.S_ISREG(status.st_mode):
                    raise changed(f"/{item.path}")
                give_mode(thing, 0o644)  # before others can reach it
            os.rename(item.name, folder / sha256, src_dir_fd=item.parent)


def keep(root: Path, wanted: Mapping[str, str], folder: Path) -> tuple[str, ...]:
    """Copy files of users, paths below `root` with their sha256, into `folder`, where only their owner can read them.

    Return the checksums that were not there before. Raises BuildFailed if a file has changed, and OSError.
    """
    folder.mkdir(mode=0o755, exist_ok=True)
    fresh = []
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with Below(root) as top:
        for path, sha256 in wanted.items():
            if (folder / sha256).exists():
                continue
            draft = folder / f".{sha256}"
            draft.unlink(missing_ok=True)
            digest = hashlib.sha256()
            with top.open(path) as old, os.fdopen(os.open(draft, flags, 0o600), "wb") as new:
                while data := old.read(1 << 20):
                    digest.update(data)
                    new.write(data)
            if digest.hexdigest() != sha256:
                draft.unlink()
                raise changed(f"/{path}")
            draft.rename(folder / sha256)
            fresh.append(sha256)
    return tuple(fresh)


def drop(folder: Path, names: Iterable[str]) -> None:
    """Remove files that `keep` made. Raises OSError."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
