"""Chooses the built packages of a build root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from xsrc.base.acts.choose import chosen_base
from xsrc.build.root import Layers
from xsrc.build.shlibs import Provider
from xsrc.core.dep import Dep
from xsrc.core.errors import ConflictError, HostError
from xsrc.core.outcome import UNKNOWN
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.farm.alternatives import default_entries
from xsrc.farm.candidate import Candidate
from xsrc.farm.disk.candidates import KnownBuilds
from xsrc.farm.disk.database import Farm
from xsrc.farm.place import Member
from xsrc.farm.solve import RootWish, Solution, solve
from xsrc.sandbox.roots import hidden
from xsrc.store.manifest import Kind, Props
from xsrc.store.merge import conflicts
from xsrc.tree.package import Package


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
    solution = closure(farm, (planned[name] for name in names), planned)
    tools = closure(farm, (planned[n] for n in package.wants(Dep.TOOL) if n in names and n in planned), planned)
    chosen = {name: one.pkgver for name, one in solution.packages.items()}
    for lack in solution.unmet:
        session.ui.warn(str(lack))
    ordered = [chosen[name] for name in sorted(chosen)]
    props = {name: farm.props(chosen[name]) for name in chosen}
    # in a cross build, packages for the machine of the result are in the compiler's own root
    foreign = {name for name, p in props.items() if package.machine.cross and p and p.arch == package.machine.arch.name}
    own = [v for v in ordered if v.name not in foreign]
    theirs = [v for v in ordered if v.name in foreign]
    members = {v: farm.member(v, solution.packages[v.name].build) or Member(v, ()) for v in ordered}
    folders = {v: session.masterdir.destdirs / farm.folder(v) for v in ordered}
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
        layers=tuple((folders[v], _directories(members[v])) for v in own),
        providers={name: _provider(solution.packages[name], p) for name, p in props.items() if p is not None},
        hidden=hidden((entry.path for v in own for entry in entries[v]), chosen_base(session)),
        links={e.path: e.target for found in links.values() for e in found if e.kind is Kind.LINK},
        outcomes={name: outcomes.get(str(v), UNKNOWN) for name, v in sorted(chosen.items())},
        tools=frozenset(tools.packages),
        within=tuple(folders[v] for v in theirs),
        archives={n: tuple(paths) for n, paths in linked.items() if any(path.endswith(".a") for path in paths)},
    )


def closure(farm: Farm, wanted: Iterable[PkgVer], planned: Mapping[str, PkgVer]) -> Solution:
    """The latest builds of `wanted` with everything that they need at run time, of the versions of `planned` if any."""
    known = KnownBuilds(farm)
    come = {pkgver.name: known.latest(pkgver) or Candidate(pkgver) for pkgver in wanted}
    return solve(known, {}, RootWish(come), planned.get, linked_first=False)


def _provider(one: Candidate, props: Props) -> Provider:
    exports = {soname: props.exports.get(soname, b"") for soname in props.shlib_provides}
    return Provider(str(one.pkgver), one.build, exports)


def _directories(member: Member) -> frozenset[str]:
    """The directories of a built package."""
    return frozenset(entry.path for entry in member.entries if entry.kind is Kind.DIR)
