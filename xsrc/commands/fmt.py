"""`xsrc fmt`: templates in the one form that all of them have."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from plumbum import cli

from xsrc.author.acts.templates import rewrite, templates_of
from xsrc.author.fmt import formatted
from xsrc.commands.verb import SOME_NAMES, Verb
from xsrc.commands.words import names_in_tree
from xsrc.core.session import Session
from xsrc.tree.template import Template


class Fmt(Verb):
    """Order the keys of templates and write them in the one form that all have; values and comments stay

    Without a name, all templates of the tree.
    """

    takes = SOME_NAMES
    example = "fmt --check"

    check = cli.Flag(["--check"], help="write nothing; print what would change, and exit with 1 if anything would")

    def go(self, session: Session) -> int:
        seen = changed = 0
        given = names_in_tree(session, self.given, "fmt") if self.given else ()
        for template in templates_of(session.tree, given):
            seen += 1
            text = formatted(template.text)
            if text == template.text:
                continue
            changed += 1
            if self.check:
                for line in _difference(template, text):
                    session.ui.output(line)
            else:
                rewrite(session, template, text)
        words = "would change" if self.check else "changed"
        session.ui.note(f"{changed} of {seen} {words}")
        return 1 if changed and self.check else 0


def _difference(template: Template, text: str) -> Iterator[str]:
    """The lines of a diff."""
    old, new = template.text.splitlines(), text.splitlines()
    yield from difflib.unified_diff(old, new, template.file, template.file, lineterm="")
