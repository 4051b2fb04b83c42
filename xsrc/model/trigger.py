"""What makes a cache or an index of the stowed root: a file of xsrc/triggers/, data like a build style."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from xsrc.model.farm import matches

_GLOB = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Trigger:
    """One trigger; it runs in the stowed root, and what it leaves below `$OUT` is put into the root."""

    name: str
    desc: str
    paths: tuple[str, ...]
    """Globs: a change of what any of them means fires it, and without any such path there is nothing to make."""
    makes: tuple[str, ...]
    """Globs of all paths that it may make."""
    program: str
    """What it needs; where the root has no such program, nothing is made."""
    run: str
    """sh text."""

    def concerns(self, paths: Iterable[str]) -> bool:
        """Whether any of these paths is its business."""
        begins = tuple(_GLOB.split(glob, maxsplit=1)[0] for glob in self.paths)
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
