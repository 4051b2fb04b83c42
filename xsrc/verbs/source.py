"""A base from source: three stages, each built on what the one before it made, and the last held against the second.

Stage 1 is built by a cross compiler (stage 0) on this machine. Stage 2 is built in build roots that hold stage 1 and
nothing else, stage 3 in such that hold stage 2. Each stage has a masterdir of its own, in which finished packages and
finished phases stay, so that what was cut off goes on where it was.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from xsrc.effects import bases, machine
from xsrc.effects.builds import read_build
from xsrc.effects.journal import Journal
from xsrc.errors import BuildFailed, ConflictError, UsageError
from xsrc.model.arch import Arch
from xsrc.model.base import Record
from xsrc.model.layout import Masterdir
from xsrc.model.pkgver import PkgVer
from xsrc.plan.compare import compare
from xsrc.plan.compose import compose
from xsrc.verbs.build import Request, build
from xsrc.verbs.context import Context, Stage
from xsrc.verbs.stowing import closure

NAME = "source"
STAGES = (1, 2, 3)
_PLACE = ".source"
"""Where the stages are, below the folder of bases."""
_SHOWN = 10


def target() -> Arch:
    """The machine type that a base from source is for: this one's processor, with musl."""
    return Arch.named(f"{machine.arch().machine}-musl")


def base_name() -> str:
    """The name of the base from source."""
    return f"{NAME}-{target().name}"


def base_set(context: Context) -> dict[str, int]:
    """The packages that templates put into the base from source, with the stage at which each is first built."""
    with context.index as index:
        found = {name: index.template(name).raw.get("bootstrap") for name in index.names()}
    chosen = {name: stage for name, stage in found.items() if stage}
    if not chosen:
        raise UsageError(
            "bootstrap --from source: no template of this tree says bootstrap = 1",
            hint="run it in a tree that has musl, gcc, binutils, make and a shell",
        )
    return chosen


def names_of(stage: int, chosen: Mapping[str, int], also: Iterable[str]) -> tuple[str, ...]:
    """What a stage builds: of `also` nothing before there is a base to build on."""
    found = [name for name, first in chosen.items() if first <= stage]
    return tuple(dict.fromkeys([*found, *(also if stage > 1 else ())]))


def make_source(context: Context, also: tuple[str, ...]) -> Record:
    """Build all stages, and make a base of the last; `also` are further packages to hold stage 3 against stage 2 by.

    Raises BuildFailed for a package that cannot be built, ConflictError for packages that cannot be in one base.
    """
    chosen = base_set(context)
    base = machine.host_base(machine.arch())
    stages: list[Context] = []
    for number in STAGES:
        began = time.monotonic()
        folder = context.bases / _PLACE / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        stage = _context(context, folder, Stage(number, base, target()))
        stages.append(stage)
        names = names_of(number, chosen, also)
        context.ui.note(f"stage {number}: {len(names)} packages on {base.name}: {' '.join(names)}")
        if build(stage, Request(names, stow=False, check=False)):
            raise BuildFailed(f"stage {number} of the base is not whole", hint="xsrc bootstrap --from source goes on")
        last = number == STAGES[-1]
        record = _compose(stage, context.bases if last else folder, chosen)
        for line in _told(stage, folder, time.monotonic() - began):
            context.ui.note(f"stage {number}: {line}")
        top = context.bases if last else folder
        base = machine.base_at(top / record.name, record.name, target(), {"tree": record.digest})
    for line in _compared(stages[-2], stages[-1], names_of(STAGES[-1], chosen, also)):
        context.ui.output(line)
    return record


def remove_stages(context: Context) -> None:
    """Remove what the stages of a base were built in."""
    context.remove(context.bases / _PLACE)


def _context(context: Context, folder: Path, stage: Stage) -> Context:
    """The world of one stage: a masterdir of its own, distfiles shared."""
    settings = replace(context.settings, srcdistdir=str(context.srcdistdir), options={})
    made = Context(context.host, context.flags, context.ui, context.tree, settings, Masterdir(folder / "masterdir"))
    made.stage = stage
    return made


def _versions(stage: Context, names: Iterable[str]) -> dict[str, PkgVer]:
    packages = stage.read_closure(names)
    return {pkgver.name: pkgver for package in packages.values() for pkgver in package.outputs}


def _compose(stage: Context, top: Path, chosen: Mapping[str, int]) -> Record:
    """Make a base of the packages that a stage built; raises ConflictError."""
    assert stage.stage is not None
    number = stage.stage.number
    names = names_of(number, chosen, ())
    planned = _versions(stage, names)
    with stage.farm() as farm:
        found, missing = closure(farm, (planned[name] for name in names), planned)
        entries = {name: farm.entries(pkgver) for name, pkgver in found.items()}
    # what those of the set need at run time comes with them, and gives way to none
    taken, bad = compose(entries, {name: chosen.get(name, max(STAGES) + 1) for name in entries})
    if bad or missing:
        raise ConflictError(
            f"stage {number}: its packages do not make a base",
            detail=[f"  {line}" for line in (*bad[:20], *missing)],
            hint="one of them has to leave the path out: [install] remove",
        )
    bases.sweep(top)
    new = top / bases.NEW
    for path, name in taken.items():
        at = new / path
        at.parent.mkdir(parents=True, exist_ok=True)
        source = stage.masterdir.destdir(found[name]) / path
        if source.is_symlink():
            at.symlink_to(source.readlink())
        else:
            shutil.copy2(source, at)
            at.chmod(source.stat().st_mode & 0o555)
    release = f"gcc {planned['gcc'].version}, musl {planned['musl'].version}" if {"gcc", "musl"} <= found.keys() else ""
    versions = {name: pkgver.version_revision for name, pkgver in found.items()}
    name = base_name() if number == STAGES[-1] else f"{NAME}-{number}"
    return bases.finish(top, name, stage.arch.name, release or "of this tree", versions)


def _told(stage: Context, folder: Path, seconds: float) -> Iterator[str]:
    """What a stage took: time, the most memory, room on the disk."""
    jobs = Journal(stage.masterdir, stage.ui.warn).last().values()
    longest = max(jobs, key=lambda job: job.took, default=None)
    hungriest = max(jobs, key=lambda job: job.peak, default=None)
    size = sum(path.lstat().st_blocks * 512 for path in _files(folder))
    yield f"{len(jobs)} packages in {_minutes(sum(job.took for job in jobs))} of phases, {_minutes(seconds)} this time"
    if longest and hungriest:
        yield f"longest {longest.name} {_minutes(longest.took)}; memory at most {hungriest.peak >> 20} MiB"
        yield f"({hungriest.name}); {size >> 20} MiB on the disk"


def _files(folder: Path) -> Iterator[Path]:
    for top, _, names in os.walk(folder):
        yield from (Path(top, name) for name in names)


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _compared(second: Context, third: Context, names: Iterable[str]) -> Iterator[str]:
    """A line for each package, whether both stages made the same of it."""
    same, planned = 0, _versions(third, names)
    for name in names:
        one, two = (read_build(stage.masterdir.destdir(planned[name]))[1] for stage in (second, third))
        differences = compare(one, two)
        same += not differences
        if differences:
            yield f"{planned[name]}: stage 2 and stage 3 differ in {len({d.path for d in differences})} paths"
            yield from (f"  {difference}" for difference in differences[:_SHOWN])
    yield f"stage 2 and stage 3: {same} of {len(tuple(names))} packages are the same, bit for bit"
