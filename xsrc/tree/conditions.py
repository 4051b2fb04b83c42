"""The conditions of a template: whether one holds, and whether it ever can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import product
from typing import Any

from xsrc.core.arch import Arch, Machine
from xsrc.core.schema import Problem, found, nearest, shown
from xsrc.core.spans import KeyPath

TYPES = Arch.every()
STAGES = (None, 0, 1, 2, 3)
"""The stages of a bootstrap from source, and none."""


def listed(value: object) -> list[Any]:
    """A single value or a list, as a list."""
    return value if isinstance(value, list) else [value]


def holds(test: Mapping[str, Any], machine: Machine, options: Mapping[str, bool]) -> bool:
    """Whether the `if` of a `[[when]]` holds: its keys are ANDed, lists are ORed."""
    facts: dict[str, Any] = {
        "libc": machine.arch.libc,
        "wordsize": machine.arch.wordsize,
        "endian": machine.arch.endian,
        "cross": machine.cross,
        "stage": machine.stage,
    }
    for key, want in test.items():
        if key == "not":
            if any(holds({name: value}, machine, options) for name, value in want.items()):
                return False
        elif key == "arch":
            if not any(fnmatchcase(machine.arch.name, glob) for glob in listed(want)):
                return False
        elif key == "option":
            if not any(options[name] for name in listed(want)):
                return False
        elif facts[key] not in listed(want):
            return False
    return True


def idle(test: Mapping[str, Any], at: KeyPath) -> Iterator[Problem]:
    """The problems of an `if` that never holds, or that names no machine type."""
    bad = list(strangers(test.get("arch", []), (*at, "arch")))
    bad += strangers(test.get("not", {}).get("arch", []), (*at, "not", "arch"))
    yield from bad
    options = dict.fromkeys(listed(test.get("option", [])), True)
    # an option can be on unless the other half forbids it
    options |= dict.fromkeys(listed(test.get("not", {}).get("option", [])), False)
    builders = TYPES[:2]
    machines = (Machine(arch, build, stage) for arch, build, stage in product(TYPES, builders, STAGES))
    if not bad and not any(holds(test, machine, options) for machine in machines):
        yield at, f"{shown(at)}: no machine, stage and options make this condition hold", None


def strangers(words: object, at: KeyPath) -> Iterator[Problem]:
    """Globs that mean no machine type."""
    types = [arch.name for arch in TYPES]
    for word in listed(words):
        glob = word.removeprefix("!")
        if not any(fnmatchcase(name, glob) for name in types):
            yield (
                at,
                f"{shown(at)}: want a glob of machine types, got {found(word)}, which means none",
                nearest(glob, types),
            )
