"""A base from source: three stages, each built on the one before; the last is compared with the second.

Stage 1 is built by a cross compiler (stage 0) on this machine. Stage 2 is built in build roots that hold stage 1 and
nothing else, stage 3 in build roots that hold stage 2. Each stage has a masterdir of its own, which keeps finished
packages and phases, so an interrupted bootstrap continues where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from xsrc.base.acts.choose import chosen_arch, this_machine
from xsrc.base.disk import shelf
from xsrc.base.disk.host import base_at
from xsrc.bootstrap.compose import compose
from xsrc.build.acts.build import build
from xsrc.build.acts.layers import closure
from xsrc.build.request import BuildRequest
from xsrc.core.arch import Arch
from xsrc.core.base import Record
from xsrc.core.errors import BuildFailed, ConflictError, UsageError
from xsrc.core.layout import Masterdir
from xsrc.core.session import Session, Stage
from xsrc.core.ui import counted, seconds
from xsrc.farm.acts.masterdir import open_farm
from xsrc.farm.alternatives import default_entries
from xsrc.farm.place import Member
from xsrc.runs.disk.journal import Journal
from xsrc.store.compare import compare
from xsrc.store.disk.shelf import read_build, size
from xsrc.store.manifest import Kind
from xsrc.tree.acts.closure import index_of, read_closure
from xsrc.tree.package import pkgvers
from xsrc.unix import machine
from xsrc.unix.trees import remove_tree

NAME = "source"
STAGES = (1, 2, 3)
_PLACE = ".source"
"""Where the stages are, below the folder of bases."""
_SHOWN = 10


def target() -> Arch:
    """The machine type of a base from source: this machine's processor, with musl.

    Raises HostError for an unknown machine, ValueError for one without musl.
    """
    return Arch.named(f"{machine.arch().machine}-musl")


def base_name() -> str:
    """The name of the base from source. Raises HostError and ValueError as `target` does."""
    return f"{NAME}-{target().name}"


def base_set(session: Session) -> dict[str, int]:
    """The packages of the base from source, by their templates, with the first stage that builds each.

    Raises UsageError if the tree has none, TemplateError for a bad template.
    """
    with index_of(session) as index:
        found = {name: index.template(name).raw.get("bootstrap") for name in index.names()}
    chosen = {name: stage for name, stage in found.items() if stage}
    if not chosen:
        raise UsageError(
            "bootstrap --from source: no template of this tree says bootstrap = 1",
            hint="run it in a tree that has musl, gcc, binutils, make and a shell",
        )
    return chosen


def names_of(stage: int, chosen: Mapping[str, int], also: Iterable[str]) -> tuple[str, ...]:
    """The packages that a stage builds; those of `also` need a base, so stage 1 does not build them."""
    found = [name for name, first in chosen.items() if first <= stage]
    return tuple(dict.fromkeys([*found, *(also if stage > 1 else ())]))


def make_source(session: Session, also: tuple[str, ...]) -> Record:
    """Build all stages, and make a base of the last; `also` are more packages to build and compare in stages 2 and 3.

    Raises BuildFailed if a stage fails, ConflictError for packages that cannot be in one base, HostError if this
    machine or a masterdir cannot be used, UsageError and TemplateError as `base_set` does.
    Raises Interrupted.
    """
    chosen = base_set(session)
    base = this_machine(session)
    stages: list[Session] = []
    for number in STAGES:
        began = time.monotonic()
        folder = session.bases / _PLACE / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        stage = _context(session, folder, Stage(number, base, target()))
        stages.append(stage)
        names = names_of(number, chosen, also)
        session.ui.note(f"stage {number}: {counted(len(names), 'package')} on {base.name}: {' '.join(names)}")
        if build(stage, BuildRequest(names, stow=False, check=False, keep_going=True)):
            raise BuildFailed(f"stage {number} of the base is not whole", hint="xsrc bootstrap --from source goes on")
        top, name = (session.bases, base_name()) if number == STAGES[-1] else (folder, f"{NAME}-{number}")
        record = _compose(stage, number, chosen, top, name)
        for line in _cost(stage, folder, time.monotonic() - began):
            session.ui.note(f"stage {number}: {line}")
        base = base_at(top / record.name, record.name, target(), {"tree": record.digest})
    for line in _compared(stages[-2], stages[-1], names_of(STAGES[-1], chosen, also)):
        session.ui.output(line)
    return record


def remove_stages(bases: Path) -> None:
    """Remove the masterdirs of the stages. Raises OSError."""
    remove_tree(bases / _PLACE)


def _context(session: Session, folder: Path, stage: Stage) -> Session:
    """The session of one stage: with a masterdir of its own and the same distfiles."""
    settings = replace(session.settings, srcdistdir=str(session.srcdistdir), options={})
    masterdir = Masterdir(folder / "masterdir")
    return Session(session.host, session.flags, session.ui, session.tree, settings, masterdir, session.believed, stage)


def _compose(stage: Session, number: int, chosen: Mapping[str, int], top: Path, name: str) -> Record:
    """Make the base `name` of the packages of a stage, below `top`. Raises ConflictError."""
    names = names_of(number, chosen, ())
    planned = pkgvers(read_closure(stage, names).packages.values())
    with open_farm(stage) as farm:
        solution = closure(farm, (planned[name] for name in names), planned)
        found = {name: one.pkgver for name, one in solution.packages.items()}
        members = {n: farm.member(v, solution.packages[n].build) or Member(v, ()) for n, v in found.items()}
        destdirs = {name: stage.masterdir.destdirs / farm.folder(pkgver) for name, pkgver in found.items()}
    links = default_entries(members.values())
    entries = {name: (*member.entries, *links.get(member.owner, ())) for name, member in members.items()}
    # packages that the set needs at run time come with it, and yield to none of the set
    taken, bad = compose(entries, {name: chosen.get(name, max(STAGES) + 1) for name in entries})
    if bad or solution.unmet:
        raise ConflictError(
            f"stage {number}: its packages do not make a base",
            detail=[f"  {line}" for line in (*bad[:20], *solution.unmet)],
            hint="one of them has to leave the path out: [install] remove",
        )
    shelf.sweep(top)
    given = {
        entry.path: entry.target
        for name, member in members.items()
        for entry in links.get(member.owner, ())
        if entry.kind is Kind.LINK and taken.get(entry.path) == name
    }
    shelf.copy(top / shelf.NEW, {path: destdirs[name] / path for path, name in taken.items() if path not in given})
    shelf.link(top / shelf.NEW, given)
    release = f"gcc {planned['gcc'].version}, musl {planned['musl'].version}" if {"gcc", "musl"} <= found.keys() else ""
    versions = {name: pkgver.version_revision for name, pkgver in found.items()}
    return shelf.finish(top, name, chosen_arch(stage).name, release or "of this tree", versions)


def _cost(stage: Session, folder: Path, took: float) -> Iterator[str]:
    """The cost of a stage: time, the most memory, room on the disk."""
    jobs = Journal(stage.masterdir, stage.ui.warn).last().values()
    longest = max(jobs, key=lambda job: job.took, default=None)
    hungriest = max(jobs, key=lambda job: job.peak, default=None)
    phases = seconds(sum(job.took for job in jobs))
    room = f"{size(folder) >> 20} MiB on the disk"
    yield f"{counted(len(jobs), 'package')} in {phases} of phases, {seconds(took)} this time, {room}"
    if longest and hungriest:
        memory = f"memory at most {hungriest.peak >> 20} MiB ({hungriest.name})"
        yield f"longest {longest.name} {seconds(longest.took)}; {memory}"


def _compared(second: Session, third: Session, names: Iterable[str]) -> Iterator[str]:
    """A line for each package: whether both stages built the same."""
    same, planned = 0, pkgvers(read_closure(third, names).packages.values())
    for name in names:
        one, two = (read_build(stage.masterdir.destdir(planned[name]))[1] for stage in (second, third))
        differences = compare(one, two)
        same += not differences
        if differences:
            paths = counted(len({d.path for d in differences}), "path")
            yield f"{planned[name]}: stage 2 and stage 3 differ in {paths}"
            yield from (f"  {difference}" for difference in differences[:_SHOWN])
    yield f"stage 2 and stage 3: {same} of {len(tuple(names))} packages are the same, bit for bit"
