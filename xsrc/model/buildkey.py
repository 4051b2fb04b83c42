"""The build key: the digest of all that can change a result and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

FORMAT = 1
"""Raised when xsrc itself builds differently from the same inputs."""


# json.dumps would make an encoder for each of tens of thousands of values
_written = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def preimage(parts: Mapping[str, Any]) -> str:
    """The canonical text of what a key is made of: JSON, sorted, one part a line."""
    return joined(written(parts))


def written(parts: Mapping[str, Any]) -> dict[str, str]:
    """The canonical text of each part."""
    return {part: _written(value) for part, value in parts.items()}


def joined(texts: Mapping[str, str]) -> str:
    """The pre-image whose parts have these texts."""
    rows = {"format": str(FORMAT), **texts}
    return "{\n" + ",\n".join([f'"{part}": {rows[part]}' for part in sorted(rows)]) + "\n}"


DEPENDS = "depends"
"""The part of a pre-image that is of others: for each direct need of the build a digest. All else is its own inputs."""


def difference(old: str, new: str) -> tuple[tuple[str, Any, Any], ...]:
    """Where two pre-images differ: dotted path, old and new value (None: none); everything if the old is unreadable.

    >>> difference('{"env": {"CC": "a"}, "arch": "x"}', '{"env": {"CC": "b"}, "arch": "x"}')
    (('env.CC', 'a', 'b'),)
    """
    try:
        before = json.loads(old)
    except ValueError:
        return (("everything", None, None),)
    return tuple(_differing(before, json.loads(new), ""))


def _differing(before: Any, after: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differing(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
    elif before != after:
        yield path, before, after


def digest(text: str) -> str:
    """The digest of a text, above all of the pre-image of inputs: 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_of(inputs: str, depends: Mapping[str, str]) -> str:
    """The key of a package: the digest of the digest of its inputs and of those of its needs.

    What is digested is their JSON, put together here: neither names nor digests hold anything that it would escape.
    """
    needs = ", ".join([f'"{name}": "{depends[name]}"' for name in sorted(depends)])
    return digest(f'["{inputs}", {{{needs}}}]')
