"""A trace says what the build of a key gave, and which files of a cache hold it; pure."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from xsrc.core.paths import CONTROLS
from xsrc.core.pkgver import PkgVer
from xsrc.repo.signed import SIGNATURE

FORMAT = 1
NAMESPACE = "xsrc-trace"
"""What the signature is for (ssh-keygen(1), -n)."""
LARGEST = 1 << 20
"""Bytes of a trace."""
TRACES, ARCHIVES = "trace", "file"
"""The two folders of a cache."""
_DIGEST = re.compile("[0-9a-f]{64}")
_MOST = 1 << 50
"""No size, time or memory is larger."""
_LONGEST = 200
"""Characters of a name."""


@dataclass(frozen=True)
class Piece:
    """One package of a build, and the file that holds its sealed destdir."""

    pkgver: PkgVer
    tree: str
    """The digest of the destdir."""
    sha256: str
    """That of the file."""
    size: int
    """Bytes of the file."""
    unpacked: int
    """Bytes of all files in it."""

    @property
    def path(self) -> str:
        """The place of the file in a cache."""
        return f"{ARCHIVES}/{self.sha256}.tar.zst"

    def table(self) -> dict[str, Any]:
        """The piece as a table for JSON."""
        sizes = {"size": self.size, "unpacked": self.unpacked}
        return {"pkgver": str(self.pkgver), "tree": self.tree, "sha256": self.sha256, **sizes}


@dataclass(frozen=True)
class Trace:
    """The result of one build, perhaps without a signature."""

    key: str
    base: str
    pieces: tuple[Piece, ...] = ()
    """The package itself, then its subpackages."""
    builder: str = ""
    """Who built it."""
    seconds: float = 0
    """How long that took; 0 if nobody knows."""
    peak: int = 0
    """The most memory that it took at one time, in bytes; 0 if nobody knows."""
    signature: bytes = b""

    @property
    def pkgver(self) -> PkgVer:
        """The package itself."""
        return self.pieces[0].pkgver

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(piece.size for piece in self.pieces)

    @property
    def digest(self) -> str:
        """What equal results have in common, whoever built them."""
        rows = sorted((str(piece.pkgver), piece.tree) for piece in self.pieces)
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:20]

    @property
    def text(self) -> bytes:
        """What is signed."""
        head = {"format": FORMAT, "key": self.key, "base": self.base, "pkgver": str(self.pkgver)}
        built = {"builder": self.builder, "seconds": self.seconds, "peak": self.peak}
        table = {**head, **built, "packages": [piece.table() for piece in self.pieces]}
        return (json.dumps(table, indent=2) + "\n").encode()

    def render(self) -> bytes:
        """The text of the file."""
        return self.text + self.signature

    @classmethod
    def parse(cls, data: bytes) -> Trace:
        """Read the output of `render`. Raises ValueError for anything else."""
        text, mark, rest = data.partition(SIGNATURE)
        try:
            raw = json.loads(text)
            if raw["format"] != FORMAT:
                raise ValueError(f"want format {FORMAT}, got {str(raw['format'])[:20]!a}")
            trace = cls(
                key=_digest(raw["key"]),
                base=_word(raw["base"]),
                pieces=tuple(_piece(row) for row in raw["packages"]),
                builder=_word(raw["builder"]),
                seconds=_number(raw["seconds"], int, float),
                peak=_number(raw["peak"], int),
                signature=mark + rest,
            )
            names = {piece.pkgver.name for piece in trace.pieces}
            if len(names) != len(trace.pieces) or trace.text != text:
                raise ValueError("it is not in the words of xsrc")
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(f"no trace: {error}") from error
        return trace


def _piece(row: Any) -> Piece:
    return Piece(
        PkgVer.parse(_word(row["pkgver"])),
        tree=_digest(row["tree"]),
        sha256=_digest(row["sha256"]),
        size=_number(row["size"], int),
        unpacked=_number(row["unpacked"], int),
    )


def _digest(value: Any) -> str:
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise ValueError(f"want 64 hex digits, got {str(value)[:80]!a}")
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or CONTROLS.search(value):
        raise ValueError(f"want a line of text, got {str(value)[:80]!a}")
    return value


def _number(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds or not (math.isfinite(value) and 0 <= value <= _MOST):
        raise ValueError(f"want a number, got {str(value)[:80]!a}")
    return value


def place(key: str) -> str:
    """The place of a trace in a cache."""
    return f"{TRACES}/{key}.json"


def aside(trace: Trace) -> str:
    """The place of a trace that differs from the first one of its key."""
    return f"{place(trace.key)}.other-{trace.digest}"


def unfit(trace: Trace, key: str, outputs: Iterable[PkgVer]) -> str:
    """Why a trace is not that of a build, "" if it is; `outputs` are the package and its subpackages."""
    if trace.key != key:
        return f"it is the trace of another key, {trace.key[:20]}…"
    if {piece.pkgver for piece in trace.pieces} != {*outputs}:
        return f"it names other packages: {', '.join(str(piece.pkgver) for piece in trace.pieces)}"
    return ""
