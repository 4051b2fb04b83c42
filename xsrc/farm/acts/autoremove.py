"""Takes out of the stowed root what only came because something needed it, and what nothing needs any more."""

from __future__ import annotations

from xsrc.core.session import Session
from xsrc.farm.acts.requests import StowOptions, change_to, remaining
from xsrc.farm.disk.candidates import KnownBuilds
from xsrc.farm.disk.database import Farm
from xsrc.farm.orphans import unneeded
from xsrc.farm.place import Change


def find_unneeded(farm: Farm) -> tuple[str, ...]:
    """The stowed packages that nothing needs which somebody asked for; not those that are held or protected."""
    stowed = farm.stowed()
    asked = {name for name, (_, mark) in stowed.items() if mark}
    if len(asked) == len(stowed):
        return ()
    known = KnownBuilds(farm)
    protected = {member.name for member in farm.ruled() if member.rules.protect}
    return unneeded(known, known.stowed(), asked | protected | farm.held())


def autoremove(session: Session, farm: Farm, how: StowOptions) -> Change:
    """Take out what nothing needs; the caller holds the lock of the farm. Raises as `change_to` does."""
    target = remaining(farm, KnownBuilds(farm).stowed(), find_unneeded(farm))
    change, _ = change_to(session, farm, target, "autoremove", how)
    return change
