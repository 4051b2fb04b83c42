"""Compares the needs of the files of built packages with the declared packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from xsrc.build.declared import Declared, NeedFinding, Offer, Offers, Part, offer, suspects, undeclared, unused
from xsrc.core.dep import Dep
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import Pattern
from xsrc.core.session import Session
from xsrc.core.spans import KeyPath
from xsrc.farm.disk.database import Farm
from xsrc.store.disk.needs import named, needs
from xsrc.store.manifest import Kind, Props
from xsrc.tree.disk.templates import names as all_names
from xsrc.tree.package import Package
from xsrc.tree.template import Template


def findings(
    session: Session, farm: Farm, one: Declared, built: Mapping[str, Props], offers: Offers
) -> Iterator[NeedFinding]:
    """The findings of the packages of one template. Raises BuildFailed and OSError for files that cannot be read."""
    yield from undeclared(one, offers, all_names(session.tree))
    doubtful = list(suspects(one, offers))
    words = frozenset(word for suspect in doubtful for word in suspect.words)
    found = {
        part.name: named(_folder(session.masterdir, farm, built[part.name]), part.files, words)
        for part in one.parts
        if words
    }
    for suspect in doubtful:
        if all(suspect.words.isdisjoint(found[part.name]) for part in suspect.parts):
            yield unused(suspect)


def option_words(template: Template, props: Props) -> tuple[str, ...]:
    """The options that a package was built with, as far as its template still has them."""
    known = template.raw.get("options", {})
    return tuple(option if on else f"~{option}" for option, on in props.options.items() if option in known)


def offer_of(farm: Farm, props: Props) -> Offer:
    """The offer of a built package to others."""
    needed = farm.run_depends(props.pkgver)
    source = props.source or str(props.pkgver)
    entries = farm.entries(props.pkgver)
    return offer(props.pkgver.name, entries, props.shlib_provides, props.rules.provides, needed, source)


def parts_of(masterdir: Masterdir, farm: Farm, package: Package, built: Mapping[str, Props]) -> Iterator[Part]:
    """The newest build of one template: the package, then the subpackages that the template still has."""
    main = str(built[package.name].pkgver)
    declared: dict[str, tuple[tuple[Pattern, ...], KeyPath]] = {}
    declared[package.name] = package.depends[Dep.RUN], (Dep.RUN.value,)
    for name, body in package.raw.get("subpackages", {}).items():
        key: KeyPath = ("subpackages", name, Dep.RUN.value)
        declared[name] = tuple(map(Pattern.parse, body.get(Dep.RUN.value, ()))), key
    for name, (depends, key) in declared.items():
        if name == package.name or (name in built and built[name].source == main):
            files = frozenset(e.path for e in farm.entries(built[name].pkgver) if e.kind is Kind.FILE)
            yield Part(name, needs(_folder(masterdir, farm, built[name]), files), files, depends, key)


def _folder(masterdir: Masterdir, farm: Farm, props: Props) -> Path:
    return masterdir.destdirs / farm.folder(props.pkgver)
