"""Begins a session: finds the tree, reads the settings, and judges whom all of it belongs to."""

from __future__ import annotations

import contextlib
from pathlib import Path

from xsrc.core.errors import Diagnostic, SettingsError
from xsrc.core.layout import Masterdir, Tree
from xsrc.core.schema import nearest
from xsrc.core.session import Flags, Host, Session
from xsrc.core.settings import Settings
from xsrc.core.trust import Trust
from xsrc.core.ui import Ui
from xsrc.tree.disk.templates import find_tree, names
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
    refuse_unknown(settings, found)
    session = Session(host, flags, ui, found, settings, masterdir, believed)
    check_masterdir(session)
    if not host.cwd.is_relative_to(found.root):
        ui.note(f"using the tree {found.root}")
    return session


def refuse_unknown(settings: Settings, tree: Tree) -> None:
    """Raise SettingsError, at their places, for options of packages that the tree does not have."""
    unknown = (name for name in settings.options if not tree.template(name).is_file())
    problems = [
        Diagnostic(settings.places[name], f"options.{name}: no template {name!r}", nearest(name, names(tree)))
        for name in unknown
    ]
    if problems:
        raise SettingsError(problems)


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
