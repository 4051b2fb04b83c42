"""The outlines of the whole tree as this command sees it: for this machine, with these settings."""

from __future__ import annotations

from collections.abc import Iterable

from xsrc.base.acts.choose import chosen_machine
from xsrc.build.acts.ground import ground
from xsrc.core.session import Session
from xsrc.tree.acts.closure import index_of, package_of
from xsrc.tree.disk.index import Outlines
from xsrc.tree.outline import Outline


def outlines(session: Session) -> Outlines:
    """Every template's outline, made on demand; new ones are stored with the index.

    Options of the command line do not apply here, because they are for single packages. Looking up an outline raises
    TemplateError for a bad template; this raises as `ground` and `index_of` do.
    """
    same = ground(session)
    identity = f"{same.identity()} {chosen_machine(session)}"
    return index_of(session).outlines(identity, lambda template: package_of(session, template, {}), same.inputs)


def outlines_with(session: Session, first: Iterable[str]) -> dict[str, Outline]:
    """All outlines of the tree, read at once; those of `first` are read before the others.

    Raises TemplateError for a bad template among them, and as `outlines` does.
    """
    with index_of(session):
        found = outlines(session)
        return {name: found[name] for name in (*first, *found)}
