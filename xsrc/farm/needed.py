"""Which built packages another one needs at run time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from xsrc.core.pkgver import Pattern, PkgVer


class Known(Protocol):
    """The interface to the built packages."""

    def run_depends(self, pkgver: PkgVer) -> Iterable[str]: ...
    def versions(self, name: str) -> Sequence[PkgVer]: ...
    def providers(self, pattern: Pattern) -> Sequence[PkgVer]: ...


def needed(
    built: Known, wanted: Iterable[PkgVer], prefer: Mapping[str, PkgVer]
) -> tuple[dict[str, PkgVer], tuple[str, ...]]:
    """The built packages of `wanted` and everything that they need at run time, by name; and the unsatisfied needs.

    If several versions satisfy a need, choose the one of `prefer`, else the newest. For a virtual name, choose a
    package that is chosen already, else one of `prefer`, else the first that provides it.
    """
    chosen: dict[str, PkgVer] = {}
    missing: list[str] = []
    queue = list(wanted)
    while queue:
        pkgver = queue.pop(0)
        if pkgver.name in chosen:
            continue
        chosen[pkgver.name] = pkgver
        for text in built.run_depends(pkgver):
            pattern = Pattern.parse(text)
            if pattern.name in chosen:
                continue
            fitting: Sequence[PkgVer] = [v for v in built.versions(pattern.name) if pattern.matches(v)]
            if not fitting:
                fitting = built.providers(pattern)[::-1]
                if any(v.name in chosen for v in fitting):
                    continue
            liked = next((v for v in fitting if prefer.get(v.name) == v), None)
            if liked is not None:
                queue.append(liked)
            elif fitting:
                queue.append(fitting[-1])
            else:
                missing.append(f"{pkgver} needs {pattern}, which is not built")
    return chosen, tuple(missing)
