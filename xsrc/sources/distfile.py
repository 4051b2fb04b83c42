"""What a distfile is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Distfile:
    """An upstream archive: addresses in the order in which they are tried, and the checksum that all must meet."""

    url: tuple[str, ...]
    sha256: str
    name: str
    extract: bool = True
    dest: str = ""
    strip: int = 1
    inner: str = ""
    """The archive inside the archive to unpack; empty for the whole."""
    commit: str = ""
    """The commit of a git repository that the archive is made of; its addresses are in `url`."""
