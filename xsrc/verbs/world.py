"""What decides how packages are built, whichever they are."""

from __future__ import annotations

from xsrc.effects.tree import tidy_text
from xsrc.plan.jobs import World
from xsrc.verbs.context import Context


def world(context: Context) -> World:
    """What is the same for every package that this command may build."""
    return World(context.styles, tidy_text(), context.settings, context.base, context.arch)
