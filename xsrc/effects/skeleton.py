"""What every masterdir begins with: the directories, links and files of masterdir-skel/."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from xsrc.model.layout import Tree
from xsrc.model.manifest import Entry, Kind

_MARKER = ".keep"


def skeleton(tree: Tree) -> dict[str, Entry]:
    """What masterdir-skel/ holds, by path, each directory before what is in it."""
    top = tree.root / "masterdir-skel"
    entries: dict[str, Entry] = {}
    for folder, directories, files in os.walk(top):
        for name in sorted((*directories, *files)):
            source = Path(folder, name)
            path = str(source.relative_to(top))
            if source.is_symlink():
                entries[path] = Entry(path, Kind.LINK, 0o777, target=str(source.readlink()))
            elif source.is_dir():
                entries[path] = Entry(path, Kind.DIR)
            elif name != _MARKER:
                entries[path] = Entry(path, Kind.FILE, 0o644, sha256=hashlib.sha256(source.read_bytes()).hexdigest())
    return entries


def copy_skeleton(tree: Tree, target: Path) -> None:
    """Make the directories, links and files of masterdir-skel/ below `target`; what is there stays as it is."""
    target.mkdir(mode=0o755, exist_ok=True)
    for path, entry in skeleton(tree).items():
        made = target / path
        match entry.kind:
            case Kind.DIR:
                made.mkdir(mode=0o755, exist_ok=True)
            case Kind.LINK:
                if not made.is_symlink():
                    made.symlink_to(entry.target)
            case Kind.FILE:
                if not made.exists():
                    shutil.copyfile(tree.root / "masterdir-skel" / path, made)
                    made.chmod(0o644)
