"""xsrc's own index of a repository: a line of JSON for each package, below a header that is signed with them; pure.

The version of the header only grows, and it ends at a time: so nobody can pass an old index off as the present one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

FORMAT = 1
NAMESPACE = "xsrc-index"
"""What the signature is for (ssh-keygen(1), -n)."""
SIGNATURE = b"-----BEGIN SSH SIGNATURE-----\n"
"""How a signature begins."""
_KEPT = {
    "pkgver": "pkgver",
    "key": "build-key",
    "base": "build-base",
    "source": "source-revisions",
    "sha256": "filename-sha256",
    "size": "filename-size",
    "installed_size": "installed_size",
    "needs": "run_depends",
    "requires": "shlib-requires",
    "provides": "shlib-provides",
}


@dataclass(frozen=True)
class SignedIndex:
    """The index, perhaps without a signature yet."""

    arch: str
    version: int = 0
    expires: str = ""
    """Until when it counts, in UTC; "" before it is signed."""
    lines: Mapping[str, str] = field(default_factory=dict)
    signature: bytes = b""

    @property
    def text(self) -> bytes:
        """What is signed."""
        head = {"format": FORMAT, "arch": self.arch, "version": self.version, "expires": self.expires}
        rows = [json.dumps(head), *(self.lines[name] for name in sorted(self.lines))]
        return ("\n".join(rows) + "\n").encode()

    def render(self) -> bytes:
        """The text of the file."""
        return self.text + self.signature

    @classmethod
    def parse(cls, data: bytes) -> SignedIndex:
        """Read the output of `render`. Raises ValueError for anything else."""
        text, mark, signature = data.partition(SIGNATURE)
        first, *rows = text.decode().splitlines()
        head = json.loads(first)
        if not isinstance(head, dict) or head.get("format") != FORMAT or not isinstance(head.get("version"), int):
            raise ValueError(f"want the index of a repository, format {FORMAT}")
        lines = {json.loads(row[len('{"name": ') : row.index(", ")]): row for row in rows}
        return cls(str(head["arch"]), head["version"], str(head["expires"]), lines, mark + signature)

    def grown(self, lines: Mapping[str, str], expires: str = "") -> SignedIndex:
        """The next version, with these packages, which nobody has signed yet."""
        return replace(self, version=self.version + 1, lines=lines, expires=expires, signature=b"")


def line_of(name: str, entry: Mapping[str, Any], tree: str) -> str:
    """The line of a package; `tree` is the digest of its list of files."""
    kept = {key: entry[other] for key, other in _KEPT.items() if other in entry}
    return json.dumps({"name": name, "tree": tree, **kept})


def stale(index: SignedIndex, now: str, seen: int = 0) -> str:
    """Why a client must refuse an index, "" if it may use it; `seen` is the newest version that it knows.

    >>> stale(SignedIndex("x86_64", 3, "2026-01-01T00:00:00Z"), "2026-02-01T00:00:00Z")
    'it ended at 2026-01-01T00:00:00Z: somebody may hold newer ones back'
    """
    if not index.signature or not index.expires:
        return "it is not signed"
    if index.expires < now:
        return f"it ended at {index.expires}: somebody may hold newer ones back"
    if index.version < seen:
        return f"it is version {index.version}, and version {seen} was seen before"
    return ""
