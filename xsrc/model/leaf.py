"""The little of a package that orders a whole tree: its version, what it needs, and the digest of its own inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from xsrc.model.arch import Dep
from xsrc.model.pkgver import Pattern, PkgVer

Texts = Mapping[str, tuple[str, ...]]
"""Texts by the key of a template."""


class Leaf(NamedTuple):
    """A package without what builds it; names and needs are asked for as of a Package."""

    pkgver: PkgVer
    names: Texts
    """The names that it needs, each once; keys without any are left out."""
    bounded: Texts
    """Its patterns, of those keys where a name has a bound on its version."""
    inputs: str
    """The digest of all its own inputs."""

    @property
    def name(self) -> str:
        return self.pkgver.name

    @property
    def depends(self) -> dict[Dep, tuple[Pattern, ...]]:
        """Its patterns by kind, as those of a Package."""
        return {kind: tuple(map(Pattern.parse, self.bounded.get(kind) or self.names.get(kind, ()))) for kind in Dep}

    def needs(self, *kinds: Dep) -> tuple[str, ...]:
        """The names that it declares, of the given kinds, each once, in the order of the template."""
        found = [names for kind in kinds if (names := self.names.get(kind))]
        if len(found) < 2:
            return found[0] if found else ()
        return tuple(dict.fromkeys(name for names in found for name in names))
