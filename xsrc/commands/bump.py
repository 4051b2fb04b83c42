"""`xsrc sum`, `xsrc bump` and `xsrc revbump`: checksums, versions and revisions of templates."""

from __future__ import annotations

from plumbum import cli

from xsrc.author.acts.sums import with_new_sums
from xsrc.author.acts.templates import rewrite, templates_of
from xsrc.author.edit import bumped, revised
from xsrc.commands.verb import NAMES, Takes, Verb
from xsrc.commands.words import names_in_tree
from xsrc.core.errors import UsageError
from xsrc.core.session import Session
from xsrc.tree.acts.closure import homes_of
from xsrc.tree.disk.templates import load
from xsrc.tree.graph import dependents
from xsrc.tree.template import parse


class Sum(Verb):
    """Fetch the distfiles of templates from every address, and write their checksums into the templates

    The addresses of one distfile must send the same file. Look at a new file before you trust it.
    """

    takes = NAMES
    example = "sum dash"

    def go(self, session: Session) -> int:
        for template in templates_of(session.tree, names_in_tree(session, self.given, "sum")):
            text = with_new_sums(session, template)
            if text == template.text:
                session.ui.note(f"{template.name}: its checksums are right")
            else:
                rewrite(session, template, text)
        return 0


class Bump(Verb):
    """Set a template to another version: revision 1, and the checksums of its new distfiles

    The template changes only if every distfile could be fetched.
    """

    takes = Takes("NAME VERSION", 2)
    example = "bump dash 0.5.13"

    def go(self, session: Session) -> int:
        if len(self.given) != 2:
            raise UsageError("bump: want a name and a version", hint="xsrc bump NAME VERSION")
        name, version = self.given
        template = load(session.tree, name)
        if template.raw["version"] == version:
            raise UsageError(f"{template.name}: the version is {version} already", hint=f"xsrc revbump {name}")
        if any("commit" in one for one in template.raw.get("distfiles", ())):
            hint = f"set it and the version in {template.file}, then xsrc sum {name}"
            raise UsageError(f"{template.name}: it names a commit, which no version tells", hint=hint)
        next_one = parse(template.name, bumped(template.text, version), template.file, template.patches, template.files)
        rewrite(session, template, with_new_sums(session, next_one))
        session.ui.note(
            f"{template.name}: {template.raw['version']} is {version} now; next: xsrc build {template.name}"
        )
        return 0


class Revbump(Verb):
    """Raise the revision of templates by one: their packages are to be built and installed anew"""

    takes = NAMES
    example = "revbump --needed-by openssl"

    needed_by = cli.SwitchAttr(["--needed-by"], str, argname="NAME", help="and of all templates that need NAME")

    def go(self, session: Session) -> int:
        given = names_in_tree(session, self.given, "revbump") if self.given or not self.needed_by else ()
        given += _needing(session, self.needed_by) if self.needed_by else ()
        if not given:
            session.ui.note(f"no template needs {self.needed_by}: nothing to do")
            return 0
        for template in templates_of(session.tree, given):
            rewrite(session, template, revised(template.text))
        return 0


def _needing(session: Session, name: str) -> tuple[str, ...]:
    """The packages of the tree that need one directly. Raises UsageError for an unknown name."""
    from xsrc.build.acts.outlines import outlines_with  # only this looks at the whole tree

    (home,) = homes_of(session.tree, (name,))
    return dependents(home, outlines_with(session, (home,)))
