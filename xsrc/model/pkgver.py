"""Names and versions of packages: `NAME-VERSION_REVISION`, and the order of versions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering
from itertools import zip_longest

NAME = r"[A-Za-z0-9][A-Za-z0-9+._-]*"
VERSION = r"(?=.*[0-9])[A-Za-z0-9.+~]+"

_PKGVER = re.compile(rf"(?P<name>{NAME})-(?P<version>[A-Za-z0-9.+~]*[0-9][A-Za-z0-9.+~]*)_(?P<revision>[1-9][0-9]*)")
_PATTERN = re.compile(rf"(?P<name>{NAME}?)(?P<op>>=|<=|>|<|=)(?P<version>[A-Za-z0-9.+~]+(?:_[0-9]+)?)")
_MODIFIERS = {"alpha": -4, "beta": -3, "pre": -2, "rc": -1, "~": -5}


@total_ordering
@dataclass(frozen=True)
class Version:
    """A version with its revision, ordered as a packager means it: 1.9 < 1.10, 1.0rc1 < 1.0, 1.0 < 1.0a.

    >>> Version("1.9") < Version("1.10"), Version("1.0rc1") < Version("1.0"), Version("2.0", 2) > Version("2.0")
    (True, True, True)
    """

    text: str
    revision: int = 0

    def _parts(self) -> list[tuple[int, int, str]]:
        parts = []
        for word in re.findall(r"[0-9]+|[A-Za-z]+|~", self.text):
            if word.isdigit():
                parts.append((1, int(word), ""))
            elif word.lower() in _MODIFIERS:
                parts.append((-1, _MODIFIERS[word.lower()], ""))
            else:
                parts.append((0, 1, word))
        return parts

    def _order(self, other: Version) -> int:
        end = (0, 0, "")
        for mine, theirs in zip_longest(self._parts(), other._parts(), fillvalue=end):
            if mine != theirs:
                return -1 if mine < theirs else 1
        return (self.revision > other.revision) - (self.revision < other.revision)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order(other) == 0

    def __lt__(self, other: Version) -> bool:
        return self._order(other) < 0

    def __hash__(self) -> int:
        parts = self._parts()
        while parts and parts[-1] == (0, 0, ""):
            parts.pop()
        return hash((tuple(parts), self.revision))


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
    """A dependency on a name, perhaps with a bound on its version: `foo`, `foo>=1.2`, `foo<2_1`."""

    name: str
    op: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.op}{self.version}"

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; raises ValueError when the text is none."""
        if re.fullmatch(NAME, text):
            return cls(text)
        found = _PATTERN.fullmatch(text)
        if found is None:
            raise ValueError(f"want a package name or NAME>=VERSION, got {text!r}")
        return cls(found["name"], found["op"], found["version"])

    def matches(self, pkgver: PkgVer) -> bool:
        """Whether a package satisfies this pattern.

        >>> Pattern.parse("zlib>=1.2").matches(PkgVer("zlib", "1.2.13", 1))
        True
        """
        if pkgver.name != self.name:
            return False
        if not self.op:
            return True
        text, _, revision = self.version.partition("_")
        bound = Version(text, int(revision) if revision else 0)
        mine = pkgver.order if revision else Version(pkgver.version)
        return {
            ">=": mine >= bound,
            "<=": mine <= bound,
            ">": mine > bound,
            "<": mine < bound,
            "=": mine == bound,
        }[self.op]
