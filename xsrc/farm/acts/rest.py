"""Opens the farm for commands that only look at it: first a change that was cut off is finished or undone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from xsrc.core.errors import HostError
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import farm_to_read, is_made, open_farm, tell_missing
from xsrc.farm.disk.database import Farm


@contextlib.contextmanager
def farm_at_rest(session: Session) -> Iterator[Farm]:
    """Open the database to read it, as `farm_to_read` does; no change is half done, or the user is warned of it.

    A masterdir that is not there, or whose database is lost, reads as empty, and the user is told. Raises HostError.
    """
    tell_missing(session)
    with farm_to_read(session.masterdir) as farm:
        if farm.begun() is None:
            yield farm
            return
    settle(session)
    with farm_to_read(session.masterdir) as farm:
        yield farm


def settle(session: Session) -> str:
    """Finish or undo a change that was cut off; return the command of a change that is still under way, "" for none.

    Another command may be at it, or the disk may not allow it: then the user is warned. Raises HostError for a
    database that cannot be used.
    """
    if not is_made(session.masterdir):
        return ""
    with farm_to_read(session.masterdir) as farm:
        change = farm.begun()
    if change is None:
        return ""
    why = "another command is at it"
    if not os.access(session.masterdir.db, os.W_OK):
        why = f"{session.masterdir.db} cannot be written"
    else:
        # imported here: nearly always there is no such change
        from xsrc.farm.acts.commit import recover
        from xsrc.unix.lock import locked

        try:
            with locked(session.masterdir.farm_lock, "xsrc", session.ui.note, wait=False) as waited:
                if waited is not None:
                    with open_farm(session) as farm:
                        recover(session, farm)
                        return ""
        except HostError as error:
            why = error.message
    session.ui.warn(f"the root is in the middle of a change ({change.why}): {why}")
    return change.why
