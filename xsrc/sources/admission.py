"""Decides which members of an archive may pass, and under which names; it reads and writes nothing."""

from __future__ import annotations

import tarfile
from pathlib import PurePosixPath

from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits

PATH_MAX = 4096
_LATEST = 253402300799
"""The last second of the year 9999: what other programs can read as a time."""


class Policy:
    """The members of an archive that may pass, and their names.

    The policy keeps only the hash of each name, 8 bytes: an archive may hold millions of names of 4 KiB. If two names
    had one hash, the policy would refuse an archive, or tar would report a link to a file that does not exist.
    """

    def __init__(self, archive: str, dest: str, strip: int, limits: Limits) -> None:
        self.archive, self.dest, self.strip, self.limits = archive, PurePosixPath(dest), strip, limits
        self.links: set[int] = set()
        self.names: set[int] = set()
        self.count = self.bytes = self.newest = 0

    def refuse(self, name: str, why: str) -> ArchiveError:
        """The error for a member that may not pass."""
        shown = name if len(name) < 200 else f"{name[:200]}…"
        return ArchiveError(
            f"{self.archive}: refused: member {shown!r} {why}",
            hint="nothing of it was used; look at the archive before you trust it",
        )

    def check_size(self, size: int) -> None:
        """Refuse an archive that unpacks to more than the limit. Raises ArchiveError."""
        if self.limits.unpacked_mib and size > self.limits.unpacked_mib << 20:
            raise self.beyond(f"it unpacks to more than {self.limits.unpacked_mib} MiB (limits.unpacked_mib)")

    def check_count(self, count: int) -> None:
        """Refuse an archive with more members than the limit. Raises ArchiveError."""
        if self.limits.unpacked_members and count > self.limits.unpacked_members:
            raise self.beyond(f"it holds more than {self.limits.unpacked_members} members (limits.unpacked_members)")

    def beyond(self, what: str) -> ArchiveError:
        return ArchiveError(
            f"{self.archive}: {what}",
            hint="look at the archive before you raise the limit in ~/.config/xsrc/config.toml: [limits]",
        )

    def stripped(self, name: str) -> str | None:
        """The member's path in the work directory, or None if strip leaves nothing of it.

        Raises ArchiveError for a name that is absolute, too long, or has `..` or a NUL.
        """
        if name.startswith("/"):
            raise self.refuse(name, "has an absolute name")
        if "\0" in name:
            raise self.refuse(name, "has a name with a NUL")
        if len(name) >= PATH_MAX:
            raise self.refuse(name, f"has a name of {len(name)} characters")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise self.refuse(name, "has .. in its name")
        parts = parts[self.strip :]
        return str(self.dest.joinpath(*parts)) if parts else None

    def admit(self, member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        """The member as it may be unpacked, or None if strip leaves nothing of it.

        Raises ArchiveError for a member that may not pass.
        """
        self.count += 1
        self.check_count(self.count)
        if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
            what = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a FIFO"}
            raise self.refuse(member.name, f"is {what.get(member.type, 'of an unknown type')}")
        if member.isreg():
            if member.size < 0:
                raise self.refuse(member.name, f"has a size of {member.size} bytes")
            self.bytes += member.size
            self.check_size(self.bytes)
        path = self.stripped(member.name)
        if path is None:
            return None
        self.check_way(member.name, path)
        clean = tarfile.TarInfo(path)
        clean.type = tarfile.REGTYPE if member.isreg() else member.type
        clean.mode = 0o755 if member.isdir() or member.mode & 0o111 else 0o644
        clean.mtime = _seconds(member.mtime)
        clean.size = member.size if member.isreg() else 0
        if member.issym():
            clean.linkname = self.target(member)
        elif member.islnk():
            clean.linkname = self.earlier(member)
        # what had the name before is gone, and the name means this from now on
        self.links.discard(hash(path))
        self.names.discard(hash(path))
        if member.issym():
            self.links.add(hash(path))
        elif not member.isdir():
            self.names.add(hash(path))
            self.newest = max(self.newest, clean.mtime)
        return clean

    def check_way(self, name: str, path: str) -> None:
        """Refuse a path that goes through a link of the archive. Raises ArchiveError."""
        up = path if self.links else ""
        while up := up.rpartition("/")[0]:
            if hash(up) in self.links:
                raise self.refuse(name, f"goes through the link {up!r}")

    def target(self, member: tarfile.TarInfo) -> str:
        """The text of a link. It may lead anywhere: only the build root follows it. Raises ArchiveError for no path."""
        if not 0 < len(member.linkname) < PATH_MAX or "\0" in member.linkname:
            raise self.refuse(member.name, f"is a link to {len(member.linkname)} characters that are no path")
        return member.linkname

    def earlier(self, member: tarfile.TarInfo) -> str:
        """The path of the earlier file that a hard link names. Raises ArchiveError if there is none."""
        target = self.stripped(member.linkname)
        if target is None or hash(target) not in self.names:
            raise self.refuse(member.name, f"is a hard link to {member.linkname[:200]!r}, which is no earlier member")
        self.check_way(member.name, target)
        return target


def _seconds(time: float) -> int:
    """A time that other programs can read."""
    return int(min(max(0, time), _LATEST)) if time == time else 0
