"""Checks what the record of a build can only say on its own word: what was in its build root, and its commit; pure."""

from __future__ import annotations

import re

from xsrc.core.pkgver import Pattern
from xsrc.store.manifest import Props

_COMMIT = re.compile(r"(?:[0-9a-f]{40,64}\+?)?")


def unsound(props: Props) -> str:
    """Why no build could have written such a record, "" if one could."""
    texts = (*props.run_depends, *props.shlib_requires, props.commit)
    if not all(isinstance(text, str) for text in texts):
        return "its needs are no texts"
    if _COMMIT.fullmatch(props.commit) is None:
        return f"it was built from no commit: {props.commit[:80]!a}"
    try:
        for text in props.run_depends:
            Pattern.parse(text)
    except ValueError as error:
        return f"its needs: {error}"
    return ""
