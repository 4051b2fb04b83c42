"""Changes single values in the text of a template; all the rest of the text stays as it is."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping

from xsrc.core.spans import places


def bumped(text: str, version: str) -> str:
    """The text of a template for another version, with revision 1.

    >>> bumped('version = "1"  # of May\\nrevision = 3\\n', "2")
    'version = "2"  # of May\\nrevision = 1\\n'
    """
    return _with(_with(text, "version", json.dumps(version)), "revision", "1")


def revised(text: str) -> str:
    """The text of a template with its revision raised by one.

    >>> revised("revision = 3\\n")
    'revision = 4\\n'
    """
    return _with(text, "revision", str(tomllib.loads(text)["revision"] + 1))


def _with(text: str, key: str, value: str) -> str:
    """The text with another value of a key at its top."""
    text = text.replace("\r\n", "\n")
    start, end = places(text)[(key, "=")]
    return text[:start] + value + text[end:]


def with_sums(text: str, sums: Mapping[str, str]) -> str:
    """The text with other checksums: each of `sums` takes the place of the one that it is found by.

    >>> with_sums('sha256 = "aa"  # aa', {"aa": "bb"})
    'sha256 = "bb"  # aa'
    """
    return re.sub(
        r"""(sha256\s*=\s*)(["'])(.*?)\2""",
        lambda found: f"{found[1]}{found[2]}{sums.get(found[3].lower(), found[3])}{found[2]}",
        text,
    )
