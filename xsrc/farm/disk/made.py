"""Takes over the files of a trigger: plain files without special rights, each named by its checksum."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from xsrc.store.disk.seal import give_mode
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
