"""The packages of a command and everything that they need, for this machine and these settings."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from xsrc.base.acts.choose import chosen_machine
from xsrc.core.arch import Machine
from xsrc.core.dep import Dep
from xsrc.core.errors import Diagnostic, SettingsError, UsageError, XsrcError
from xsrc.core.layout import Tree
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.core.schema import nearest
from xsrc.core.session import Session
from xsrc.core.settings import Settings
from xsrc.tree.disk.templates import load
from xsrc.tree.package import Package
from xsrc.tree.resolve import resolve
from xsrc.tree.template import Template
from xsrc.unix import trust

if TYPE_CHECKING:
    from xsrc.tree.disk.index import Index

FEW = 24
"""Templates that can be read as fast as the index."""


@dataclass(frozen=True)
class Closure:
    """Packages with everything that they need, to build and to run."""

    packages: Mapping[str, Package]
    indexed: frozenset[str] = frozenset()
    """Packages read through the index, which knows the inputs of their builds."""


def index_of(session: Session) -> Index:
    """The index of the tree. It is in the masterdir, or in the user's cache if the masterdir cannot be written.

    Raises HostError if somebody else could write the cache.
    """
    tree = hashlib.sha256(bytes(session.tree.root)).hexdigest()[:16]
    if session.masterdir.farm.exists() and os.access(session.masterdir.db, os.W_OK):
        return _index(session.tree, session.masterdir.db / "index" / tree, session.mark)
    home = Path(session.host.env.get("HOME", "/nonexistent"))
    folder = Path(session.host.env.get("XDG_CACHE_HOME") or home / ".cache") / "xsrc" / tree
    with contextlib.suppress(PermissionError):  # then nothing is kept
        trust.check_new("the cache", folder, session.believed)
    return _index(session.tree, folder, session.mark)


@cache
def _index(tree: Tree, folder: Path, mark: object) -> Index:
    from xsrc.tree.disk.index import Index

    return Index.open(tree, folder)


def homes_of(tree: Tree, names: Iterable[str]) -> tuple[str, ...]:
    """The packages that make `names`, each once: a subpackage counts as the package that it belongs to.

    Raises UsageError and TemplateError as `load` does.
    """
    made = (name if tree.template(name).is_file() else load(tree, name).name for name in names)
    return tuple(dict.fromkeys(made))


def version_in_tree(tree: Tree, name: str) -> PkgVer | None:
    """The version that the tree has of a package or subpackage; None if it has none that can be read."""
    try:
        template = load(tree, name)
    except XsrcError:
        return None
    if name != template.name and name not in template.raw.get("subpackages", {}):
        return None  # another package provides the name
    return PkgVer(name, template.raw["version"], template.raw["revision"])


def package_of(
    session: Session, template: Template, options: Mapping[str, tuple[str, ...]], *, native: bool = False
) -> Package:
    """The package of a template here; with `native`, for the building machine.

    Raises TemplateError for a bad template, UsageError for an unknown option, SettingsError for one in the settings.
    Raises HostError and ConflictError as `chosen_machine` does.
    """
    refuse_settings(session.settings, template)
    return _package(chosen_machine(session), template, session.wanted(template.name, options), native=native)


def refuse_settings(settings: Settings, template: Template) -> None:
    """Raise SettingsError, at its place, for an option in the settings that a template does not have."""
    declared = template.raw.get("options", {})
    for word in settings.options.get(template.name, ()):
        if (name := word.removeprefix("~")) not in declared:
            known = f"it has {', '.join(declared)}" if declared else "it has none"
            message = f"options.{template.name}: {template.name} has no option {name!r}: {known}"
            raise SettingsError([Diagnostic(settings.places[template.name], message, nearest(name, declared))])


def _package(machine: Machine, template: Template, wanted: tuple[str, ...], *, native: bool) -> Package:
    made = machine.build if native else machine.arch
    stage = 0 if native and machine.cross else machine.stage
    return resolve(template, Machine(made, machine.build, stage), wanted)


def read_closure(
    session: Session, names: Iterable[str], options: Mapping[str, tuple[str, ...]] | None = None
) -> Closure:
    """The packages of `names` and of everything that they need.

    Raises TemplateError for a bad template or need, UsageError for an unknown name or option, HostError and
    ConflictError as `chosen_machine` does.
    """
    packages: dict[str, Package] = {}
    homes: dict[str, str] = {}
    indexed: set[str] = set()
    machine = chosen_machine(session)
    queue: list[tuple[Pattern, Template | None, str, bool]] = [(Pattern(name), None, "", False) for name in names]
    for pattern, wanted_by, kind, native in queue:
        name = pattern.name
        if homes.get(name, name) not in packages:
            few = len(packages) < FEW
            read = partial(load, session.tree) if few else index_of(session).template
            template = read(name, wanted_by, kind)
            homes |= {} if template.name == name else {name: template.name}
            if template.name not in packages:
                indexed |= set() if few else {template.name}
                refuse_settings(session.settings, template)
                wanted = session.wanted(template.name, options or {})
                package = packages[template.name] = _package(machine, template, wanted, native=native)
                queue += _needs(package, template, machine, native=native)
        package = packages[homes.get(name, name)]
        if wanted_by is not None:
            _refuse(package, pattern, wanted_by, kind, machine, native=native)
    if homes:
        packages = {name: replace(package, homes=homes) for name, package in packages.items()}
    if indexed:
        index_of(session).save()
    for name in options or {}:
        if name not in packages:
            raise UsageError(f"-o {name}.…: {name} is no part of this build", hint=nearest(name, packages))
    return Closure(packages, frozenset(indexed))


def _needs(
    package: Package, template: Template, machine: Machine, *, native: bool
) -> list[tuple[Pattern, Template | None, str, bool]]:
    """What a package and its subpackages need, each with the kind of need and whether it runs where it is built."""
    found: list[tuple[Pattern, Template | None, str, bool]] = []
    for dep in Dep:
        inner = native or (dep in (Dep.TOOL, Dep.CHECK) and machine.cross)
        found += [(need, template, dep.value, inner) for need in package.depends[dep]]
    run = (need for part in package.subpackages for need in part.depends)
    return [*found, *((need, template, Dep.RUN.value, native) for need in run)]


def _refuse(
    package: Package, pattern: Pattern, wanted_by: Template, kind: str, machine: Machine, *, native: bool
) -> None:
    """Raise TemplateError, at the place of the need, if the package does not satisfy it."""
    name = pattern.name
    if machine.cross and native == package.machine.cross:
        words = f"{kind}: {pattern} is wanted for {machine.build.name} and for {machine.arch.name} at once"
        raise wanted_by.error(wanted_by.need(kind, name), words)
    has = next((pkgver for pkgver in package.outputs if pkgver.name == name), None)
    fits = pattern.matches(has) if has else any(map(pattern.satisfied_by, package.raw.get("provides", ())))
    if not fits:
        words = f"{kind}: want {pattern}, the tree has {has or package.pkgver}"
        raise wanted_by.error(wanted_by.need(kind, name), words)
