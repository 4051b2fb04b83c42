"""`xsrc distclean`: removes what can be fetched or made again, and what nothing refers to any more."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from xsrc.build.disk import conditions
from xsrc.commands.verb import WithPlan
from xsrc.core.layout import Tree
from xsrc.core.session import Session
from xsrc.core.ui import counted
from xsrc.farm.acts.collect import refuse_while_building
from xsrc.farm.acts.commit import farm_locked
from xsrc.farm.acts.masterdir import is_lost, tell_missing
from xsrc.farm.disk.database import Farm
from xsrc.store.disk import shelf
from xsrc.tree.disk.templates import names
from xsrc.unix.trees import remove_tree

_SHORT = 16
"""Characters of a checksum in the name of its distfile's folder."""


class DistClean(WithPlan):
    """Remove distfiles that no template names, work directories, and logs of what is not built

    Distfiles in a srcdistdir of the settings stay: others may share it. Builds stay too: xsrc gc removes old ones.
    """

    example = "distclean -n  # lists what would go"
    more = "settings"

    def go(self, session: Session) -> int:
        if not is_lost(session.masterdir) and tell_missing(session):
            return 0
        with farm_locked(session, "distclean") as farm:
            refuse_while_building(session.masterdir, "distclean")
            found = list(remains(session, farm))
            sizes = {path: shelf.size(path) for path in found}
            for path in found:
                if self.plan_only:
                    session.ui.output(f"{sizes[path] >> 10:>8} KiB  {path}")
                else:
                    remove_tree(path)
        if found and not self.plan_only:
            freed = sum(sizes.values())
            session.ui.note(f"{counted(len(found), 'folder')} removed, {freed >> 20} MiB ({freed} bytes) freed")
        return 0


def remains(session: Session, farm: Farm) -> Iterator[Path]:
    """The folders to remove: of distfiles, of work, of logs. Raises OSError."""
    masterdir = session.masterdir
    if session.settings.srcdistdir:
        session.ui.note(f"{session.srcdistdir}: left alone, others may share it")
    elif masterdir.srcdistdir.is_dir():
        known = checksums(session.tree)
        yield from (path for path in _folders(masterdir.srcdistdir) if path.name not in known)
    for path in _folders(masterdir.builddir):
        yield from conditions.places(path)
    built = set(map(str, farm.in_place()))
    yield from (path for path in _folders(masterdir.db / "logs") if path.name not in built)


def _folders(top: Path) -> list[Path]:
    """The folders in a folder, but for hidden ones, in order; none if it is not there."""
    try:
        with os.scandir(top) as found:
            return sorted(Path(one) for one in found if one.name[0] != "." and one.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def checksums(tree: Tree) -> frozenset[str]:
    """The beginnings of all checksums in the tree, also of distfiles that only other machines or options want."""
    found: set[str] = set()
    for name in names(tree):
        text = tree.template(name).read_text(encoding="utf-8", errors="replace")
        found.update(digest[:_SHORT].lower() for digest in re.findall(r"\b[0-9A-Fa-f]{64}\b", text))
    return frozenset(found)
