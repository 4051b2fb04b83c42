"""The little of a package that orders a whole tree: its version, what it needs, and the digest of its own inputs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from xsrc.model.arch import Dep
from xsrc.model.pkgver import Pattern, PkgVer

_BOUND = re.compile("[<>=]")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A package without what builds it; names and needs are asked for as of a Package."""

    pkgver: PkgVer
    wants: Mapping[str, tuple[str, ...]]
    """Its patterns as text, by the key of the template; keys without any are left out."""
    recipe: str
    """The digest of all its own inputs."""

    @property
    def name(self) -> str:
        return self.pkgver.name

    @property
    def depends(self) -> dict[Dep, tuple[Pattern, ...]]:
        """Its patterns by kind, as those of a Package."""
        return {kind: tuple(map(Pattern.parse, self.wants.get(kind.value, ()))) for kind in Dep}

    def needs(self, *kinds: Dep) -> tuple[str, ...]:
        """The names that it declares, of the given kinds, each once, in the order of the template."""
        wants = (text for kind in kinds for text in self.wants.get(kind.value, ()))
        return tuple(
            dict.fromkeys(text if (hit := _BOUND.search(text)) is None else text[: hit.start()] for text in wants)
        )
