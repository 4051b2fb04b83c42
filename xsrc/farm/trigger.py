"""Triggers, which make caches and indexes of the stowed root: files of xsrc/farm/triggers/, data like build styles."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xsrc.core.globs import matches, span


@dataclass(frozen=True)
class Trigger:
    """One trigger; it runs in the stowed root, and its files below `$OUT` go into the root."""

    name: str
    desc: str
    paths: tuple[str, ...]
    """Globs: a change of a matching path fires it; without a matching path, it makes nothing."""
    makes: tuple[str, ...]
    """Globs of all paths that it may make."""
    program: str
    """The program that it needs; without it in the root, it makes nothing."""
    run: str
    """sh text."""

    def concerns(self, paths: Iterable[str]) -> bool:
        """Whether any of these paths is its business."""
        begins = tuple(span(glob)[0] for glob in self.paths)
        return any(matches(path, self.paths) for path in paths if path.startswith(begins))

    def may_make(self, path: str) -> bool:
        """Whether a path is one of those that it says it makes."""
        return matches(path, self.makes)

    @property
    def script(self) -> str:
        """What a shell runs."""
        return f"set -eu\ncommand -v {self.program} >/dev/null || exit 0\n{self.run}"


def parse_triggers(texts: Mapping[str, str]) -> dict[str, Trigger]:
    """Read the files of triggers, by name."""
    found = {}
    for name, text in sorted(texts.items()):
        raw = tomllib.loads(text)
        found[name] = Trigger(name, raw["desc"], tuple(raw["paths"]), tuple(raw["makes"]), raw["program"], raw["run"])
    return found
