"""Keys of packages: digests of their own inputs and of the keys of everything that they need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from xsrc.core.dep import BUILD, Dep
from xsrc.tree.graph import Needing, Node


class Keyed(NamedTuple):
    """The key of a package, and its part from other packages: a digest for each direct need of its build."""

    key: str
    depends: Mapping[str, str]


def keyed(
    ordered: Iterable[tuple[Node, ...]], packages: Mapping[str, Needing], inputs: Callable[[str], str]
) -> dict[str, Keyed]:
    """The keys of all packages of `groups`, in build order; `inputs` returns the digest of a package's own inputs.

    A need counts with its own key and with the keys of everything that it needs to run. Each package of a cycle also
    has the inputs of the others in its key.
    """
    result: dict[str, Keyed] = {}
    reach: dict[str, str] = {}
    for group in ordered:
        built = [name for name, usable in group if not usable]
        usable = [name for name, usable in group if usable]
        others = {n: key_of(inputs(n), {}) for n in sorted(built)} if len(group) > 1 else {}
        for name in built:
            depends = {need: reach[need] for need in packages[name].needs(*BUILD) if need in reach} | others
            result[name] = Keyed(key_of(inputs(name), depends), depends)
        if usable:
            parts = {name: result[name].key for name in usable if name in result}
            for name in usable:
                parts |= {need: reach[need] for need in packages[name].needs(Dep.RUN) if need in reach}
            digest = next(iter(parts.values())) if len(parts) == 1 else key_of("", parts)
            reach.update(dict.fromkeys(usable, digest))
    return result


FORMAT = 1
"""Increase this number when xsrc itself builds differently from the same inputs."""
# json.dumps would make an encoder for each of tens of thousands of values
_written = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def preimage(parts: Mapping[str, Any]) -> str:
    """The canonical text of the parts of a key: JSON, sorted, one part a line."""
    return joined(written(parts))


def written(parts: Mapping[str, Any]) -> dict[str, str]:
    """The canonical text of each part."""
    return {part: _written(value) for part, value in parts.items()}


def joined(texts: Mapping[str, str]) -> str:
    """The pre-image whose parts have these texts."""
    rows = {"format": str(FORMAT), **texts}
    return "{\n" + ",\n".join([f'"{part}": {rows[part]}' for part in sorted(rows)]) + "\n}"


DEPENDS = "depends"
"""The part of a pre-image from other packages: a digest for each direct need of the build."""


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

    The digest is of their JSON, which is put together here: names and digests have no characters to escape.
    """
    needs = ", ".join([f'"{name}": "{depends[name]}"' for name in sorted(depends)])
    return digest(f'["{inputs}", {{{needs}}}]')
