"""Decides what becomes of new packages in an index; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from xsrc.core.pkgver import PkgVer
from xsrc.repo.blocks import Blocks, block_of, needing, props_of


@dataclass(frozen=True)
class Tables:
    """The index of a repository, and the packages that wait until the others fit."""

    index: Blocks
    stage: Blocks

    @property
    def all(self) -> dict[str, bytes]:
        """What the owner of the repository sees: the waiting packages in place of the older ones."""
        return {**self.index, **self.stage}


@dataclass(frozen=True)
class Added:
    """The outcome of adding packages."""

    tables: Tables
    added: tuple[str, ...] = ()
    """Their pkgvers."""
    refused: tuple[str, ...] = ()
    """A line for each package that cannot be added."""
    waiting: tuple[str, ...] = ()
    """A line for each soname that an indexed package still needs."""


def add(tables: Tables, entries: Iterable[Mapping[str, Any]]) -> Added:
    """Add the entries of new packages; an older version than that of the index is left out.

    A package of the same version must have the same key, and the same bytes: clients have it by then.
    """
    coming: dict[str, bytes] = {}
    added, refused = [], []
    known = tables.all
    for entry in entries:
        name, block = block_of(entry)
        new = PkgVer.parse(entry["pkgver"])
        if name in known:
            former = props_of(known[name])
            old = PkgVer.parse(former["pkgver"])
            if old == new and (why := _other(former, entry)):
                refused.append(f"  {new}: {why}")
            if old.order >= new.order:
                continue
        coming[name] = block
        added.append(str(new))
    merged = Tables(tables.index, {**tables.stage, **coming})
    lost = _lost(merged)
    if not lost:
        merged = Tables(merged.all, {})
    lines = tuple(f"  {soname} is gone, and {name} needs it" for soname, name in sorted(lost.items()))
    return Added(merged, tuple(added), tuple(refused), lines)


def _other(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """How two packages of one version differ, "" if they do not."""
    if old.get("build-key") != new.get("build-key"):
        return "the index has this version from another key: raise the revision of its template"
    if old.get("filename-sha256") != new.get("filename-sha256"):
        return "the index has this version and key with other bytes: the build is not reproducible"
    return ""


def _lost(tables: Tables) -> dict[str, str]:
    """By soname, a package that needs it though the waiting packages take it away."""
    gone: set[str] = set()
    for name in tables.stage.keys() & tables.index.keys():
        before, after = (props_of(table[name]).get("shlib-provides", ()) for table in (tables.index, tables.stage))
        gone |= {*before} - {*after}
    given = {soname for block in tables.stage.values() for soname in props_of(block).get("shlib-provides", ())}
    return needing(tables.all, gone - given)
