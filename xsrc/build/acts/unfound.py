"""Refuses a build whose own files would not find its own libraries."""

from __future__ import annotations

from xsrc.build.root import Layers
from xsrc.core.base import Base
from xsrc.core.errors import BuildFailed
from xsrc.store.disk.scan import Scan
from xsrc.store.loader import Unfound, unfound
from xsrc.tree.package import Package

UNFOUND = "unfound"
"""The code of an exception for all libraries; with a `-` and a soname, for one."""


def refuse_unfound(package: Package, found: Scan, needs: Layers, base: Base) -> None:
    """Raise BuildFailed for libraries of a build that the loader does not find for the build's own programs.

    A library that a package of the build root or the base has too is that one.
    """
    reasons = package.raw.get("lint", {}).get("ignore", {})
    bad = [
        one
        for one in unfound(found.manifest.entries, found.elves, found.searched)
        if reasons.keys().isdisjoint((UNFOUND, f"{UNFOUND}-{one.soname}")) and not _elsewhere(one, needs, base)
    ]
    if bad:
        first = bad[0].soname
        raise BuildFailed(
            f"{package.pkgver}: its own files would not find its own libraries",
            detail=[f"  /{one.path} needs {one.soname}, which is /{one.place}: no loader looks there" for one in bad],
            hint="link with -Wl,-rpath, install it into /usr/lib, or say why it is found: "
            f'[lint] ignore = {{ "{UNFOUND}-{first}" = "…" }}',
        )


def _elsewhere(one: Unfound, needs: Layers, base: Base) -> bool:
    """Whether somebody else has a library of this name where the loader looks."""
    if any(one.soname in provider.exports for provider in needs.providers.values()):
        return True
    return any((base.root / folder / one.soname).exists() for folder in base.libdirs)
