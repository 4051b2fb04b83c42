"""Says what the beginning of a file looks like, for the error about a file that is not the wanted one."""

from __future__ import annotations

import html
import re

HEAD = 4096
"""Bytes of a file that are looked at."""

_MAGIC = (
    (b"\x1f\x8b", "gzip data"),
    (b"\xfd7zXZ\0", "xz data"),
    (b"BZh", "bzip2 data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"LZIP", "lzip data"),
    (b"PK\3\4", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"!<arch>\n", "an ar archive or a Debian package"),
    (b"\x7fELF", "an ELF file"),
    (b"%PDF-", "a PDF document"),
    (b"-----BEGIN PGP", "a PGP signature"),
    (b"version https://git-lfs", "a pointer of Git LFS"),
)
_PAGE = re.compile(rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title)\b", re.I | re.S)
_TITLE = re.compile(r"<title\b[^>]*>(.*?)</title", re.I | re.S)
_CONTROLS = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def page(head: bytes) -> str | None:
    """The title of a page of HTML, "" if it has none, or None if `head` does not begin one.

    >>> page(b"<!DOCTYPE html><html><head><title>Sign\\n in &amp; go</title>")
    'Sign in & go'
    >>> page(b"PK") is None
    True
    """
    if not _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")):
        return None
    hit = _TITLE.search(head.decode(errors="replace"))
    return " ".join(html.unescape(hit[1]).split())[:80] if hit else ""


def looks(head: bytes) -> str:
    """What a file with this beginning looks like.

    >>> looks(b"PK\\3\\4..."), looks(b""), looks(b"<html><title>Gone</title>")
    ('a zip archive', 'an empty file', 'a page of HTML ("Gone")')
    """
    if not head:
        return "an empty file"
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    if head[257:262] == b"ustar":
        return "a tar archive"
    if (title := page(head)) is not None:
        return f'a page of HTML ("{title}")' if title else "a page of HTML"
    return "data of no known form" if _CONTROLS.search(head) else "text"
