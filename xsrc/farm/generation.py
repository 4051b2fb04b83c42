"""A generation: the stowed packages after one change of the farm, with its time and reason; a file of TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xsrc.core import tomltext
from xsrc.core.paths import Unsound, build_id
from xsrc.core.pkgver import PkgVer


@dataclass(frozen=True)
class Stowed:
    """One package of a generation."""

    pkgver: PkgVer
    build: str
    """Which build of the pkgver."""
    asked: bool = True
    """Whether somebody asked for it by name."""


@dataclass(frozen=True)
class Generation:
    """The stowed root after a change."""

    number: int
    at: str
    """UTC."""
    why: str
    """The command."""
    packages: Mapping[str, Stowed] = field(default_factory=dict)
    """By name."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """The chosen provider of each group of alternatives."""

    def render(self) -> str:
        """The text of its file."""
        packages = {
            name: {"pkgver": str(one.pkgver), "build": one.build, "asked": one.asked}
            for name, one in sorted(self.packages.items())
        }
        head: dict[str, Any] = {"number": self.number, "at": self.at, "why": self.why}
        return tomltext.dumps({**head, "alternatives": dict(sorted(self.choices.items())), "packages": packages})

    @classmethod
    def parse(cls, text: str) -> Generation:
        """Read the output of `render`. Raises ValueError for anything else."""
        try:
            raw = tomllib.loads(text)
            packages = {
                name: Stowed(PkgVer.parse(one["pkgver"]), build_id(one["build"]), bool(one["asked"]))
                for name, one in raw["packages"].items()
            }
            if wrong := [name for name, one in packages.items() if name != one.pkgver.name]:
                raise Unsound(f"{wrong[0]!a} is recorded as {packages[wrong[0]].pkgver}")
            choices = raw["alternatives"]
            texts = (raw["at"], raw["why"], *choices.values())
            if not isinstance(raw["number"], int) or not all(isinstance(text, str) for text in texts):
                raise TypeError("a value of another type")
            return cls(raw["number"], raw["at"], raw["why"], packages, choices)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"no record of a generation: {error}") from error

    @property
    def builds(self) -> frozenset[tuple[str, str]]:
        """The builds that it needs, by pkgver and build."""
        return frozenset((str(one.pkgver), one.build) for one in self.packages.values())


@dataclass(frozen=True)
class GenerationDifference:
    """The difference of two generations."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[tuple[str, str], ...] = ()
    """From and to, as pkgvers; equal where only the build is another."""
    chosen: tuple[tuple[str, str], ...] = ()
    """Groups of alternatives with their new provider, "" for none chosen."""

    def __str__(self) -> str:
        words = [f"+{name}" for name in self.added] + [f"-{name}" for name in self.removed]
        for old, new in self.changed:
            words.append(f"{old} built again" if old == new else f"{old} -> {PkgVer.parse(new).version_revision}")
        words += [f"{group}={name or '?'}" for group, name in self.chosen]
        return ", ".join(words) or "links only"


def difference(old: Generation | None, new: Generation) -> GenerationDifference:
    """The changes from one generation to the next."""
    before: Mapping[str, Stowed] = old.packages if old else {}
    after = new.packages
    both = [name for name in after if name in before]
    choices = old.choices if old else {}
    groups = sorted({*choices, *new.choices})
    return GenerationDifference(
        tuple(str(after[name].pkgver) for name in after if name not in before),
        tuple(str(before[name].pkgver) for name in before if name not in after),
        tuple(
            (str(before[name].pkgver), str(after[name].pkgver))
            for name in both
            if (before[name].pkgver, before[name].build) != (after[name].pkgver, after[name].build)
        ),
        tuple((g, new.choices.get(g, "")) for g in groups if choices.get(g) != new.choices.get(g)),
    )
