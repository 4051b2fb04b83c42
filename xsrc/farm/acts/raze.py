"""Removes a whole masterdir: the stowed root, all builds, distfiles, bases and records."""

from __future__ import annotations

import os
from pathlib import Path

from xsrc.core.errors import ConflictError, HostError, XsrcError
from xsrc.core.layout import Masterdir, Tree
from xsrc.core.session import Session
from xsrc.farm.acts.collect import refuse_while_building
from xsrc.farm.acts.masterdir import is_made, refuse_links
from xsrc.farm.disk.survey import mounts
from xsrc.unix.lock import locked
from xsrc.unix.program import PROGRAM
from xsrc.unix.trees import remove_tree


def refuse_no_masterdir(masterdir: Masterdir, tree: Tree) -> None:
    """Raise ConflictError if a folder is no masterdir, or holds what cannot be part of one.

    Raises HostError if its records are reached through a link, and OSError.
    """
    root = masterdir.root
    refuse_links(masterdir)
    there = is_made(masterdir) or (masterdir.destdirs.is_dir() and masterdir.db.is_dir())
    if not there or masterdir.destdirs.is_symlink() or masterdir.db.parents[1].is_symlink():
        raise ConflictError(f"{root} is no masterdir; nothing was removed", hint="-m DIR names another one")
    for place in (tree.root, PROGRAM):
        if place.resolve().is_relative_to(root):
            raise ConflictError(f"{place} is in {root}; nothing was removed", hint="move it away first")
    if found := sorted(mounts(root)):
        lines = [f"  /{path}" for path in found]
        hint = f"umount {root / found[-1]}"
        raise ConflictError(f"something is mounted in {root}; nothing was removed", detail=lines, hint=hint)


def raze(session: Session, *, keep_distfiles: bool = False) -> None:
    """Remove a masterdir, whatever the modes in it are; no link is followed, and no file's mode changes.

    Its records go last, so that the same command removes the rest of what could not be removed at once. Raises
    ConflictError as `refuse_no_masterdir` does, and while a command is at work in it; HostError for what cannot be
    removed.
    """
    masterdir = session.masterdir
    refuse_no_masterdir(masterdir, session.tree)
    root = masterdir.root
    busy = f"another command is at work in {root}; nothing was removed"
    with locked(masterdir.farm_lock, "xsrc clean --masterdir", session.ui.note, wait=False) as waited:
        if waited is None:
            raise ConflictError(busy, hint="xsrc clean --masterdir again, once it is done")
        refuse_while_building(masterdir, "clean --masterdir")
        try:
            _remove(masterdir, root, keep_distfiles=keep_distfiles)
        except (OSError, XsrcError) as error:
            where = error.filename if isinstance(error, OSError) else root
            why = error.strerror if isinstance(error, OSError) else error.message
            hint = f"ls -ld {where}; then xsrc clean --masterdir again"
            raise HostError(f"{where}: {why}; some of the masterdir is left", hint=hint) from error


def _remove(masterdir: Masterdir, root: Path, *, keep_distfiles: bool) -> None:
    """Remove what is in a masterdir, what tells that it is one last; then the folder itself."""
    kept = {masterdir.srcdistdir.name} if keep_distfiles else set()
    here = root
    for part in masterdir.db.relative_to(root).parts:
        for name in sorted(os.listdir(here)):
            if name != part and not (here == root and name in kept):
                remove_tree(here / name)
        here /= part
    remove_tree(root / masterdir.db.relative_to(root).parts[0])
    if not os.listdir(root) and not os.path.ismount(root):
        root.rmdir()
