"""The rows of DESIGN.md 10 that exist so far, by name: what each compares, and what measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.bench.measure import Figure
from tests.bench.rows import build, enter, farm, pack, parallel, scale, schedule, start, stow
from tests.bench.world import World

ROWS: Mapping[str, tuple[str, Callable[[World], list[Figure]]]] = {
    "start": ("xsrc --help against importing plumbum.cli in the same interpreter", start.start),
    "nothing": ("xsrc build dash with nothing to do against importing plumbum.cli", start.nothing),
    "enter": ("entering a sandbox, in either mode, against bwrap with the same mounts", enter.enter),
    "read": ("reading 9,635 templates, nothing kept, against tomllib alone on the same files", scale.cold),
    "again": ("the same tree read again with its index, against nothing kept; after one change", scale.again),
    "whole": ("order and keys of that tree, the plan of its deepest package, and their memory", scale.whole),
    "stow": ("stowing and unstowing 20,000 files against GNU stow and a bare loop of symlink(2)", stow.stow),
    "farm": ("the farm at size: names of real packages, 100,000 files to plan, one package beside 200,000", farm.farm),
    "pack": ("xsrc pkg of 10,000 files, and of 200 MB, against tar | zstd at the same level", pack.pack),
    "schedule": (
        "simulated runs of all packages of a distribution against the shortest that can be",
        schedule.schedule,
    ),
    "parallel": (
        "a run of 40 small packages with -j2 against the shortest that its own times allow",
        parallel.parallel,
    ),
    "memory": ("peak memory of xsrc itself in xsrc build dash", build.memory),
    "overhead": ("xsrc build dash from a fetched distfile against the same commands by hand", build.overhead),
}
