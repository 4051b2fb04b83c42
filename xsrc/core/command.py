"""One process to be run, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A program with its whole environment: nothing is inherited."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    fds: tuple[int, ...] = ()
    """Open descriptors that the program inherits besides its standard streams."""
