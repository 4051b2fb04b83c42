"""The build key: the digest of all that can change a result and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

FORMAT = 1
"""Raised when xsrc itself builds differently from the same inputs."""


def preimage(parts: Mapping[str, Any]) -> str:
    """The canonical text of what a key is made of: JSON, sorted, one part a line."""
    rows = {"format": FORMAT, **parts}
    lines = (f"{json.dumps(key)}: {json.dumps(rows[key], sort_keys=True, ensure_ascii=False)}" for key in sorted(rows))
    return "{\n" + ",\n".join(lines) + "\n}"


def difference(old: str, new: str) -> tuple[str, ...]:
    """Where two pre-images differ, as dotted paths, in order; "everything" when the old one cannot be read.

    >>> difference('{"env": {"CC": "a"}, "arch": "x"}', '{"env": {"CC": "b"}, "arch": "x"}')
    ('env.CC',)
    """
    try:
        before = json.loads(old)
    except ValueError:
        return ("everything",)
    return tuple(_differing(before, json.loads(new), ""))


def _differing(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differing(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
    elif before != after:
        yield path


def digest(text: str) -> str:
    """The key of a pre-image: 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()
