"""The base: the lowest layer of every root, which gives compiler, libc and POSIX tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Base:
    """One base as it is on this machine."""

    name: str
    layers: Mapping[str, tuple[Path, ...]]
    """Where in the root (`usr`, and `usr/bin` … where /usr is not merged) which directories are the lowest layers."""
    binds: Mapping[str, Path] = field(default_factory=dict)
    """Further directories shown read-only, by their place in the root."""
    env: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    """Compiler and linker flags that come before all others."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """What tells this base from another one; part of every build key."""
    shadowed: Mapping[str, str] = field(default_factory=dict)
    """Directories of the base in which it looks before others: what a package has in the value hides there what the
    base has of the same name in the key."""
    libdirs: tuple[str, ...] = ("usr/lib",)
    """Where its loader looks for libraries, its own first."""
