"""The layers and mounts of both kinds of root: the stowed root, and the root of one phase of one build."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from xsrc.core.base import Base
from xsrc.core.layout import BUILDDIR, Masterdir
from xsrc.core.settings import Limits
from xsrc.sandbox.sandbox import Bind, Overlay, Sandbox

_PYTHON = re.compile(r"(usr/lib/python3\.\d+)/encodings")
"""Finds a Python's own modules by a directory that only a Python has."""


def modules(directories: Iterable[str]) -> tuple[str, ...]:
    """Those directories of packages in which a Python finds its own modules.

    The base's files there belong to another interpreter of the same name, and must not be mixed with them.

    >>> modules(["usr/lib/python3.11", "usr/lib/python3.11/encodings", "usr/lib/python3.11/json"])
    ('usr/lib/python3.11',)
    """
    found = (_PYTHON.fullmatch(path) for path in directories if path.endswith("/encodings"))
    return tuple(sorted({match[1] for match in found if match}))


def layers(
    top: Path,
    destdirs: Iterable[tuple[Path, frozenset[str]]],
    base: Base,
    cross_root: str = "",
    within: Iterable[Path] = (),
) -> tuple[Overlay | Bind, ...]:
    """The mounts of the root `top`: itself, then destdirs (each with the directories that it has), then the base.

    For each directory of the base, the layers above it add theirs of the same name. The base adds nothing to `modules`.
    In a cross build, the destdirs `within` are mounted over the `cross_root` of the cross compiler.
    """
    stack = tuple(destdirs)

    def own(inside: str) -> tuple[Path, ...]:
        return tuple(path / inside for path, directories in stack if inside in directories)

    mounts: list[Overlay | Bind] = [Overlay((top, *(path for path, _ in stack)))] if stack else []
    mounts += [Overlay((top / inside, *own(inside), *base.layers[inside]), inside) for inside in sorted(base.layers)]
    for inside in modules(directory for _, directories in stack for directory in directories):
        found = own(inside)  # an overlay has two layers at least
        mounts.append(Overlay(found, inside) if len(found) > 1 else Bind(found[0], inside))
    if inner := tuple(within):
        mounts.append(Overlay((*inner, *own(cross_root)), cross_root))
    return tuple(mounts)


def hidden(paths: Iterable[str], base: Base) -> tuple[str, ...]:
    """Files of the base to hide, because a build would find them before those of packages: headers and link libraries.

    Libraries for loading stay visible, because programs of the base need them.

    >>> base = Base("host", Arch.named("x86_64"), {}, shadowed={"usr/lib/x-linux-gnu": "usr/lib"})
    >>> hidden(["usr/lib/libz.so", "usr/lib/libz.so.1", "usr/lib/gcc/cc1", "usr/bin/z"], base)
    ('usr/lib/x-linux-gnu/libz.so',)
    """
    found = set()
    for path in paths:
        for key, value in base.shadowed.items():
            name = path.removeprefix(value + "/")
            header = value.endswith("include")
            if name != path and (header or ("/" not in name and name.endswith((".so", ".a")))):
                found.add(f"{key}/{name}")
    return tuple(sorted(found))


def limited(argv: tuple[str, ...], limits: Limits) -> tuple[str, ...]:
    """A command under the limits that the kernel enforces; if memory runs out, the kernel ends builds first."""
    lines = ["echo 500 >/proc/self/oom_score_adj"]
    if limits.processes:  # dash and busybox say -p, bash says -u
        lines.append(f"ulimit -u {limits.processes} 2>/dev/null || ulimit -p {limits.processes}")
    if limits.memory_mib:
        lines.append(f"ulimit -v {limits.memory_mib << 10}")
    return ("/bin/sh", "-c", "; ".join((*lines, 'exec "$@"')), "sh", *argv)


USERS = ("boot", "etc", "home", "media", "mnt", "opt", "root", "run", "srv", "var")
"""The directories at the top of the stowed root that belong to its user."""

OUT = BUILDDIR
"""Where a trigger finds the one directory that it may write to."""


def stowed_mounts(
    masterdir: Masterdir,
    base: Base,
    alone: Iterable[str] = (),
    present: frozenset[str] = frozenset(),
    *,
    writable: bool = False,
    out: Path | None = None,
) -> tuple[Overlay | Bind, ...]:
    """The mounts of the stowed root: the masterdir, read-only, over the base, except in the directories `alone`.

    `present` names the directories at the top of the masterdir. With `writable`, those of USERS can be written. A
    trigger writes to `out`, which it finds at OUT. An empty directory covers the places of `Masterdir.hidden`.

    A mount point cannot be renamed or removed, but a directory above it can. So each directory on the way to a
    read-only mount is a mount point itself, or is part of a read-only mount.
    """
    root = masterdir.root
    mounts: list[Overlay | Bind] = [
        Overlay((root / inside, *base.layers[inside]), inside) for inside in sorted(base.layers)
    ]
    mounts += [Bind(root / inside, inside) for inside in alone]
    covers = [Bind(source, inside) for inside, source in sorted(base.binds.items())]
    places = (path.relative_to(root) for path in masterdir.hidden)
    covers += [Bind(masterdir.nothing, str(place)) for place in places if place.parts[0] in present]
    if writable:
        users = present.intersection(USERS)
        above = (path for cover in covers for path in PurePath(cover.inside).parents)
        ways = {str(path) for path in above if path.parts and path.parts[0] in users}
        mounts += [Bind(root / inside, inside, True) for inside in sorted(users | ways)]
    mounts += covers
    if out is not None:
        mounts.append(Bind(out, OUT, True))
    return tuple(mounts)


def stowed_root(
    root: Path, mounts: tuple[Overlay | Bind, ...], env: Mapping[str, str], directory: str, tmp_mib: int
) -> Sandbox:
    """The sandbox of the stowed root: `mounts` over the masterdir `root`. No file inside becomes set-id."""
    return Sandbox(root, mounts, dict(env), directory, tmp_mib=tmp_mib, setid=False)
