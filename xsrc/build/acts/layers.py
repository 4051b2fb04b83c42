"""Chooses the built packages of a build root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xsrc.base.acts.choose import chosen_base
from xsrc.core.arch import Dep
from xsrc.core.errors import ConflictError, HostError
from xsrc.core.outcome import UNKNOWN, Outcome
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.farm.alternatives import default_entries
from xsrc.farm.disk.database import Farm
from xsrc.farm.needed import needed
from xsrc.farm.place import Member
from xsrc.sandbox.roots import hidden
from xsrc.store.manifest import Kind
from xsrc.store.merge import conflicts
from xsrc.tree.package import Package


@dataclass(frozen=True)
class Layers:
    """The built packages of a build root: paths with their directories, and the sonames that each provides."""

    layers: tuple[tuple[Path, frozenset[str]], ...]
    sonames: Mapping[str, tuple[str, ...]]
    hidden: tuple[str, ...] = ()
    """Paths of the base that they hide."""
    links: Mapping[str, str] = field(default_factory=dict)
    """The links of their alternatives, by path."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """The outcome of each."""
    tools: frozenset[str] = frozenset()
    """The packages that are tools, or that tools need."""
    within: tuple[Path, ...] = ()
    """In a cross build, the destdirs for its result: they are in the compiler's own root."""
    archives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For packages with static archives: the paths of the archives and of the names for linking."""


def layers_of(
    session: Session, farm: Farm, package: Package, kinds: tuple[Dep, ...], planned: Mapping[str, PkgVer]
) -> Layers:
    """The needs of a package, of these kinds, with everything that those need at run time, for one build root.

    Versions are those of `planned`.

    Raises ConflictError if two of them have one path, HostError if one is not built, UsageError as `chosen_base` does.
    """
    pkgver = package.pkgver
    # what is only provided is in nobody's plan by that name
    names = tuple(name if name in planned else package.homes.get(name, name) for name in package.wants(*kinds))
    for name in names:
        if planned.get(name) not in farm.versions(name):
            raise HostError(f"{pkgver} needs {name}, which is not built", hint=f"xsrc build --no-stow {name}")
    chosen, missing = needed(farm, (planned[name] for name in names), planned)
    tools, _ = needed(farm, (planned[n] for n in package.wants(Dep.TOOL) if n in names and n in planned), planned)
    for line in missing:
        session.ui.warn(line)
    ordered = [chosen[name] for name in sorted(chosen)]
    props = {name: farm.props(chosen[name]) for name in chosen}
    # of a cross build, what is made for its result stands in the compiler's own root
    foreign = {name for name, p in props.items() if package.machine.cross and p and p.arch == package.machine.arch.name}
    own = [v for v in ordered if v.name not in foreign]
    theirs = [v for v in ordered if v.name in foreign]
    members = {v: farm.member(v) or Member(v, ()) for v in ordered}
    links = default_entries(members[v] for v in own)
    entries = {v: (*member.entries, *links.get(str(v), ())) for v, member in members.items()}
    bad = [c for part in (own, theirs) for c in conflicts({str(v): entries[v] for v in part})]
    if bad:
        raise ConflictError(
            f"{pkgver}: its dependencies do not fit into one build root",
            detail=[f"  {conflict}" for conflict in bad[:20]],
            hint="one of them has to leave the path out: [install] remove",
        )
    outcomes = farm.outcomes()
    linked = {name: [e.path for e in entries[v] if e.path.endswith((".a", ".so"))] for name, v in chosen.items()}
    return Layers(
        tuple((session.masterdir.destdir(v), _directories(members[v])) for v in own),
        {name: p.shlib_provides for name, p in props.items() if p is not None},
        hidden((entry.path for v in own for entry in entries[v]), chosen_base(session)),
        {e.path: e.target for found in links.values() for e in found if e.kind is Kind.LINK},
        {name: outcomes.get(str(v), UNKNOWN) for name, v in sorted(chosen.items())},
        frozenset(tools),
        tuple(session.masterdir.destdir(v) for v in theirs),
        {name: tuple(paths) for name, paths in linked.items() if any(path.endswith(".a") for path in paths)},
    )


def _directories(member: Member) -> frozenset[str]:
    """The directories of a built package."""
    return frozenset(entry.path for entry in member.entries if entry.kind is Kind.DIR)
