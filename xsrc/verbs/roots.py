"""Which built packages a build root is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xsrc.effects.store import Farm
from xsrc.errors import ConflictError, HostError
from xsrc.model.pkgver import PkgVer
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


def read_closure(
    context: Context, farm: Farm, pkgver: PkgVer, names: Iterable[str], planned: Mapping[str, PkgVer]
) -> Closure:
    """The built packages of `names` with all that they need at run time, fit to stand in one build root.

    Versions are those of `planned`.

    Raises ConflictError when two of them have one path, HostError when one is not built.
    """
    wanted = []
    for name in names:
        if planned.get(name) not in farm.versions(name):
            raise HostError(f"{pkgver} needs {name}, which is not built", hint=f"xsrc build --no-stow {name}")
        wanted.append(planned[name])
    chosen, missing = closure(farm, wanted, planned)
    for line in missing:
        context.ui.warn(line)
    ordered = [chosen[name] for name in sorted(chosen)]
    entries = {str(v): farm.entries(v) for v in ordered}
    bad = conflicts(entries)
    if bad:
        raise ConflictError(
            f"{pkgver}: its dependencies do not fit into one build root",
            detail=[f"  {conflict}" for conflict in bad[:20]],
            hint="one of them has to leave the path out: [install] remove",
        )
    props = {name: farm.props(chosen[name]) for name in chosen}
    return Closure(
        tuple((context.masterdir.destdir(v), farm.directories(v)) for v in ordered),
        {name: p.shlib_provides for name, p in props.items() if p is not None},
        hidden((entry.path for found in entries.values() for entry in found), context.base),
    )
