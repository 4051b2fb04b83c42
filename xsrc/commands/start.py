"""Begins a session: finds the tree, reads the settings, and judges whom all of it belongs to."""

from __future__ import annotations

import contextlib
from pathlib import Path

from xsrc.core.layout import Masterdir
from xsrc.core.session import Flags, Host, Session
from xsrc.core.settings import Settings
from xsrc.core.trust import Trust
from xsrc.core.ui import Ui
from xsrc.tree.disk.templates import find_tree
from xsrc.unix import trust
from xsrc.unix.privilege import become_builder, builder
from xsrc.unix.program import PROGRAM
from xsrc.unix.settings import own_settings, read_settings


def begin(host: Host, flags: Flags, ui: Ui) -> Session:
    """Find the tree, read the settings; as root, become the build user.

    Raises HostError for files that somebody else could have written, SettingsError for bad settings, and OSError.
    """
    own = own_settings(host.env, Trust.of(host.uid), ui.warn)
    safe = trust.safe_directories(own.safe, host.env)
    uids = (host.uid,) if host.uid else (0, builder().pw_uid)
    believed = Trust.of(*uids, safe=safe)
    found = find_tree(host.cwd, believed)
    mine = Settings().over(str(own.path), own.text)
    chosen = flags.masterdir or host.env.get("XSRC_MASTERDIR") or mine.masterdir
    root = (host.cwd / Path(chosen).expanduser()) if chosen else found.root / "masterdir"
    masterdir = Masterdir(Path(root).resolve())
    if host.uid == 0:
        shared = (Path(path) for path in (mine.srcdistdir, mine.basedir) if path)
        become_builder((found.root, PROGRAM), (masterdir.root, *shared))
    settings = read_settings(own, found, believed, ui.warn)
    session = Session(host, flags, ui, found, settings, masterdir, believed)
    check_masterdir(session)
    return session


def check_masterdir(session: Session) -> None:
    """Refuse a masterdir, its records, bases and distfiles if somebody else could write them.

    Raises HostError, and OSError for a directory that cannot be opened.
    """
    masterdir, believed = session.masterdir, session.believed
    trust.check_new("the masterdir", masterdir.root, believed)
    if masterdir.root.is_dir():
        trust.check_below("the masterdir's", masterdir.root, masterdir.tops, believed)
        with contextlib.suppress(FileNotFoundError):
            trust.check("the records of the masterdir", masterdir.db, believed)
    if session.settings.basedir:
        trust.check_new("basedir", session.bases, believed)
    if session.settings.srcdistdir:
        trust.check_shared("srcdistdir", session.srcdistdir, believed)
