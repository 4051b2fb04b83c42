"""The request of a build, and how far each of its packages is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xsrc.core.phase import Phase
from xsrc.core.pkgver import PkgVer


@dataclass(frozen=True)
class BuildRequest:
    """The request of a command line of `build`."""

    names: tuple[str, ...]
    named: frozenset[str] = frozenset()
    """The names to stow: packages with all their subpackages, or single subpackages; filled in by `build`."""
    patterns: frozenset[str] = frozenset()
    """Names that come only from a pattern: one that must not be built is left out, without an error."""
    to: Phase = Phase.INSTALL
    root: Phase = Phase.FETCH
    """The phase whose build root has to be complete, if that is later."""
    stow: bool = True
    check: bool = True
    force: bool = False
    keep: bool = False
    keep_going: bool = False
    reproduce: bool = False
    """Whether to build built packages again and compare."""
    plan_only: bool = False
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The options of the command line, by package."""


@dataclass(frozen=True)
class BuildOptions:
    """How far to build one package, and what to keep."""

    planned: Mapping[str, PkgVer]
    """The packages of build roots in this plan, by name."""
    to: Phase = Phase.INSTALL
    force: bool = False
    again: bool = True
    """Build it although a build of the same key is there: the plan knew that one."""
    keep: bool = False
    check: bool = True
    options: tuple[str, ...] = ()
    makejobs: int = 1
    """How many processes its own make may run at once."""
    run: int = 0
    """The number of the run that it belongs to, 0 if none is recorded."""
