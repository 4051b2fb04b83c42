"""Makes the cache by which the loader of a build root finds libraries.

The base's own ldconfig makes it: no program of a package may write what the host reads.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path

from xsrc.core.layout import INSIDE_TEMPLATE, WorkDir
from xsrc.sandbox.disk.enter import run
from xsrc.sandbox.disk.helpers import Helpers
from xsrc.sandbox.sandbox import Bind, Sandbox
from xsrc.unix import files
from xsrc.unix.files import Below
from xsrc.unix.process import Watch
from xsrc.unix.trees import remove_tree

PROGRAM = f"{INSIDE_TEMPLATE}/ldconfig"
"""Where a build root shows the base's ldconfig."""
OUT = f"{INSIDE_TEMPLATE}/ld.so"
"""Where a build root shows the one folder that ldconfig may write to."""
_CACHE = "ld.so.cache"
_LARGEST = 16 << 20
"""Bytes that a cache may have; one of 1,000 libraries has 100 KB."""


def cache_libraries(helpers: Helpers, sandbox: Sandbox, work: WorkDir, base: Path, watch: Watch) -> None:
    """Make the cache of the libraries of a build root, if its base, below the folder `base`, has ldconfig.

    Raises HostError if the sandbox cannot be entered, LimitReached if ldconfig uses more than `watch` allows, and
    OSError.
    """
    program = _ldconfig(base)
    if program is None:  # musl loads libraries without a cache
        return
    out = work.path / "ld.so"
    remove_tree(out)
    out.mkdir(mode=0o755)
    binds = (Bind(program, PROGRAM), Bind(out, OUT, writable=True))
    inside = replace(sandbox, mounts=(*sandbox.mounts, *binds), directory="/")
    said: list[bytes] = []
    run(
        helpers,
        inside,
        (f"/{PROGRAM}", "-X", "-f", "/etc/ld.so.conf", "-C", f"/{OUT}/{_CACHE}"),
        said.append,
        watch=watch,
    )
    with contextlib.suppress(FileNotFoundError), Below(out) as folder, Below(work.root) as root:
        data = files.read(_CACHE, _LARGEST, folder.at(""))
        files.create(_CACHE, data, root.at("etc"))
    remove_tree(out)


def forget_libraries(work: WorkDir) -> None:
    """Remove an earlier cache of libraries from a build root. Raises OSError."""
    with Below(work.root) as root, contextlib.suppress(FileNotFoundError):
        os.unlink(_CACHE, dir_fd=root.at("etc"))


def _ldconfig(base: Path) -> Path | None:
    """The ldconfig of a base, or None."""
    for name in ("sbin/ldconfig.real", "sbin/ldconfig"):  # where there is the first, the second is a script around it
        real = (base / name).resolve()
        if real.is_file() and real.is_relative_to(base):
            return real
    return None
