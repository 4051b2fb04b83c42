"""Unpacks a sealed destdir of a cache: it must be, member by member, what its own list of files says."""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits
from xsrc.repo.sealed import SealedLists, unsound
from xsrc.sources.admission import ArchiveMember, Policy
from xsrc.sources.disk.archives import admitted, read_whole
from xsrc.sources.disk.distdir import OpenFile
from xsrc.store.manifest import FILES, PROPS, Entry, Kind, Manifest
from xsrc.unix.files import Below

_LARGEST = 256 << 20
"""Bytes of one of its lists."""
_CHUNK = 1 << 18
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def unpack(archive: OpenFile, tree: str, folder: Path, limits: Limits) -> SealedLists:
    """Unpack a destdir with this digest into an empty folder that only this user can reach.

    Files have their modes, set-id bits too, and their times, as before sealing. Raises ArchiveError for anything that
    differs from the list of files, and for whatever no archive may hold. Raises OSError if the disk refuses.
    """
    with read_whole(archive):
        members = admitted(archive, Policy(archive.name, "", 0, limits))
        record, listed = (_list(archive, members, name) for name in (PROPS, FILES))
        lists = _lists(archive, record, listed, tree)
        with Below(folder) as at:
            _Filler(archive, at, members).fill(lists.manifest)
        for member, _ in members:
            raise _refused(archive, f"{member.name!a} is not in its list of files")
    return lists


def _refused(archive: OpenFile, why: str) -> ArchiveError:
    return ArchiveError(f"{archive.name}: refused: {why}", hint="nothing of it was used; look at the cache")


def _lists(archive: OpenFile, record: bytes, listed: bytes, tree: str) -> SealedLists:
    """Both lists, which must be what this xsrc would write. Raises ArchiveError and ValueError."""
    try:
        lists = SealedLists.parse(record, listed)
        props = lists.props
        own = props.render() == record and lists.manifest.render(props.rules.conf_files) == listed
        digest = lists.tree
        why = unsound(props)
    except (TypeError, AttributeError, OverflowError, RecursionError) as error:  # a number where a table should be
        raise _refused(archive, f"its record: {error}") from error
    if not own:
        why = "its lists are not in the words of this xsrc"
    elif digest != tree:
        why = f"want the tree {tree[:20]}…, got another one"
    if why:
        raise _refused(archive, why)
    return lists


def _list(archive: OpenFile, members: Iterator[ArchiveMember], name: str) -> bytes:
    """One of the two lists, which come first."""
    member, data = next(members, (tarfile.TarInfo(), None))
    if data is None or member.name != name or member.size > _LARGEST:
        raise _refused(archive, f"want {name} first, got {member.name!a}")
    return data.read()


class _Filler:
    """Writes the files of one archive below an open folder."""

    def __init__(self, archive: OpenFile, at: Below, members: Iterator[ArchiveMember]) -> None:
        self.archive, self.at, self.members = archive, at, members
        self.firsts: dict[int, str] = {}
        """The first path of each file with several names."""

    def fill(self, manifest: Manifest) -> None:
        """Write all entries. Raises ArchiveError for the first one that the archive does not have next, and OSError."""
        folders = []
        for entry in manifest.entries:
            member, data = next(self.members, (tarfile.TarInfo(), None))
            try:
                if member.name != entry.path or not self.write(entry, member, data):
                    raise _refused(self.archive, f"want /{entry.path} as its list of files has it, got {member.name!a}")
            except (FileExistsError, FileNotFoundError, NotADirectoryError) as error:
                raise _refused(self.archive, f"/{entry.path} has no place of its own") from error
            if entry.kind is Kind.DIR:
                folders.append((entry, int(member.mtime)))
        for entry, time in reversed(folders):  # what is in a folder comes before its time, and a mode that closes it
            parent, name = self.at.place(entry.path)
            os.chmod(name, entry.mode, dir_fd=parent)
            os.utime(name, (time, time), dir_fd=parent, follow_symlinks=False)

    def write(self, entry: Entry, member: tarfile.TarInfo, data: IO[bytes] | None) -> bool:
        """Write one entry; return whether the member is the entry. Raises OSError."""
        parent, name = self.at.place(entry.path)
        time = int(member.mtime)
        match entry.kind:
            case Kind.DIR:
                os.mkdir(name, 0o700, dir_fd=parent)
                return member.isdir()
            case Kind.LINK:
                if not member.issym() or member.linkname != entry.target:
                    return False
                os.symlink(entry.target, name, dir_fd=parent)
                os.utime(name, (time, time), dir_fd=parent, follow_symlinks=False)
                return True
        first = self.firsts.setdefault(entry.inode, entry.path) if entry.inode else entry.path
        if first != entry.path:
            if not member.islnk() or member.linkname != first:
                return False
            # no folder of the way is a link: `place` has made every one of them
            os.link(self.at.root / first, name, dst_dir_fd=parent, follow_symlinks=False)
            return True
        return data is not None and self.file(entry, time, data, os.open(name, _NEW, 0o600, dir_fd=parent))

    def file(self, entry: Entry, time: int, data: IO[bytes], descriptor: int) -> bool:
        """Write the content of a file; return whether it is that of the entry. Raises OSError."""
        digest, size = hashlib.sha256(), 0
        with os.fdopen(descriptor, "wb") as file:
            while piece := data.read(_CHUNK):
                digest.update(piece)
                size += len(piece)
                file.write(piece)
            file.flush()
            os.fchmod(descriptor, entry.mode)
            os.utime(descriptor, (time, time))
        return (size, digest.hexdigest()) == (entry.size, entry.sha256)
