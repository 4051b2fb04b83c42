"""The root of one phase of one build."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from xsrc.build.phases import ACCESS
from xsrc.core.base import Base
from xsrc.core.layout import INSIDE_TEMPLATE, Masterdir, inside_destdir, inside_wrksrc
from xsrc.core.phase import Phase
from xsrc.sandbox.roots import layers
from xsrc.sandbox.sandbox import Bind, Overlay, Sandbox
from xsrc.tree.package import Package


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
