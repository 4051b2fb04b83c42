"""Whom xsrc believes: which owner and which mode a file or directory may have before xsrc uses it. Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

ROOT = 0
EVERY = "*"
"""The word among the safe directories that means all of them."""


@dataclass(frozen=True)
class Seen:
    """What an open file or directory shows of who may write it."""

    uid: int
    mode: int
    """st_mode, with the type."""
    private: bool = False
    """Whether the group that it belongs to is its owner's own and has no other member."""
    acl: bool = False
    """Whether an access control list names further users or groups."""


@dataclass(frozen=True)
class Trust:
    """The owners that one command believes, and the directories that its user vouches for."""

    uids: frozenset[int]
    safe: tuple[str, ...] = ()
    """Absolute paths without links; each covers all that is below it."""

    @classmethod
    def of(cls, *uids: int, safe: Iterable[str] = ()) -> Trust:
        """Believe root and the users of `uids`."""
        return cls(frozenset((ROOT, *uids)), tuple(safe))

    def vouched(self, path: PurePath) -> bool:
        """Whether the user vouches for a path, or for a directory that it is in.

        >>> Trust.of(7, safe=["/srv/team"]).vouched(PurePath("/srv/team/xsrc"))
        True
        >>> Trust.of(7, safe=["/srv/team"]).vouched(PurePath("/srv/teams"))
        False
        """
        return any(word == EVERY or path.is_relative_to(word) for word in self.safe)

    def writer(self, seen: Seen, *, on_the_way: bool = False) -> str | None:
        """Who else could change what was seen: "owner", "others" or "group"; None where nobody else can.

        A directory that is only `on_the_way` to something may be sticky, as /tmp is: there, users can rename only
        their own files (inode(7)).

        >>> Trust.of(7).writer(Seen(7, 0o40775)), Trust.of(7).writer(Seen(7, 0o40775, private=True))
        ('group', None)
        >>> Trust.of(7).writer(Seen(0, 0o41777), on_the_way=True), Trust.of(7).writer(Seen(0, 0o41777))
        (None, 'others')
        """
        if seen.uid not in self.uids:
            return "owner"
        if on_the_way and stat.S_ISDIR(seen.mode) and seen.mode & stat.S_ISVTX:
            return None
        if seen.mode & stat.S_IWOTH:
            return "others"
        # the group bits of a file with an access control list are its mask: what any named user may have at most
        return "group" if seen.mode & stat.S_IWGRP and (seen.acl or not seen.private) else None
