"""Writes TOML. The library's own writer loses or damages backslashes and control characters, so strings are ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dumps(table: Mapping[str, Any]) -> str:
    r"""The text of a table, whatever its strings contain.

    >>> dumps({"a": "\\x41 \x01\n\x7f"})
    'a = "\\\\x41 \\u0001\\n\\u007f"\n'
    """
    import toml  # files are written seldom, and read by every command

    encoder: toml.TomlEncoder[dict[str, Any]] = toml.TomlEncoder()
    encoder.dump_funcs[str] = _string
    return toml.dumps({key: _plain(value) for key, value in table.items()}, encoder)


def _plain(value: Any) -> Any:
    """The value with words of enumerations as plain strings: the library takes a kind of string for a list."""
    match value:
        case str():
            return str.__str__(value)
        case Mapping():
            return {_plain(key): _plain(below) for key, below in value.items()}
        case list() | tuple():
            return [_plain(below) for below in value]
    return value


def _string(text: str) -> str:
    # the escapes of JSON are escapes of TOML too; TOML wants DEL escaped besides
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
