"""Hides the users and passwords of URLs in what people see. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

_LONGEST = 512
"""Characters that a user and a password are looked for in: a line of a template may have a million."""
_END = re.compile(r"\s")
_AUTHORITY = re.compile(r"[^/?#]*")


def redacted(text: str) -> str:
    """A text whose URLs have no user and no password.

    >>> redacted("from https://me:secret@example.org/a and http://b.org/@c")
    'from https://example.org/a and http://b.org/@c'
    """
    return _replaced(text, lambda secret: "")


def masked(text: str) -> str:
    """A text of the same length whose URLs have stars in place of their users and passwords.

    >>> masked('url = "ftp://me:secret@example.org/a"')
    'url = "ftp://*********@example.org/a"'
    """
    return _replaced(text, lambda secret: f"{'*' * (len(secret) - 1)}@")


def _replaced(text: str, other: Callable[[str], str]) -> str:
    pieces, done = [], 0
    while (begin := text.find("://", done) + 3) > 2:
        near = text.find("@", begin, begin + _LONGEST) >= 0
        end = begin + _secret(text[begin : begin + _LONGEST]) if near else begin
        pieces += [text[done:begin], other(text[begin:end]) if end > begin else ""]
        done = end
    return "".join((*pieces, text[done:]))


def _secret(text: str) -> int:
    """How many characters of what follows :// are a user and a password, the @ after them included."""
    word = _END.split(text, maxsplit=1)[0]
    hit = _AUTHORITY.match(word)
    authority = hit[0] if hit is not None else ""
    if "@" in authority:
        return authority.rindex("@") + 1
    # somebody may have written a / in a password as it is, but digits after a colon are the number of a service
    service = authority.partition(":")[2]
    return word.find("@") + 1 if service.strip("0123456789") else 0
