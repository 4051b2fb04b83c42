"""Builds that can be in the root, and what each of them lacks there; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.store.elf import lacking


class Linked(NamedTuple):
    """A library of another package that files were linked with."""

    provider: str
    """The pkgver that had it."""
    build: str
    """Which build of it, "" if unknown."""
    path: str
    """The first file that needs it."""

    @property
    def name(self) -> str:
        """The name of the package that had it."""
        return PkgVer.parse(self.provider).name


@dataclass(frozen=True)
class Candidate:
    """A build that can be in the root."""

    pkgver: PkgVer
    build: str = ""
    latest: bool = True
    """Whether it is the last build that was made of its pkgver."""
    needs: tuple[Pattern, ...] = ()
    links: Mapping[str, Linked] = field(default_factory=dict, hash=False)
    """By soname."""
    sonames: frozenset[str] = frozenset()
    provides: tuple[str, ...] = ()
    """Virtual names."""
    conflicts: tuple[Pattern, ...] = ()
    replaces: tuple[Pattern, ...] = ()

    @property
    def name(self) -> str:
        return self.pkgver.name

    def satisfies(self, pattern: Pattern) -> bool:
        """Whether it satisfies a pattern, by its own name or by a virtual one."""
        return pattern.matches(self.pkgver) or any(map(pattern.satisfied_by, self.provides))


class Known(Protocol):
    """The interface to the builds that there are."""

    def candidates(self, name: str) -> Sequence[Candidate]:
        """The builds of a package."""

    def named(self, pattern: Pattern) -> Sequence[str]:
        """The names of packages that provide a virtual name."""

    def with_soname(self, soname: str) -> Sequence[str]:
        """The names of packages with a library of that name."""

    def exports(self, one: Candidate, soname: str) -> frozenset[str]:
        """The symbols of a library; none if they are not known."""

    def imports(self, one: Candidate, soname: str) -> tuple[str, ...]:
        """The symbols that files of a build use of a library."""


class Unmet(NamedTuple):
    """A need that nothing in the root satisfies."""

    by: Candidate
    need: str
    """A pattern or a soname."""
    path: str = ""
    """The first file that needs a library."""
    other: str = ""
    """The pkgver in the root that has the name, but not what is needed."""
    symbols: tuple[str, ...] = ()
    """The symbols that its library lacks."""

    @property
    def giver(self) -> str:
        """The name of the package that would satisfy the need."""
        link = self.by.links.get(self.need)
        return link.name if link else Pattern.parse(self.need).name

    def __str__(self) -> str:
        return f"{self.by.pkgver} {self.words(f' (/{self.path})' if self.path else '')}"

    def words(self, where: str = "") -> str:
        """The need and why nothing satisfies it; `where` follows the need."""
        if self.symbols:
            more = f" and {len(self.symbols) - 1} more" if len(self.symbols) > 1 else ""
            return f"needs {self.symbols[0]}{more} of {self.need}{where}, and {self.other} lacks it"
        here = f"gets {self.other}" if self.other else "no package of the root has it"
        return f"needs {self.need}{where}, and {here}"


class Checks:
    """Answers whether needs are met."""

    def __init__(self, known: Known) -> None:
        self.known = known

    def of(self, one: Candidate, packages: Mapping[str, Candidate]) -> Iterator[Unmet]:
        """The unmet needs of a package among others."""
        for pattern in one.needs:
            if self.giver(pattern, packages) is None:
                yield Unmet(one, str(pattern), other=_beside(pattern.name, packages))
        for soname in one.links:
            if (bad := self.library(one, soname, packages)) is not None:
                yield bad

    def giver(self, pattern: Pattern, packages: Mapping[str, Candidate]) -> Candidate | None:
        """The package that satisfies a pattern."""
        own = packages.get(pattern.name)
        if own is not None and own.satisfies(pattern):
            return own
        return next(
            (packages[n] for n in sorted(packages) if packages[n].provides and packages[n].satisfies(pattern)), None
        )

    def library(self, one: Candidate, soname: str, packages: Mapping[str, Candidate]) -> Unmet | None:
        """Whether no package has a library that a build was linked with, or none with all of its symbols."""
        link = one.links[soname]
        worst = Unmet(one, soname, link.path, _beside(link.name, packages))
        for giver in self.givers(link, soname, packages):
            missing = self.missing(one, soname, giver)
            if not missing:
                return None
            worst = Unmet(one, soname, link.path, str(giver.pkgver), missing)
        return worst

    def givers(self, link: Linked, soname: str, packages: Mapping[str, Candidate]) -> Iterator[Candidate]:
        """The packages with a library of this name, the one that had it at first before all others."""
        first = packages.get(link.name)
        if first is not None and soname in first.sonames:
            yield first
        for name in sorted(packages):
            if name != link.name and soname in packages[name].sonames:
                yield packages[name]

    def missing(self, one: Candidate, soname: str, giver: Candidate) -> tuple[str, ...]:
        """The symbols that a build uses of a library and that the library of `giver` lacks."""
        link = one.links[soname]
        if link.build and (link.provider, link.build) == (str(giver.pkgver), giver.build):
            return ()  # the very build that it was linked with
        offered = self.known.exports(giver, soname)
        return tuple(lacking(self.known.imports(one, soname), offered)) if offered else ()


def _beside(name: str, packages: Mapping[str, Candidate]) -> str:
    """The pkgver of that name in a root, "" if there is none."""
    return str(packages[name].pkgver) if name in packages else ""


def unmet(known: Known, packages: Mapping[str, Candidate]) -> tuple[Unmet, ...]:
    """All needs of these packages that none of them satisfies, by name."""
    checks = Checks(known)
    return tuple(bad for name in sorted(packages) for bad in checks.of(packages[name], packages))
