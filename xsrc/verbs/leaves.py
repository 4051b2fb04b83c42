"""The leaves of the whole tree as this command sees it: for this machine, with these settings."""

from __future__ import annotations

from xsrc.effects.index import Leaves
from xsrc.verbs.context import Context
from xsrc.verbs.world import world


def leaves(context: Context) -> Leaves:
    """Every template's leaf, made when it is asked for; what is new is stored with the index.

    Options of the command line are not in force here: they are of single packages.
    """
    same = world(context)
    identity = f"{same.identity()} {context.machine}"
    return context.index.leaves(identity, lambda template: context.package(template, {}), same.inputs)
