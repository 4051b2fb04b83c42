"""Makes the masterdir, opens the database of its farm, and describes the sandbox of the stowed root."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from xsrc.base.acts.choose import chosen_base
from xsrc.core.errors import HostError, UsageError
from xsrc.core.layout import DESTDIRS, Masterdir, Tree
from xsrc.core.session import Session
from xsrc.unix import trust
from xsrc.unix.lock import locked_folder

if TYPE_CHECKING:
    from xsrc.farm.disk.database import Farm
    from xsrc.sandbox.sandbox import Sandbox


def is_made(masterdir: Masterdir) -> bool:
    """Whether there is a masterdir yet."""
    return masterdir.farm.exists()


def is_lost(masterdir: Masterdir) -> bool:
    """Whether there are builds, and no database that knows them."""
    if is_made(masterdir):
        return False
    try:
        return any(os.scandir(masterdir.destdirs))
    except OSError:
        return False


def what_is_lost(masterdir: Masterdir) -> str:
    """What a user has to know of a masterdir whose database is lost."""
    return f"{masterdir.farm} is lost: {masterdir.destdirs} holds builds that nothing knows of"


REPAIR = "xsrc verify --repair"
"""What makes a lost database again."""


def want_masterdir(masterdir: Masterdir) -> None:
    """Raise UsageError if there is no masterdir, and HostError if its database is lost or reached through a link."""
    refuse_links(masterdir)
    if is_lost(masterdir):
        raise HostError(what_is_lost(masterdir), hint=REPAIR)
    if not is_made(masterdir):
        hint = "xsrc build NAME makes one; -m DIR names another"
        raise UsageError(f"there is no masterdir at {masterdir.root}", hint=hint)


def tell_missing(session: Session) -> bool:
    """Whether there is no masterdir that can be read; if so, tell the user."""
    masterdir = session.masterdir
    if is_made(masterdir):
        return False
    if is_lost(masterdir):
        session.ui.warn(f"{what_is_lost(masterdir)}: {REPAIR}")
    else:
        session.ui.note(f"there is no masterdir at {masterdir.root} yet")
    return True


def make_masterdir(session: Session) -> None:
    """Make the masterdir from the skeleton if it is missing. Raises HostError, and TemplateError for a bad skeleton.

    Raises HostError, too, if its database is lost: an empty one would hide that.
    """
    root = session.masterdir.root
    if is_made(session.masterdir):
        refuse_links(session.masterdir)
        return
    if is_lost(session.masterdir):
        raise HostError(what_is_lost(session.masterdir), hint=REPAIR)
    try:
        root.mkdir(mode=0o755, parents=True, exist_ok=True)
        trust.check("the masterdir", root, session.believed)  # another user may have made it meanwhile
        with locked_folder(root):
            if not is_made(session.masterdir):  # another process may have made it meanwhile
                _fill(session.masterdir, session.tree)
    except OSError as error:
        raise HostError(
            f"cannot make the masterdir {root}: {error.strerror}: {error.filename}",
            hint="choose a place of your own with -m DIR or XSRC_MASTERDIR",
        ) from error


def refuse_links(masterdir: Masterdir) -> None:
    """Raise HostError if the database and the files beside it are reached through a link: the farm follows none."""
    for place in (masterdir.db.parent, masterdir.db):
        if place.is_symlink():
            raise HostError(
                f"{place}: want a directory, found a link",
                hint="no link is followed there: move all of it (-m DIR), or mount --bind the other one",
            )


def _fill(masterdir: Masterdir, tree: Tree) -> None:
    from xsrc.farm.disk.database import opened
    from xsrc.sandbox.disk.skeleton import copy_skeleton
    from xsrc.unix.users import add_user, user_name

    root = masterdir.root
    names = {path.name for path in root.iterdir()} - {masterdir.srcdistdir.name}  # distfiles may have been kept
    if names and not (root / DESTDIRS).is_dir():
        raise HostError(f"{root} is no masterdir, and not empty", hint="choose an empty or a new folder with -m")
    copy_skeleton(tree, root)
    add_user(root / "etc", user_name(), "/root")
    masterdir.db.mkdir(parents=True, exist_ok=True)
    # last, for it is what tells that there is a masterdir; under another name until it is whole
    new = masterdir.farm.with_suffix(".new")
    with opened(new, new=True):
        pass
    new.rename(masterdir.farm)


@contextlib.contextmanager
def open_farm(session: Session) -> Iterator[Farm]:
    """Open the database of the farm; make the masterdir if it is missing. Raises as `make_masterdir`."""
    from xsrc.farm.disk.database import opened

    make_masterdir(session)
    with opened(session.masterdir.farm) as farm:
        yield farm


@contextlib.contextmanager
def farm_to_read(masterdir: Masterdir) -> Iterator[Farm]:
    """Open the database to read it: an empty one if there is no masterdir yet. Raises HostError.

    If possible, open it for writing, because SQLite itself may have to finish an interrupted transaction.
    """
    from xsrc.farm.disk.database import opened

    path, made = masterdir.farm, is_made(masterdir)
    refuse_links(masterdir)
    read = made and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
    with opened(path if made else Path(":memory:"), read=read, new=not made) as farm:
        yield farm


def stowed_root(
    session: Session, env: Mapping[str, str], directory: str, *, writable: bool = False, out: Path | None = None
) -> Sandbox:
    """Return the sandbox of the stowed root; make the masterdir and missing mount points.

    With `writable`, programs inside can write the user's directories of the root; else only /tmp and `out`.
    Raises HostError, and UsageError for a base that is ambiguous.
    Raises TemplateError as `make_masterdir` and ConflictError as `chosen_base`.
    """
    from xsrc.sandbox import roots

    make_masterdir(session)
    masterdir, base = session.masterdir, chosen_base(session)
    root = masterdir.root
    try:
        for place in (*(root / inside for inside in base.binds), masterdir.nothing):
            place.mkdir(parents=True, exist_ok=True)
        present = frozenset(entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False))
    except OSError as error:
        raise HostError(
            f"{error.filename}: want a directory to mount on: {error.strerror}", hint=f"ls -ld {error.filename}"
        ) from error
    alone = roots.modules(str(path.relative_to(root)) for path in root.glob("usr/lib/*/encodings"))
    mounts = roots.stowed_mounts(masterdir, base, alone, present, writable=writable, out=out)
    return roots.stowed_root(root, mounts, env, directory, session.settings.tmp_mib)
