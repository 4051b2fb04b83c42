"""`xsrc fmt`: templates in the one form that all of them have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from plumbum import cli

from xsrc.author.fmt import formatted
from xsrc.commands.verb import SOME_NAMES, Verb
from xsrc.core.errors import UsageError
from xsrc.core.layout import Tree
from xsrc.core.session import Session
from xsrc.tree.acts.closure import homes_of
from xsrc.tree.disk.templates import load, names
from xsrc.tree.template import Template
from xsrc.unix import files


class Fmt(Verb):
    """Order the keys of templates and write them in the one form that all have; values and comments stay

    Without a name, all templates of the tree.
    """

    takes = SOME_NAMES
    example = "fmt --check"

    check = cli.Flag(["--check"], help="write nothing; print what would change, and exit with 1 if anything would")

    def go(self, session: Session) -> int:
        changed = 0
        for template in named_templates(session.tree, self.given):
            text = formatted(template.text)
            if text == template.text:
                continue
            changed += 1
            if self.check:
                for line in _difference(template, text):
                    session.ui.output(line)
            else:
                write(session, template, text)
        words = "would change" if self.check else "changed"
        session.ui.note(f"{changed} of {len(self.given) or len(names(session.tree))} {words}")
        return 1 if changed and self.check else 0


def named_templates(tree: Tree, given: Iterable[str]) -> Iterator[Template]:
    """The templates of names, or all. Raises UsageError for an unknown name, TemplateError for a bad template."""
    for name in homes_of(tree, given) or names(tree):
        yield load(tree, name)


def _difference(template: Template, text: str) -> Iterator[str]:
    """The lines of a diff."""
    old, new = template.text.splitlines(), text.splitlines()
    yield from difflib.unified_diff(old, new, template.file, template.file, lineterm="")


def write(session: Session, template: Template, text: str) -> None:
    """Put another text in the place of a template's. Raises UsageError if it was changed meanwhile, OSError."""
    if load(session.tree, template.name).text != template.text:
        raise UsageError(f"{template.file} was changed meanwhile: it stays as it is", hint="try again")
    files.replace(session.tree.template(template.name), text.encode())
    session.ui.note(f"{template.file}: changed")
