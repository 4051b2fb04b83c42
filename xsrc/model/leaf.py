"""The little of a package that orders a whole tree: its version, what it needs, and the digest of its own inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

from xsrc.model.arch import Dep
from xsrc.model.package import Package
from xsrc.model.pkgver import PkgVer

_PLACE = {kind: place for place, kind in enumerate(Dep)}


class Leaf(NamedTuple):
    """A package without what builds it; names and needs are asked for as of a Package."""

    name: str
    version: str
    revision: str
    names: str
    """What it needs: of each kind, in their order and with bars between, the names with spaces between."""
    inputs: str
    """The digest of all its own inputs."""

    @classmethod
    def of(cls, package: Package, inputs: str) -> Self:
        """The leaf of a package; `inputs` is the digest of them."""
        names = "|".join([" ".join(package.needs(kind)) for kind in Dep])
        return cls(package.name, package.pkgver.version, str(package.pkgver.revision), names, inputs)

    @property
    def pkgver(self) -> PkgVer:
        return PkgVer(self.name, self.version, int(self.revision))

    def needs(self, *kinds: Dep) -> tuple[str, ...]:
        """The names that it declares, of the given kinds, each once, in the order of the template."""
        texts = self.names.split("|")
        if len(kinds) == 1:
            return tuple(texts[_PLACE[kinds[0]]].split())
        return tuple(dict.fromkeys(" ".join([texts[_PLACE[kind]] for kind in kinds]).split()))

    def made_by(self, home: Callable[[str], str]) -> Self:
        """The same with the packages that make what it needs in place of the names: `home` tells that of each."""
        texts = (dict.fromkeys(home(name) for name in text.split()) for text in self.names.split("|"))
        return self._replace(names="|".join(map(" ".join, texts)))
