"""Makes a destdir read-only, with times that say nothing of the day of its build; never follows a link."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from xsrc.core.errors import BuildFailed
from xsrc.store.manifest import Entry, Kind
from xsrc.unix.files import Below
from xsrc.unix.walk import Item, Walk, changed, held

BEYOND = "it is a hard link to something outside of the package"


def seal(destdir: Path, epoch: int) -> None:
    """Make a destdir read-only and give every file in it a time not later than `epoch` (seconds).

    Remove setuid and setgid bits, ACLs and attributes. The directory itself stays writable to its owner until `close`
    is called, because rename(2) can move only a writable directory. Raises BuildFailed, before it changes anything, if
    a file also has a name outside of the destdir; and OSError.
    """
    links = Links()
    with Walk(destdir) as at:
        for item in at.items():
            links.see(item)
    if beyond := links.beyond():
        raise BuildFailed(f"{destdir}/{beyond[0]!a}: {BEYOND}")
    with Walk(destdir) as at:
        for item in at.items():
            if stat.S_ISDIR(item.status.st_mode) and item.name != ".":
                continue  # a directory comes last, as `.`: after that, not even its owner can change what it holds
            with held(item.name, item.parent) as (thing, status):
                if not links.knows(status):
                    raise changed(at.path(item.name))
                if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                    give_mode(thing, status.st_mode & 0o555)
                when = min(int(status.st_mtime), epoch)
                os.utime(thing, (when, when))
        with held(".", at.here) as (thing, _):
            give_mode(thing, 0o755)


def seal_again(destdir: Path, entries: Iterable[Entry]) -> int:
    """Give the files and directories of a sealed destdir back the modes of its manifest; return how many had others.

    Leave alone what is missing or is of another kind. Raises OSError.
    """
    kinds = {Kind.DIR: stat.S_ISDIR, Kind.FILE: stat.S_ISREG}
    count = 0
    with Below(destdir) as below:
        for entry in sorted(entries):  # a directory comes before what it holds
            if entry.kind not in kinds:
                continue
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                parent, name = below.place(entry.path)
                with held(name, parent) as (thing, status):
                    if kinds[entry.kind](status.st_mode) and stat.S_IMODE(status.st_mode) != entry.mode & 0o555:
                        give_mode(thing, entry.mode & 0o555)
                        count += 1
    return count


def give_mode(thing: str, mode: int) -> None:
    """Give a file or directory this mode; remove its ACLs and the attributes that a user can set. Raises OSError."""
    names: list[str] = []
    with contextlib.suppress(OSError):  # a file system without attributes
        names = [name for name in os.listxattr(thing) if name.startswith(("user.", "system.posix_acl_"))]
    if names:
        os.chmod(thing, 0o700)  # only who can write to a file can take attributes from it (xattr(7))
        for name in names:
            os.removexattr(thing, name)
    os.chmod(thing, mode)


class Links:
    """Files with several names: to change one that also has a name outside of the tree changes things outside."""

    def __init__(self) -> None:
        self.missing: dict[tuple[int, int], int] = {}
        self.paths: dict[tuple[int, int], str] = {}

    def see(self, item: Item) -> None:
        """Count one name."""
        status = item.status
        if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
            inode = status.st_dev, status.st_ino
            self.missing[inode] = self.missing.get(inode, status.st_nlink) - 1
            self.paths.setdefault(inode, item.path)

    def beyond(self) -> list[str]:
        """A path of each file that has names elsewhere, when all of the tree was seen."""
        return [self.paths[inode] for inode, missing in self.missing.items() if missing > 0]

    def knows(self, status: os.stat_result) -> bool:
        """Whether this file has one name only, or several that were seen."""
        alone = status.st_nlink <= 1 or stat.S_ISDIR(status.st_mode)
        return alone or (status.st_dev, status.st_ino) in self.missing
