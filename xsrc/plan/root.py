"""What the two kinds of root are made of: the stowed root, and the root of one phase of one build."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from xsrc.model.base import Base
from xsrc.model.layout import INSIDE_TEMPLATE, Masterdir, inside_destdir, inside_wrksrc
from xsrc.model.package import Package
from xsrc.model.sandbox import Bind, Overlay, Sandbox
from xsrc.model.settings import Limits
from xsrc.plan.phases import ACCESS, Phase

_PYTHON = re.compile(r"(usr/lib/python3\.\d+)/encodings")
"""A Python's own modules, by a directory that every Python has and nothing else."""


def modules(directories: Iterable[str]) -> tuple[str, ...]:
    """Of the directories of packages, those in which an interpreter finds its own modules.

    What the base has there belongs to another interpreter, with the same name and other parts; it may not be mixed.

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

    Where the base gives a directory, the layers above it give theirs of the same name; `modules` are theirs alone. Of a
    cross build, the destdirs `within` are laid over what the cross compiler brings in its `cross_root`.
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
    """What of the base has to be hidden, for it would be found before what packages have: headers, and what is linked.

    Libraries that are only loaded stay: programs of the base were linked with them.

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


def build_root(
    package: Package,
    phase: Phase,
    masterdir: Masterdir,
    depends: Iterable[tuple[Path, frozenset[str]]],
    base: Base,
    env: Mapping[str, str],
    tmp_mib: int,
    within: Iterable[Path] = (),
) -> Sandbox:
    """The sandbox of one phase: a read-only overlay, with writable only what the table of phases says."""
    access = ACCESS[phase]
    work = masterdir.work(package.pkgver)
    mounts: list[Overlay | Bind] = [*layers(work.root, depends, base, package.machine.cross_root, within)]
    mounts += [Bind(source, inside) for inside, source in sorted(base.binds.items())]
    wrksrc = inside_wrksrc(package.pkgver)
    mounts.append(Bind(work.wrksrc, wrksrc.lstrip("/"), access.wrksrc))
    phase_env = dict(env)
    if access.destdir:
        inside = inside_destdir(package.pkgver)
        mounts.append(Bind(work.destdir, inside.lstrip("/"), True))
        phase_env["DESTDIR"] = inside
    directory = wrksrc if phase is Phase.EXTRACT else f"{wrksrc}/{package.build_wrksrc}".rstrip("/")
    phase_env["WRKSRC"] = directory
    phase_env["FILESDIR"] = f"/{INSIDE_TEMPLATE}/files"
    phase_env["PATCHESDIR"] = f"/{INSIDE_TEMPLATE}/patches"
    return Sandbox(work.root, tuple(mounts), phase_env, directory, tmp_mib=tmp_mib)


def limited(argv: tuple[str, ...], limits: Limits) -> tuple[str, ...]:
    """A command under the limits that the kernel keeps; where memory runs out, builds are the first to be ended."""
    lines = ["echo 500 >/proc/self/oom_score_adj"]
    if limits.processes:  # dash and busybox say -p, bash says -u
        lines.append(f"ulimit -u {limits.processes} 2>/dev/null || ulimit -p {limits.processes}")
    if limits.memory_mib:
        lines.append(f"ulimit -v {limits.memory_mib << 10}")
    return ("/bin/sh", "-c", "; ".join((*lines, 'exec "$@"')), "sh", *argv)


USERS = ("boot", "etc", "home", "media", "mnt", "opt", "root", "run", "srv", "var")
"""The directories at the top of the stowed root that belong to its user."""

OUT = "pkg-builddir"
"""Where a trigger finds the one directory that it may write to."""


def stowed_root(
    masterdir: Masterdir,
    base: Base,
    env: Mapping[str, str],
    tmp_mib: int,
    directory: str,
    alone: Iterable[str] = (),
    present: frozenset[str] = frozenset(),
    *,
    writable: bool = False,
    out: Path | None = None,
) -> Sandbox:
    """The sandbox of what is stowed: the masterdir, read-only, with the base below it but for the directories `alone`.

    `present` names the directories at the top of the masterdir. With `writable`, those of USERS can be written. A
    trigger writes to `out`, which it finds at OUT. The places of `Masterdir.hidden` are covered by an empty directory.

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
    return Sandbox(root, tuple(mounts), dict(env), directory, tmp_mib=tmp_mib, setid=False)
