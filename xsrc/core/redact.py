"""Hides the users and passwords of URLs in what people see. Pure."""

from __future__ import annotations

import re

_USER = re.compile(r"(://)(?:[^/?#\s]*|[^/?#@\s]*:[^/?#@\s]*[^/?#@\s0-9][^@\s]*)@")


def redacted(text: str) -> str:
    """A text whose URLs have no user and no password.

    >>> redacted("from https://me:secret@example.org/a and http://b.org/@c")
    'from https://example.org/a and http://b.org/@c'
    """
    return _USER.sub(r"\1", text)


def masked(text: str) -> str:
    """A text of the same length whose URLs have stars in place of their users and passwords.

    >>> masked('url = "ftp://me:secret@example.org/a"')
    'url = "ftp://*********@example.org/a"'
    """
    return _USER.sub(lambda hit: f"{hit[1]}{'*' * (len(hit[0]) - len(hit[1]) - 1)}@", text)
