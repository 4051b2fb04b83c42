"""The two lists of a sealed destdir as it travels, and a check of what a cache alone states in them; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from xsrc.core.pkgver import Pattern
from xsrc.store.manifest import Manifest, Props, tree_digest

_COMMIT = re.compile(r"(?:[0-9a-f]{40,64}\+?)?")


@dataclass(frozen=True)
class SealedLists:
    """Both lists of a sealed destdir."""

    props: Props
    record: bytes
    """The text of props.plist."""
    listed: bytes
    """The text of files.plist."""

    @classmethod
    def parse(cls, record: bytes, listed: bytes) -> SealedLists:
        """Read the texts of both lists. Raises ValueError for a bad record."""
        return cls(Props.parse(record), record, listed)

    @cached_property
    def manifest(self) -> Manifest:
        """The list of files. Raises ValueError for a bad one."""
        return Manifest.parse(self.listed)

    @cached_property
    def tree(self) -> str:
        """The digest of the destdir."""
        return tree_digest(self.props, self.listed)


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
