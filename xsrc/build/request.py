"""The request of a build."""

from __future__ import annotations

from dataclasses import dataclass

from xsrc.core.phase import Phase


@dataclass(frozen=True)
class BuildRequest:
    """The request of a command line of `build`."""

    names: tuple[str, ...]
    named: frozenset[str] = frozenset()
    """The names to stow: packages with all their subpackages, or single subpackages; filled in by `build`."""
    patterns: frozenset[str] = frozenset()
    """Names that come only from a pattern: one that must not be built is left out, without an error."""
    to: Phase = Phase.INSTALL
    stow: bool = True
    check: bool = True
    force: bool = False
    keep: bool = False
    keep_going: bool = False
    reproduce: bool = False
    """Whether to build built packages again and compare."""
    plan_only: bool = False
    options: tuple[str, ...] = ()
