"""The data of a package that order a whole tree: its version, its needs, and the digest of its own inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Self

from xsrc.core.dep import Dep
from xsrc.core.pkgver import PkgVer
from xsrc.tree.package import Package

_PLACE = {kind: place for place, kind in enumerate(Dep)}


class Outline(NamedTuple):
    """A package without its build; it has the same methods for names and needs as a Package."""

    name: str
    version: str
    revision: str
    names: str
    """Its needs: the kinds in their order, separated by bars; the names of each kind, separated by spaces."""
    inputs: str
    """The digest of all its own inputs."""

    @classmethod
    def of(cls, package: Package, inputs: str) -> Self:
        """The outline of a package; `inputs` is the digest of its inputs."""
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
        """The same, with the package that makes each need instead of its name; `home` maps names to packages."""
        texts = (dict.fromkeys(home(name) for name in text.split()) for text in self.names.split("|"))
        return self._replace(names="|".join(map(" ".join, texts)))
