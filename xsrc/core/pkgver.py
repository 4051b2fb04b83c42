"""Names and versions of packages: `NAME-VERSION_REVISION`, and the order of versions."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from functools import total_ordering
from itertools import zip_longest

NAME = r"[A-Za-z0-9][A-Za-z0-9+._-]*"
RESERVED = ("masterdir-skel", "accounts", "triggers")
"""Names under which the farm records what belongs to no package. No package has one of them."""
VERSION = r"(?=.*[0-9])[A-Za-z0-9.+~]{1,63}"

_PKGVER = re.compile(rf"(?P<name>{NAME})-(?P<version>[A-Za-z0-9.+~]*[0-9][A-Za-z0-9.+~]*)_(?P<revision>[1-9][0-9]*)")
_BOUND = re.compile(r"(>=|<=|>|<|=)([A-Za-z0-9.+~]+(?:_[0-9]+)?)")
_PATTERN = re.compile(rf"(?P<name>{NAME}?)(?P<bounds>(?:{_BOUND.pattern}){{1,2}})")
_WORDS = {"alpha": -3, "beta": -2, "pre": -1, "rc": -1, "pl": 0, ".": 0}
_ITEM = re.compile(r"([0-9]+)|(alpha|beta|pre|rc|pl|\.)|([a-z])")


@total_ordering
@dataclass(frozen=True)
class Version:
    """A version with its revision, ordered as xbps does: 1.9 < 1.10, 1.0rc1 < 1.0, 1.0 < 1.0a, 1.0 == 1.0.0.

    >>> Version("1.9") < Version("1.10"), Version("1.0rc1") < Version("1.0"), Version("2.0", 2) > Version("2.0")
    (True, True, True)
    """

    text: str
    revision: int = 0

    def _items(self) -> tuple[int, ...]:
        items: list[int] = []
        for number, word, letter in _ITEM.findall(self.text.lower()):
            items += [int(number)] if number else [_WORDS[word]] if word else [0, ord(letter) - ord("a") + 1]
        while items and items[-1] == 0:
            items.pop()
        return tuple(items)

    def _order(self, other: Version) -> int:
        for mine, theirs in zip_longest(self._items(), other._items(), fillvalue=0):
            if mine != theirs:
                return -1 if mine < theirs else 1
        return (self.revision > other.revision) - (self.revision < other.revision)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order(other) == 0

    def __lt__(self, other: Version) -> bool:
        return self._order(other) < 0

    def __hash__(self) -> int:
        return hash((self._items(), self.revision))


@dataclass(frozen=True)
class PkgVer:
    """The full name of one build of a package."""

    name: str
    version: str
    revision: int

    def __str__(self) -> str:
        return f"{self.name}-{self.version}_{self.revision}"

    @property
    def work(self) -> str:
        """`NAME-VERSION`, the name of its work directory."""
        return f"{self.name}-{self.version}"

    @property
    def version_revision(self) -> str:
        """`VERSION_REVISION`."""
        return f"{self.version}_{self.revision}"

    @property
    def order(self) -> Version:
        """What versions are compared by."""
        return Version(self.version, self.revision)

    @classmethod
    def parse(cls, text: str) -> PkgVer:
        """Read `NAME-VERSION_REVISION`; raises ValueError for anything else.

        >>> PkgVer.parse("libedit-3.1.20221030_2")
        PkgVer(name='libedit', version='3.1.20221030', revision=2)
        """
        found = _PKGVER.fullmatch(text)
        if found is None:
            raise ValueError(f"want NAME-VERSION_REVISION, got {text!r}")
        return cls(found["name"], found["version"], int(found["revision"]))


@dataclass(frozen=True)
class Pattern:
    """A dependency on a name, perhaps with bounds on its version: `foo`, `foo>=1.2`, `foo<2_1`, `foo>=1<2`."""

    name: str
    bounds: tuple[tuple[str, str], ...] = ()
    """Each an operator and a version; all of them hold."""

    def __str__(self) -> str:
        return self.name + "".join(op + version for op, version in self.bounds)

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; raises ValueError when the text is none.

        >>> str(Pattern.parse("foo>=1<2")), Pattern.parse("foo>=1<2").matches(PkgVer("foo", "2.0", 1))
        ('foo>=1<2', False)
        """
        if re.fullmatch(NAME, text):
            return cls(text)
        found = _PATTERN.fullmatch(text)
        if found is None:
            raise ValueError(f"want a package name, NAME>=VERSION or NAME>=VERSION<VERSION, got {text!r}")
        return cls(found["name"], tuple((op, version) for op, version in _BOUND.findall(found["bounds"])))

    def satisfied_by(self, provided: str) -> bool:
        """Whether a virtual name that a package provides satisfies this pattern: `sh`, `sh=1.0`, or xbps's `sh-1.0_1`.

        >>> [Pattern.parse("sh>=1").satisfied_by(text) for text in ("sh", "sh=0.5", "sh=2", "sh-2_1", "dash")]
        [True, False, True, True, False]
        """
        name, _, version = provided.partition("=")
        if version:
            return self.matches(PkgVer(name, version, 1))
        with contextlib.suppress(ValueError):
            return self.matches(PkgVer.parse(provided))
        return name == self.name

    def matches(self, pkgver: PkgVer) -> bool:
        """Whether a package satisfies this pattern.

        >>> Pattern.parse("zlib>=1.2").matches(PkgVer("zlib", "1.2.13", 1))
        True
        """
        return pkgver.name == self.name and all(_within(pkgver, op, version) for op, version in self.bounds)


def _within(pkgver: PkgVer, op: str, version: str) -> bool:
    """Whether the version of a package is within one bound."""
    text, _, revision = version.partition("_")
    # a bound without a revision has revision 0, as for xbps: foo>1.0 lets foo-1.0_1 in
    bound = Version(text, int(revision) if revision else 0)
    mine = Version(pkgver.version) if op == "=" and not revision else pkgver.order
    match op:
        case ">=":
            return mine >= bound
        case "<=":
            return mine <= bound
        case ">":
            return mine > bound
        case "<":
            return mine < bound
    return mine == bound
