"""`xsrc check-deps`: compares the needs of the files of built packages with their templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from plumbum import cli

from xsrc.build.acts.check import findings, offer_of, option_words, parts_of
from xsrc.build.declared import (
    UNDECLARED,
    UNUSED,
    Declared,
    NeedFinding,
    Offers,
)
from xsrc.commands.verb import SOME_NAMES, WithBase, WithJson
from xsrc.commands.words import choose_version, not_built, select
from xsrc.core.dep import Dep
from xsrc.core.errors import Diagnostic, Span
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.farm.disk.database import Farm
from xsrc.store.manifest import Props
from xsrc.tree.acts.closure import package_of
from xsrc.tree.disk.templates import load
from xsrc.tree.template import Template


class CheckDeps(WithJson, WithBase):
    """Compare the needs of the files of built packages with the declared ones; exit code 1 if they differ"""

    takes = SOME_NAMES
    example = "check-deps dash"
    more = "selectors"

    every = cli.Flag(["--all"], help="all that are built")

    def go(self, session: Session) -> int:
        every = self.every or (not self.given and session.here() is None)
        chosen, loose = select(session, self.given, "check-deps", every=every)
        rows: list[dict[str, object]] = []
        unbuilt = 0
        with farm_at_rest(session) as farm:
            names = {PkgVer.parse(text).name for text in farm.built()}
            chosen_of = {name: choose_version(session.tree, farm, name) for name in sorted(names)}
            built = {name: props for name, pkgver in chosen_of.items() if (props := farm.props(pkgver))}
            offers = {name: offer_of(farm, props) for name, props in built.items()}
            for name in chosen:
                template = load(session.tree, name)
                if name in built:
                    rows += self._check(session, farm, template, built, offers)
                elif name in loose:
                    unbuilt += 1
                else:
                    raise not_built(session.tree, farm, name)
        if self.json:
            session.ui.json(rows)
        if unbuilt:
            session.ui.note(f"{unbuilt} not built, so not looked at")
        elif not rows:
            session.ui.note("the files of the built packages need what their templates declare")
        return 1 if rows else 0

    def _check(
        self, session: Session, farm: Farm, template: Template, built: Mapping[str, Props], offers: Offers
    ) -> Iterator[dict[str, object]]:
        """Report the findings of one template; return a row for each finding without a reason for an exception."""
        props = built[template.name]
        package = package_of(session, template, {template.name: option_words(template, props)})
        reasons = dict(package.raw.get("lint", {}).get("ignore", {}))
        if package.pkgver != props.pkgver:
            session.ui.note(f"{props.pkgver} is what is built; its template is now {package.pkgver}")
        one = Declared(tuple(parts_of(session.masterdir, farm, package, built)), package.depends[Dep.LIB])
        for finding in findings(session, farm, one, built, offers):
            if reason := reasons.pop(finding.code, None):
                session.ui.note(f"{props.pkgver}: {finding.code}, for: {reason}")
                continue
            said = Diagnostic(_place(template, finding), finding.message, finding.hint)
            if not self.json:
                for line in said.render():
                    session.ui.output(line)
            yield _row(props.pkgver, finding, said.span)
        for code in reasons:
            if code.startswith((f"{UNDECLARED}-", f"{UNUSED}-")):
                session.ui.note(f"{props.pkgver}: remove {code} from [lint] ignore: it is found no more")


def _place(template: Template, finding: NeedFinding) -> Span:
    """The place in the template that a finding is about."""
    if finding.code.startswith(UNUSED) and len(finding.key) == 1:
        return template.span(*template.need(str(finding.key[0]), finding.provider))
    return template.span(*finding.key)


def _row(pkgver: PkgVer, finding: NeedFinding, span: Span) -> dict[str, object]:
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
