"""Reads the templates that a command is about, and writes their new texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from xsrc.core.errors import UsageError
from xsrc.core.layout import Tree
from xsrc.core.session import Session
from xsrc.tree.acts.closure import homes_of
from xsrc.tree.disk.templates import load, names
from xsrc.tree.template import Template
from xsrc.unix import files


def templates_of(tree: Tree, given: Iterable[str]) -> Iterator[Template]:
    """The templates of packages, or all. Raises UsageError for an unknown name, TemplateError for a bad template."""
    for name in homes_of(tree, given) or names(tree):
        yield load(tree, name)


def rewrite(session: Session, template: Template, text: str) -> None:
    """Put another text in the place of a template's. Raises UsageError if it was changed meanwhile, OSError."""
    if load(session.tree, template.name).text != template.text:
        raise UsageError(f"{template.file} was changed meanwhile: it stays as it is", hint="try again")
    files.replace(session.tree.template(template.name), text.encode())
    session.ui.note(f"{template.file}: changed")
