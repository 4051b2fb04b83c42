"""The build key: the digest of all that can change a result and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

FORMAT = 1
"""Raised when xsrc itself builds differently from the same inputs."""


def preimage(parts: Mapping[str, Any]) -> str:
    """The canonical text of what a key is made of: JSON, sorted, one part a line where it is read by people."""
    return json.dumps({"format": FORMAT, **parts}, sort_keys=True, indent=1, ensure_ascii=False)


def digest(text: str) -> str:
    """The key of a pre-image: 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()
