"""Plans the removal of conf files that packages left behind because their users had changed them; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from xsrc.farm.place import LEFT_OUT, MADE, NEW, Act, Class, Conf, FileType, Found, Op, Placed
from xsrc.farm.stow import AWAY
from xsrc.farm.ways import closed, is_dark
from xsrc.farm.wishes import above
from xsrc.store.merge import Conflict


def left_behind(conf: Mapping[str, Conf], placed: Collection[str]) -> dict[str, list[str]]:
    """By name, the conf files that a package left behind; `placed` are the paths that stowed packages have."""
    found: dict[str, list[str]] = {}
    for path in sorted(conf):
        if path not in placed and conf[path].owner:
            found.setdefault(conf[path].owner, []).append(path)
    return found


@dataclass(frozen=True)
class PurgePlan:
    """Operations, conflicts, the records to forget, and the checksums of files to keep until the change is done."""

    ops: tuple[Op, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    conf: Mapping[str, None] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)
    """By path, the checksum."""


def watched_by_purge(paths: Iterable[str]) -> frozenset[str]:
    """The paths whose state a plan needs."""
    files = {each for path in paths for each in (path, path + NEW)}
    return frozenset(files | above(files))


def plan_purge(files: Mapping[str, str], placed: Collection[str], disk: Mapping[str, Found]) -> PurgePlan:
    """The plan to remove conf files, what was put beside them as `.new`, and directories that are nobody's then.

    `files` has the name of the package that left each; `placed` are the paths that stowed packages have.
    """
    ops: list[Op] = []
    copies: dict[str, str] = {}
    dark = [path for path in sorted(above(files)) if path in disk and is_dark(disk[path])]
    bad = [closed(path, min(files.values()), disk[path]) for path in dark]
    for path, name in sorted({**files, **{path + NEW: name for path, name in files.items()}}.items()):
        found = disk.get(path)
        if found is None or path in placed:
            continue
        if found.mount:
            bad.append(Conflict(path, name, "", "something is mounted there", cure="umount {}"))
            continue
        if found.kind is FileType.LINK:
            was = Placed(path, "", Class.POINTER, found.text)
        elif found.kind is FileType.FILE and found.text != "unreadable":
            was = Placed(path, "", Class.COPY, found.text, found.mode & 0o7777, f"{MADE}/{found.text}")
            copies[path] = found.text
        else:
            why = "cannot be read" if found.kind is FileType.FILE else f"a {found.kind} is in its place"
            bad.append(Conflict(path, name, "", why, cure=AWAY))
            continue
        ops.append(Op(Act.REMOVE, was, was))
    for folder in sorted(above(op.placed.path for op in ops), reverse=True):
        if folder not in placed and "/" in folder and folder not in LEFT_OUT:
            was = Placed(folder, "", Class.DIR, mode=disk[folder].mode if folder in disk else 0o755)
            ops.append(Op(Act.RMDIR, was, was))
    return PurgePlan(tuple(ops), tuple(bad), dict.fromkeys(sorted(files)), copies)
