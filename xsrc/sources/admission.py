"""Decides which members of an archive may pass, and under which names; it reads and writes nothing."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits

ArchiveMember = tuple[tarfile.TarInfo, IO[bytes] | None]
"""A member of an archive; of a file, with its content."""

PATH_MAX = 4096
_LATEST = 253402300799
"""The last second of the year 9999: what other programs can read as a time."""
_LATEST_EPOCH = (1 << 32) - 1
"""The last second that gzip and others can write. A file that claims to be newer says nothing of its release."""
_SHOWN = 20
"""Names that an error lists."""
_LATER = 4 << 20
"""Characters in the names of hard links whose files come later; they are held in memory."""
_LABEL, _REST = b"V", b"M"
"""GNU tar's types of a volume's name, and of the rest of a file that begins in the volume before."""
_OTHERS = {
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a FIFO",
    _REST: "the rest of a file in another volume: join the volumes first",
}


class Policy:
    """The members of an archive that may pass, and their names.

    The policy keeps only the hash of each name, 8 bytes: an archive may hold millions of names of 4 KiB. If two names
    had one hash, the policy would refuse an archive, or tar would report a link to a file that does not exist.
    """

    def __init__(self, archive: str, dest: str, strip: int, limits: Limits) -> None:
        self.archive, self.dest, self.strip, self.limits = archive, PurePosixPath(dest), strip, limits
        self.links: set[int] = set()
        self.names: set[int] = set()
        self.later: dict[str, tuple[tarfile.TarInfo, tarfile.TarInfo]] = {}
        """Hard links whose target is not there yet, by path: as the archive has them, and as they may be unpacked."""
        self.waiting = 0
        """Characters of their names."""
        self.tops: dict[str, None] = {}
        """What `strip` takes away: folders with files in them, with a slash, and files of which nothing is left."""
        self.count = self.bytes = self.newest = 0
        self.notes: dict[str, None] = {}
        """What a person should hear of an archive that passes."""

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

    def parts(self, name: str) -> list[str]:
        """The parts of a member's name.

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
        return parts

    def stripped(self, parts: list[str]) -> str | None:
        """The member's path in the work directory, or None if strip leaves nothing of it."""
        parts = parts[self.strip :]
        return str(self.dest.joinpath(*parts)) if parts else None

    def admit(self, member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        """The member as it may be unpacked, or None if strip leaves nothing of it, or if `late` returns it.

        Raises ArchiveError for a member that may not pass.
        """
        self.count += 1
        self.check_count(self.count)
        if member.type == _LABEL:
            return None
        folder = member.isdir() or (member.isreg() and member.name.endswith("/"))  # as old tars write folders
        if not (member.isreg() or folder or member.issym() or member.islnk()):
            raise self.refuse(member.name, f"is {_OTHERS.get(member.type, 'of an unknown type')}")
        if member.isreg() and not folder:
            if member.size < 0:
                raise self.refuse(member.name, f"has a size of {member.size} bytes")
            self.bytes += member.size
            self.check_size(self.bytes)
        parts = self.parts(member.name)
        if not folder:
            self.check_top(parts)
        path = self.stripped(parts)
        if path is None:
            return None
        self.check_way(member.name, path)
        clean = tarfile.TarInfo(path)
        clean.type = tarfile.DIRTYPE if folder else tarfile.REGTYPE if member.isreg() else member.type
        clean.mode = 0o755 if folder or member.mode & 0o111 else 0o644
        clean.mtime = _seconds(member.mtime)
        clean.size = member.size if clean.isreg() else 0
        if member.issym():
            clean.linkname = self.target(member)
        elif member.islnk():
            clean.linkname = self.linked(member)
        # what had the name before is gone, and the name means this from now on
        self.later.pop(path, None)
        if member.islnk() and not self.known(clean.linkname):
            self.postpone(member, clean)
            return None
        self.record(clean)
        return clean

    def record(self, clean: tarfile.TarInfo) -> None:
        """Remember what the name of a member that passes means."""
        path = hash(clean.name)
        self.names.discard(path)
        linked = clean.issym() or (clean.islnk() and hash(clean.linkname) in self.links)
        (self.links.add if linked else self.links.discard)(path)
        if not linked and not clean.isdir():
            self.names.add(path)
            if clean.mtime <= _LATEST_EPOCH:
                self.newest = max(self.newest, int(clean.mtime))

    def check_top(self, parts: list[str]) -> None:
        """Note what `strip` takes from the name of a file or link. Raises ArchiveError for far too many."""
        self.tops["/".join(parts[: self.strip]) + "/" * (len(parts) > self.strip)] = None
        if len(self.tops) > _SHOWN:
            raise self.overlaid()

    def dropped(self) -> bool:
        """Whether `strip` leaves nothing of the name of a file."""
        return not all(top.endswith("/") for top in self.tops)

    def overlaid(self) -> ArchiveError:
        """The error for an archive of which `strip` would leave out files, or lay some over others."""
        folder = next((top[:-1] for top in self.tops if top.endswith("/")), "")
        what = "it would leave out files or lay some over others" if folder else "no file is left"
        hint = f'also build_wrksrc = "{folder}" if the sources are in it' if folder else "or create_wrksrc = true"
        return ArchiveError(
            f"{self.archive}: {what} after strip = {self.strip}: it begins with {', '.join(sorted(self.tops))}",
            hint=f"set strip = 0 in its [[distfiles]], {hint}",
        )

    def known(self, path: str) -> bool:
        """Whether a path is that of a file or link which has passed."""
        return hash(path) in self.names or hash(path) in self.links

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

    def linked(self, member: tarfile.TarInfo) -> str:
        """The path that a hard link names. Raises ArchiveError if strip leaves nothing of it, and as `parts`."""
        target = self.stripped(self.parts(member.linkname))
        if target is None:
            raise self.overlaid() if self.dropped() else self.no_link(member)
        self.check_way(member.name, target)
        return target

    def no_link(self, member: tarfile.TarInfo) -> ArchiveError:
        """The error for a hard link to what is neither a file nor a link."""
        what = f"is a hard link to {member.linkname[:200]!r}, which is no earlier member and no later one"
        return self.refuse(member.name, what)

    def postpone(self, member: tarfile.TarInfo, clean: tarfile.TarInfo) -> None:
        """Keep a hard link whose target may come later. Raises ArchiveError if they are too many to be held."""
        self.later[clean.name] = member, clean
        self.waiting += len(member.name) + len(member.linkname) + len(clean.name) + len(clean.linkname)
        if self.waiting > _LATER:
            raise self.beyond(f"its hard links to later members have names of more than {_LATER >> 20} MiB")

    def late(self) -> Iterator[tarfile.TarInfo]:
        """The hard links that came before their targets, in an order in which they can be made.

        To be called after the last member. Raises ArchiveError for a link without a target, and if strip would leave
        out files or lay some over others.
        """
        wanted: dict[str, list[tuple[tarfile.TarInfo, tarfile.TarInfo]]] = {}
        for member, clean in self.later.values():
            wanted.setdefault(clean.linkname, []).append((member, clean))
        ready = [target for target in wanted if self.known(target)]
        while ready:
            for member, clean in wanted.pop(ready.pop()):
                self.check_way(member.name, clean.name)
                self.check_way(member.name, clean.linkname)
                self.record(clean)
                yield clean
                if clean.name in wanted:
                    ready.append(clean.name)
        for (member, _), *_more in wanted.values():
            raise self.no_link(member)
        if len(self.tops) > 1 or self.dropped():
            raise self.overlaid()


def _seconds(time: float) -> int:
    """A time that other programs can read."""
    return int(min(max(0, time), _LATEST)) if time == time else 0
