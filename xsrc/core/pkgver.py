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
_PATTERN = re.compile(rf"(?P<name>{NAME}?)(?P<op>>=|<=|>|<|=)(?P<version>[A-Za-z0-9.+~]+(?:_[0-9]+)?)")
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
        if pkgver.name != self.name:
            return False
        if not self.op:
            return True
        text, _, revision = self.version.partition("_")
        bound = Version(text, int(revision) if revision else 0)
        # a bound without a revision has revision 0, as for xbps: foo>1.0 lets foo-1.0_1 in
        mine = Version(pkgver.version) if self.op == "=" and not revision else pkgver.order
        return {
            ">=": mine >= bound,
            "<=": mine <= bound,
            ">": mine > bound,
            "<": mine < bound,
            "=": mine == bound,
        }[self.op]
