"""`xsrc check-deps`: holds what the files of built packages ask for against what their templates declare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as Folder

from plumbum import cli

from xsrc.effects.needing import named, needs
from xsrc.effects.store import Farm
from xsrc.effects.tree import load
from xsrc.effects.tree import names as all_names
from xsrc.errors import Diagnostic, Span, UsageError
from xsrc.model.arch import Dep
from xsrc.model.manifest import Kind, Props
from xsrc.model.package import Package
from xsrc.model.pkgver import Pattern, PkgVer
from xsrc.model.template import Template
from xsrc.model.tomlspan import Path
from xsrc.plan.depcheck import (
    UNDECLARED,
    UNUSED,
    Checked,
    Finding,
    Offer,
    Offers,
    Part,
    offer,
    suspects,
    undeclared,
    unused,
)
from xsrc.verbs.context import Context
from xsrc.verbs.select import select
from xsrc.verbs.verb import Verb


class CheckDeps(Verb):
    """Hold what the files of built packages ask for against what is declared; exit code 1 where they differ"""

    json = cli.Flag(["--json"], help="print JSON")
    every = cli.Flag(["--all"], help="all that are built")

    def go(self, context: Context) -> int:
        every = self.every or (not self.given and context.here() is None)
        chosen, loose = select(context, self.given, "check-deps", every=every)
        rows: list[dict[str, object]] = []
        unbuilt = 0
        with context.farm_to_read() as farm:
            newest = {PkgVer.parse(text).name: farm.versions(PkgVer.parse(text).name)[-1] for text in farm.built()}
            built = {name: props for name, pkgver in newest.items() if (props := farm.props(pkgver))}
            offers = {name: _offer(farm, props) for name, props in built.items()}
            for name in chosen:
                template = load(context.tree, name)
                if name in built:
                    rows += self._check(context, farm, template, built, offers)
                elif name in loose:
                    unbuilt += 1
                else:
                    raise UsageError(f"{name} is not built", hint=f"xsrc build {name}")
        if self.json:
            context.ui.json(rows)
        if unbuilt:
            context.ui.note(f"{unbuilt} not built, so not looked at")
        return 1 if rows else 0

    def _check(
        self, context: Context, farm: Farm, template: Template, built: Mapping[str, Props], offers: Offers
    ) -> Iterator[dict[str, object]]:
        """Say what is to be said of one template; gives a row for each finding that it has no reason for."""
        props = built[template.name]
        package = context.package(template, {template.name: _words(template, props)})
        reasons = dict(package.raw.get("lint", {}).get("ignore", {}))
        if package.pkgver != props.pkgver:
            context.ui.note(f"{props.pkgver} is what is built; its template is now {package.pkgver}")
        one = Checked(tuple(_parts(context, farm, package, built)), package.depends[Dep.LIB])
        for finding in findings(context, one, built, offers):
            if reason := reasons.pop(finding.code, None):
                context.ui.note(f"{props.pkgver}: {finding.code}, for: {reason}")
                continue
            said = Diagnostic(_place(template, finding), finding.message, finding.hint)
            if not self.json:
                for line in said.render():
                    context.ui.output(line)
            yield _row(props.pkgver, finding, said.span)
        for code in reasons:
            if code.startswith((f"{UNDECLARED}-", f"{UNUSED}-")):
                context.ui.note(f"{props.pkgver}: remove {code} from [lint] ignore: it is found no more")


def findings(context: Context, one: Checked, built: Mapping[str, Props], offers: Offers) -> Iterator[Finding]:
    """What is to be said of what was built of one template. Raises BuildFailed, OSError for what cannot be read."""
    yield from undeclared(one, offers, all_names(context.tree))
    doubtful = list(suspects(one, offers))
    words = frozenset(word for suspect in doubtful for word in suspect.words)
    found = {part.name: named(_folder(context, built[part.name]), part.files, words) for part in one.parts if words}
    for suspect in doubtful:
        if all(suspect.words.isdisjoint(found[part.name]) for part in suspect.parts):
            yield unused(suspect)


def _words(template: Template, props: Props) -> tuple[str, ...]:
    """The options that a package was built with, as far as its template still has them."""
    known = template.raw.get("options", {})
    return tuple(option if on else f"~{option}" for option, on in props.options.items() if option in known)


def _offer(farm: Farm, props: Props) -> Offer:
    """What a built package gives to others."""
    needed = farm.run_depends(props.pkgver)
    source = props.source or str(props.pkgver)
    entries = farm.entries(props.pkgver)
    return offer(props.pkgver.name, entries, props.shlib_provides, props.rules.provides, needed, source)


def _parts(context: Context, farm: Farm, package: Package, built: Mapping[str, Props]) -> Iterator[Part]:
    """What came of the newest build of one template: the package, then the subpackages that it still has."""
    main = str(built[package.name].pkgver)
    declared: dict[str, tuple[tuple[Pattern, ...], Path]] = {package.name: (package.depends[Dep.RUN], (Dep.RUN.value,))}
    for name, body in package.raw.get("subpackages", {}).items():
        key: Path = ("subpackages", name, Dep.RUN.value)
        declared[name] = tuple(map(Pattern.parse, body.get(Dep.RUN.value, ()))), key
    for name, (depends, key) in declared.items():
        if name == package.name or (name in built and built[name].source == main):
            files = frozenset(e.path for e in farm.entries(built[name].pkgver) if e.kind is Kind.FILE)
            yield Part(name, needs(_folder(context, built[name]), files), files, depends, key)


def _folder(context: Context, props: Props) -> Folder:
    return context.masterdir.destdir(props.pkgver)


def _place(template: Template, finding: Finding) -> Span:
    """Where the template says, or would say, what a finding is about."""
    if finding.code.startswith(UNUSED) and len(finding.key) == 1:
        return template.span(*template.need(str(finding.key[0]), finding.provider))
    return template.span(*finding.key)


def _row(pkgver: PkgVer, finding: Finding, span: Span) -> dict[str, object]:
    return {
        "pkgver": pkgver,
        "code": finding.code,
        "place": span,
        "key": ".".join(map(str, finding.key)),
        "provider": finding.provider,
        "path": finding.path,
        "needs": finding.needs,
        "message": finding.message,
        "hint": finding.hint,
    }
