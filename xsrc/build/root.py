"""The root of one phase of one build, and the built packages in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xsrc.build.phases import ACCESS
from xsrc.build.shlibs import Provider
from xsrc.core.base import Base
from xsrc.core.layout import INSIDE_TEMPLATE, Masterdir, inside_destdir, inside_wrksrc
from xsrc.core.outcome import Outcome
from xsrc.core.phase import Phase
from xsrc.sandbox.roots import layers
from xsrc.sandbox.sandbox import Bind, Overlay, Sandbox
from xsrc.tree.package import Package


@dataclass(frozen=True)
class Layers:
    """The built packages of a build root."""

    layers: tuple[tuple[Path, frozenset[str]], ...] = ()
    """Their destdirs, each with its directories."""
    providers: Mapping[str, Provider] = field(default_factory=dict)
    """The libraries that each provides, by name."""
    hidden: tuple[str, ...] = ()
    """Paths of the base that they hide."""
    links: Mapping[str, str] = field(default_factory=dict)
    """The links of their alternatives, by path."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """The outcome of each."""
    tools: frozenset[str] = frozenset()
    """The packages that are tools, or that tools need."""
    within: tuple[Path, ...] = ()
    """In a cross build, the destdirs for its result: they are in the compiler's own root."""
    archives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For packages with static archives: the paths of the archives and of the names for linking."""


def build_root(
    package: Package,
    phase: Phase,
    masterdir: Masterdir,
    needed: Layers,
    base: Base,
    env: Mapping[str, str],
    tmp_mib: int,
) -> Sandbox:
    """The sandbox of one phase: a read-only overlay, with writable only what the table of phases says."""
    access = ACCESS[phase]
    work = masterdir.work(package.pkgver)
    mounts: list[Overlay | Bind] = [*layers(work.root, needed.layers, base, package.machine.cross_root, needed.within)]
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
