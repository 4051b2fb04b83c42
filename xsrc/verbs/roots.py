"""Which built packages a build root is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xsrc.effects.store import Farm
from xsrc.errors import ConflictError, HostError
from xsrc.model.arch import Dep
from xsrc.model.farm import Member
from xsrc.model.manifest import Kind
from xsrc.model.outcome import UNKNOWN, Outcome
from xsrc.model.package import Package
from xsrc.model.pkgver import PkgVer
from xsrc.plan.alternatives import default_entries
from xsrc.plan.merge import conflicts
from xsrc.plan.root import hidden
from xsrc.verbs.context import Context
from xsrc.verbs.stowing import closure


@dataclass(frozen=True)
class Closure:
    """Built packages that a build root holds: paths with their directories, and the sonames that each provides."""

    layers: tuple[tuple[Path, frozenset[str]], ...]
    sonames: Mapping[str, tuple[str, ...]]
    hidden: tuple[str, ...] = ()
    """Paths of the base that must not be found beside theirs."""
    links: Mapping[str, str] = field(default_factory=dict)
    """The links of their alternatives, by path."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """What each came out as."""
    tools: frozenset[str] = frozenset()
    """Those that the tools among them are made of."""
    within: tuple[Path, ...] = ()
    """Of a cross build, the destdirs that are for its result: they stand in the compiler's own root."""
    archives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of those that have static archives, the paths of these and of the names that libraries are linked by."""


def read_closure(
    context: Context, farm: Farm, package: Package, kinds: tuple[Dep, ...], planned: Mapping[str, PkgVer]
) -> Closure:
    """What a package needs, of these kinds, with all that that needs at run time, fit to stand in one build root.

    Versions are those of `planned`.

    Raises ConflictError when two of them have one path, HostError when one is not built.
    """
    pkgver = package.pkgver
    # what is only provided is in nobody's plan by that name
    names = tuple(name if name in planned else package.homes.get(name, name) for name in package.wants(*kinds))
    for name in names:
        if planned.get(name) not in farm.versions(name):
            raise HostError(f"{pkgver} needs {name}, which is not built", hint=f"xsrc build --no-stow {name}")
    chosen, missing = closure(farm, (planned[name] for name in names), planned)
    tools, _ = closure(farm, (planned[n] for n in package.wants(Dep.TOOL) if n in names and n in planned), planned)
    for line in missing:
        context.ui.warn(line)
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
    return Closure(
        tuple((context.masterdir.destdir(v), _directories(members[v])) for v in own),
        {name: p.shlib_provides for name, p in props.items() if p is not None},
        hidden((entry.path for v in own for entry in entries[v]), context.base),
        {e.path: e.target for found in links.values() for e in found if e.kind is Kind.LINK},
        {name: outcomes.get(str(v), UNKNOWN) for name, v in sorted(chosen.items())},
        frozenset(tools),
        tuple(context.masterdir.destdir(v) for v in theirs),
        {name: tuple(paths) for name, paths in linked.items() if any(path.endswith(".a") for path in paths)},
    )


def _directories(member: Member) -> frozenset[str]:
    """The directories of a built package."""
    return frozenset(entry.path for entry in member.entries if entry.kind is Kind.DIR)
