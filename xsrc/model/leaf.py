"""The little of a package that orders a whole tree: its version, what it needs, and the digest of its own inputs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from xsrc.model.arch import Dep
from xsrc.model.pkgver import PkgVer


class Leaf(NamedTuple):
    """A package without what builds it; names and needs are asked for as of a Package."""

    name: str
    version: str
    revision: int
    names: Mapping[str, tuple[str, ...]]
    """The names that it needs, each once, by the key of a template; keys without any are left out."""
    inputs: str
    """The digest of all its own inputs."""

    @property
    def pkgver(self) -> PkgVer:
        return PkgVer(self.name, self.version, self.revision)

    def needs(self, *kinds: Dep) -> tuple[str, ...]:
        """The names that it declares, of the given kinds, each once, in the order of the template."""
        if len(kinds) == 1:
            return self.names.get(kinds[0], ())
        found = [names for kind in kinds if (names := self.names.get(kind))]
        if len(found) < 2:
            return found[0] if found else ()
        return tuple(dict.fromkeys(chain.from_iterable(found)))
