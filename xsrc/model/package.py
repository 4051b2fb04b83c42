"""A template for one machine type with its options chosen: what will be built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xsrc.model.arch import Dep
from xsrc.model.pkgver import Pattern, PkgVer
from xsrc.model.template import Template


@dataclass(frozen=True)
class Distfile:
    """An upstream archive: addresses in the order in which they are tried, and the checksum that all must meet."""

    url: tuple[str, ...]
    sha256: str
    name: str
    extract: bool = True
    dest: str = ""
    strip: int = 1


@dataclass(frozen=True)
class Install:
    """The `[install]` table: what is put in place, renamed and removed after the install phase."""

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
class Package:
    """One package as it will be built; every string is final but for the sites in its addresses."""

    template: Template = field(repr=False)
    pkgver: PkgVer
    build_style: str
    depends: Mapping[Dep, tuple[Pattern, ...]]
    distfiles: tuple[Distfile, ...]
    options: Mapping[str, bool]
    style: Mapping[str, Any]
    """What the build style reads: the configure_* and make_* keys that the template sets."""
    phases: Mapping[str, str]
    env: Mapping[str, str]
    flags: Mapping[str, str]
    vars: Mapping[str, str]
    install: Install
    stow: StowRules
    conf_files: tuple[str, ...]
    patch_strip: int
    patches: tuple[str, ...]
    build_wrksrc: str
    create_wrksrc: bool
    make_check: bool
    parallel: bool
    strip: bool
    raw: Mapping[str, Any] = field(repr=False)
    """The merged tables, for what is only recorded or shown."""

    @property
    def name(self) -> str:
        return self.pkgver.name

    @property
    def meta(self) -> bool:
        """Whether it only gathers other packages."""
        return self.build_style == "meta"

    def needs(self, *kinds: Dep) -> tuple[str, ...]:
        """The names that it declares, of the given kinds, each once, in the order of the template."""
        return tuple(dict.fromkeys(p.name for kind in kinds for p in self.depends.get(kind, ())))
