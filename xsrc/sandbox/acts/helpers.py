"""The helpers of a session, and the cgroup that its phases are limited in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from xsrc.core.session import Session

if TYPE_CHECKING:
    from xsrc.sandbox.disk.helpers import Helpers


def helpers_of(session: Session) -> Helpers:
    """The helpers; it reports once why they cannot use the better mode. Raises HostError if none can be used."""
    helpers, new = _found(tuple(sorted(session.host.env.items())))
    if new:
        new.clear()
        if helpers.note:
            session.ui.note(f"note: using a user namespace: {helpers.note}")
    return helpers


@cache
def _found(env: tuple[tuple[str, str], ...]) -> tuple[Helpers, list[bool]]:
    """The helpers, and whether this is the first call."""
    from xsrc.sandbox.disk.helpers import find_helpers

    return find_helpers(dict(env)), [True]


def prepare(session: Session) -> None:
    """Find the helpers and the cgroup now: processes that are forked later know them. Raises as both do."""
    helpers_of(session)
    cgroups()


@cache
def cgroups() -> Path | None:
    """The folder in which to make cgroups for phases, if any; builds in them need no rlimits.

    Raises OSError without /proc.
    """
    from xsrc.sandbox.disk.cgroup import settle

    return settle()
