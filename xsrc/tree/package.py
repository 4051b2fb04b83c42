"""The package to build: a template for one machine type with its options chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from xsrc.core.arch import Machine
from xsrc.core.dep import Dep
from xsrc.core.globs import escaped
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.sources.distfile import Distfile
from xsrc.store.rules import Directory
from xsrc.tree.template import Template


@dataclass(frozen=True)
class Install:
    """The `[install]` table: files to install, rename and remove after the install phase."""

    license: tuple[str, ...] = ()
    bin: tuple[str, ...] = ()
    man: tuple[str, ...] = ()
    doc: tuple[str, ...] = ()
    conf: tuple[str, ...] = ()
    completion: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    symlinks: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    modes: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()


@dataclass(frozen=True)
class StowRules:
    """The `[stow]` table: exceptions to "a relative symbolic link"."""

    hardlink: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    protect: bool = False


@dataclass(frozen=True)
class Subpackage:
    """A part of the files that a package installs; for other packages, a package of its own."""

    name: str
    short_desc: str = ""
    files: tuple[str, ...] = ()
    """Globs below the destdir; a directory includes its content."""
    but: tuple[str, ...] = ()
    """Globs of paths that it leaves to others."""
    presets: tuple[str, ...] = ()
    depends: tuple[Pattern, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    conf_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Package:
    """One package as it will be built; every string is final but for the sites in its addresses."""

    template: Template = field(repr=False)
    pkgver: PkgVer
    machine: Machine
    build_style: str
    depends: Mapping[Dep, tuple[Pattern, ...]]
    distfiles: tuple[Distfile, ...]
    options: Mapping[str, bool]
    style: Mapping[str, Any]
    """The keys for the build style: the configure_* and make_* keys that the template sets."""
    phases: Mapping[str, str]
    env: Mapping[str, str]
    flags: Mapping[str, str]
    vars: Mapping[str, str]
    install: Install
    stow: StowRules
    conf_files: tuple[str, ...]
    make_dirs: tuple[Directory, ...]
    patch_strip: int
    patch_binary: bool
    """Whether line ends of patches and sources must be the same, CRLF too."""
    patches: tuple[str, ...]
    build_wrksrc: str
    create_wrksrc: bool
    make_check: bool
    parallel: bool
    strip: bool
    unstripped: tuple[str, ...]
    """Globs of files below the destdir that are not stripped."""
    raw: Mapping[str, Any] = field(repr=False)
    """The merged tables, for data that are only recorded or shown."""
    subpackages: tuple[Subpackage, ...] = ()
    homes: Mapping[str, str] = field(default_factory=dict)
    """The package that makes it, by the name of each subpackage of others that this one needs."""

    @property
    def name(self) -> str:
        return self.pkgver.name

    @property
    def meta(self) -> bool:
        """Whether it only gathers other packages."""
        return self.build_style == "meta"

    @property
    def excused(self) -> Mapping[str, str]:
        """The checks that do not hold for it, each with the reason of the template."""
        found: Mapping[str, str] = self.raw.get("lint", {}).get("ignore", {})
        return found

    @cached_property
    def outputs(self) -> tuple[PkgVer, ...]:
        """All packages that one build makes: its subpackages in their order, then itself."""
        version, revision = self.pkgver.version, self.pkgver.revision
        return (*(PkgVer(part.name, version, revision) for part in self.subpackages), self.pkgver)

    @cached_property
    def open_modes(self) -> tuple[tuple[str, int], ...]:
        """Globs of paths that others than their owner may write, by the template's wish, each with its mode."""
        said = [(glob, mode.partition(" ")[0]) for glob, mode in self.install.modes.items()]
        said += [(escaped(one.path), one.mode) for one in self.make_dirs]
        modes = ((glob.removeprefix("?").strip("/"), int(mode, 8)) for glob, mode in said)
        return tuple((glob, mode) for glob, mode in modes if mode & 0o022)

    def wants(self, *kinds: Dep) -> tuple[str, ...]:
        """The names that it declares, of the given kinds, each once, in the order of the template."""
        return tuple(dict.fromkeys(pattern.name for kind in kinds for pattern in self.depends.get(kind, ())))

    def needs(self, *kinds: Dep) -> tuple[str, ...]:
        """The packages that make those names; at run time, with the needs of its subpackages."""
        if kinds not in self._needs:
            self._needs[kinds] = self._needed(kinds)
        return self._needs[kinds]

    @cached_property
    def _needs(self) -> dict[tuple[Dep, ...], tuple[str, ...]]:
        """Results of `needs`: a graph asks each package many times."""
        return {}

    def _needed(self, kinds: tuple[Dep, ...]) -> tuple[str, ...]:
        names = self.wants(*kinds)
        if self.subpackages and Dep.RUN in kinds:
            own = {pkgver.name for pkgver in self.outputs}
            parts = (pattern.name for part in self.subpackages for pattern in part.depends)
            names = tuple(name for name in dict.fromkeys((*names, *parts)) if name not in own)
        return tuple(dict.fromkeys(self.homes.get(name, name) for name in names)) if self.homes else names


def pkgvers(packages: Iterable[Package]) -> dict[str, PkgVer]:
    """The pkgvers of packages and their subpackages, by name."""
    return {pkgver.name: pkgver for package in packages for pkgver in package.outputs}
