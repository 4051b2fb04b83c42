"""`xsrc check-deps`: holds what the files of built packages ask for against what their templates declare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from plumbum import cli

from xsrc.effects.needing import named, needs
from xsrc.effects.store import Farm
from xsrc.effects.tree import load
from xsrc.effects.tree import names as all_names
from xsrc.errors import UsageError
from xsrc.model.arch import Dep
from xsrc.model.manifest import Kind, Props
from xsrc.model.package import Package
from xsrc.model.pkgver import PkgVer
from xsrc.plan.depcheck import Checked, Finding, Offer, offer, suspects, undeclared, unused
from xsrc.verbs.context import Context
from xsrc.verbs.select import select
from xsrc.verbs.verb import Verb, dumps


class CheckDeps(Verb):
    """Compare what the files of built packages ask for with what is declared; exit code 1 where they differ"""

    json = cli.Flag(["--json"], help="print JSON")
    every = cli.Flag(["--all"], help="every built package of the tree")

    def go(self, context: Context) -> int:
        chosen, loose = select(context, self.given, "check-deps", every=self.every)
        rows, silenced, unbuilt = [], Counter[str](), 0
        with context.farm_to_read() as farm:
            newest = {PkgVer.parse(text).name: farm.versions(PkgVer.parse(text).name)[-1] for text in farm.built()}
            props = {name: found for name, pkgver in newest.items() if (found := farm.props(pkgver))}
            offers = {name: offer_of(farm, props[name]) for name in props}
            for name in chosen:
                if not (parts := _parts(name, props)):
                    if name not in loose:
                        raise UsageError(f"{name} is not built", hint=f"xsrc build {name}")
                    unbuilt += 1
                for part in parts:
                    package = package_of(context, name, props[part])
                    ignored = package.raw.get("lint", {}).get("ignore", {}) if package else {}
                    for finding in findings(context, farm, props[part], package, offers):
                        if finding.rule in ignored:
                            silenced[finding.rule] += 1
                        else:
                            rows.append((props[part].pkgver, finding))
        if self.json:
            context.ui.output(dumps([_row(pkgver, finding) for pkgver, finding in rows]))
        else:
            for pkgver, finding in rows:
                context.ui.output(f"{pkgver}: {finding.text}")
        for rule, count in sorted(silenced.items()):
            context.ui.note(f"{count} silenced by [lint] ignore of {rule}")
        if unbuilt:
            context.ui.note(f"{unbuilt} not built, so not looked at")
        return 1 if rows else 0


def _parts(name: str, props: Mapping[str, Props]) -> list[str]:
    """The built packages that come of one template: itself, then its subpackages."""
    of = {part: PkgVer.parse(found.source).name for part, found in props.items() if found.source}
    return [part for part in sorted(props) if of.get(part, part) == name]


def offer_of(farm: Farm, props: Props) -> Offer:
    """What a built package gives to others."""
    needed = farm.run_depends(props.pkgver)
    return offer(props.pkgver.name, farm.entries(props.pkgver), props.shlib_provides, props.rules.provides, needed)


def package_of(context: Context, name: str, props: Props) -> Package | None:
    """The package of a template as it stands now, with the options that it was built with; None where it is gone."""
    if name not in all_names(context.tree):
        return None
    template = load(context.tree, name)
    known = template.raw.get("options", {})
    words = tuple(option if on else f"~{option}" for option, on in props.options.items() if option in known)
    return context.package(template, {name: words})


def findings(
    context: Context, farm: Farm, props: Props, package: Package | None, offers: Mapping[str, Offer]
) -> Iterator[Finding]:
    """What is to be said of one built package. Raises BuildFailed, OSError for a destdir that cannot be read."""
    pkgver = props.pkgver
    files = frozenset(entry.path for entry in farm.entries(pkgver) if entry.kind is Kind.FILE)
    folder = context.masterdir.destdirs / (props.source or str(pkgver))
    main = package is not None and package.name == pkgver.name
    one = Checked(
        name=pkgver.name,
        needs=needs(folder, files),
        files=files,
        declared=package.depends if package and main else {},
        run_depends=props.run_depends,
        meta=not files,
    )
    yield from undeclared(one, offers, all_names(context.tree))
    doubtful = suspects(one, offers)
    if doubtful:
        found = named(folder, files, frozenset[str]().union(*(words for _, words in doubtful.values())))
        yield from _sure(doubtful.items(), found)


def _sure(doubtful: Iterable[tuple[str, tuple[Dep, frozenset[str]]]], found: set[str]) -> Iterator[Finding]:
    """Those of the doubtful of which no name stands in a file."""
    for name, (kind, words) in doubtful:
        if found.isdisjoint(words):
            yield unused(name, kind, words)


def _row(pkgver: PkgVer, finding: Finding) -> dict[str, object]:
    return {
        "pkgver": str(pkgver),
        "rule": finding.rule,
        "path": finding.path,
        "needs": finding.needs,
        "provider": finding.provider,
        "key": finding.key,
        "text": finding.text,
        "all": list(finding.more),
    }
