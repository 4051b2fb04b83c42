"""A base from source: three stages, each built on what the one before it made, and the last held against the second.

Stage 1 is built by a cross compiler (stage 0) on this machine. Stage 2 is built in build roots that hold stage 1 and
nothing else, stage 3 in such that hold stage 2. Each stage has a masterdir of its own, in which finished packages and
finished phases stay, so that what was cut off goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from xsrc.effects import bases, machine
from xsrc.effects.builds import read_build, size
from xsrc.effects.journal import Journal
from xsrc.errors import BuildFailed, ConflictError, UsageError
from xsrc.model.arch import Arch
from xsrc.model.base import Record
from xsrc.model.farm import Member
from xsrc.model.layout import Masterdir
from xsrc.model.manifest import Kind
from xsrc.model.package import pkgvers
from xsrc.plan.alternatives import default_entries
from xsrc.plan.compare import compare
from xsrc.plan.compose import compose
from xsrc.ui import seconds
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
        if build(stage, Request(names, stow=False, check=False, keep_going=True)):
            raise BuildFailed(f"stage {number} of the base is not whole", hint="xsrc bootstrap --from source goes on")
        top, name = (context.bases, base_name()) if number == STAGES[-1] else (folder, f"{NAME}-{number}")
        record = _compose(stage, number, chosen, top, name)
        for line in _told(stage, folder, time.monotonic() - began):
            context.ui.note(f"stage {number}: {line}")
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
    masterdir = Masterdir(folder / "masterdir")
    return Context(context.host, context.flags, context.ui, context.tree, settings, masterdir, context.believed, stage)


def _compose(stage: Context, number: int, chosen: Mapping[str, int], top: Path, name: str) -> Record:
    """Make the base `name` of the packages that a stage built, below `top`; raises ConflictError."""
    names = names_of(number, chosen, ())
    planned = pkgvers(stage.read_closure(names).values())
    with stage.farm() as farm:
        found, missing = closure(farm, (planned[name] for name in names), planned)
        members = {name: farm.member(pkgver) or Member(pkgver, ()) for name, pkgver in found.items()}
    links = default_entries(members.values())
    entries = {name: (*member.entries, *links.get(member.owner, ())) for name, member in members.items()}
    # what those of the set need at run time comes with them, and gives way to none
    taken, bad = compose(entries, {name: chosen.get(name, max(STAGES) + 1) for name in entries})
    if bad or missing:
        raise ConflictError(
            f"stage {number}: its packages do not make a base",
            detail=[f"  {line}" for line in (*bad[:20], *missing)],
            hint="one of them has to leave the path out: [install] remove",
        )
    bases.sweep(top)
    given = {
        entry.path: entry.target
        for name, member in members.items()
        for entry in links.get(member.owner, ())
        if entry.kind is Kind.LINK and taken.get(entry.path) == name
    }
    destdirs = {name: stage.masterdir.destdir(pkgver) for name, pkgver in found.items()}
    bases.copy(top / bases.NEW, {path: destdirs[name] / path for path, name in taken.items() if path not in given})
    bases.link(top / bases.NEW, given)
    release = f"gcc {planned['gcc'].version}, musl {planned['musl'].version}" if {"gcc", "musl"} <= found.keys() else ""
    versions = {name: pkgver.version_revision for name, pkgver in found.items()}
    return bases.finish(top, name, stage.arch.name, release or "of this tree", versions)


def _told(stage: Context, folder: Path, took: float) -> Iterator[str]:
    """What a stage took: time, the most memory, room on the disk."""
    jobs = Journal(stage.masterdir, stage.ui.warn).last().values()
    longest = max(jobs, key=lambda job: job.took, default=None)
    hungriest = max(jobs, key=lambda job: job.peak, default=None)
    phases = seconds(sum(job.took for job in jobs))
    yield f"{len(jobs)} packages in {phases} of phases, {seconds(took)} this time, {size(folder) >> 20} MiB on the disk"
    if longest and hungriest:
        memory = f"memory at most {hungriest.peak >> 20} MiB ({hungriest.name})"
        yield f"longest {longest.name} {seconds(longest.took)}; {memory}"


def _compared(second: Context, third: Context, names: Iterable[str]) -> Iterator[str]:
    """A line for each package, whether both stages made the same of it."""
    same, planned = 0, pkgvers(third.read_closure(names).values())
    for name in names:
        one, two = (read_build(stage.masterdir.destdir(planned[name]))[1] for stage in (second, third))
        differences = compare(one, two)
        same += not differences
        if differences:
            yield f"{planned[name]}: stage 2 and stage 3 differ in {len({d.path for d in differences})} paths"
            yield from (f"  {difference}" for difference in differences[:_SHOWN])
    yield f"stage 2 and stage 3: {same} of {len(tuple(names))} packages are the same, bit for bit"
