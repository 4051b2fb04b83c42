"""Words in braces, and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
"""A brace that means itself, written twice; or a name between braces."""


def interpolate(value: Any, names: Mapping[str, str]) -> Any:
    """`value` with every `{word}` of its strings replaced; sites stay for the fetch to fill in.

    >>> interpolate(["{name}-{version}", "{{x}}", "{GNU_SITE}/a"], {"name": "m4", "version": "1"})
    ['m4-1', '{x}', '{GNU_SITE}/a']
    """
    match value:
        case str():
            if "{" not in value and "}" not in value:
                return value
            return BRACES.sub(lambda hit: hit[0][0] if hit[1] is None else names.get(hit[1], hit[0]), value)
        case list():
            return [interpolate(item, names) for item in value]
        case dict():
            return {interpolate(key, names): interpolate(item, names) for key, item in value.items()}
    return value
