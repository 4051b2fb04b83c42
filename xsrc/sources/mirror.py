"""The layout of a mirror of distfiles: plain files by checksum, which any web server can serve."""

from __future__ import annotations

from xsrc.sources.distfile import Distfile

FOLDER = "sha256"
"""The folder of a mirror in which each file has its checksum as its name."""


def at(mirror: str, distfile: Distfile) -> str:
    """The address of a distfile in a mirror.

    >>> at("https://example.org/src/", Distfile((), "12ab", "a.tar"))
    'https://example.org/src/sha256/12ab'
    """
    return f"{mirror.rstrip('/')}/{FOLDER}/{distfile.sha256}"
