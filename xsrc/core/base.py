"""The base: the lowest layer of every root, with compiler, libc and POSIX tools."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from xsrc.core import tomltext
from xsrc.core.arch import Arch
from xsrc.core.ui import counted

NAME = r"[a-z][a-z0-9.+_-]*"
HOST = "host"
"""The base that is always there: the machine itself."""


@dataclass(frozen=True)
class Base:
    """One base as it is on this machine."""

    name: str
    arch: Arch
    """What its programs run on."""
    layers: Mapping[str, tuple[Path, ...]]
    """Where in the root (`usr`, and `usr/bin` … where /usr is not merged) which directories are the lowest layers."""
    binds: Mapping[str, Path] = field(default_factory=dict)
    """Further directories shown read-only, by their place in the root."""
    env: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    """Compiler and linker flags that come before all others."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """Distinguishes this base from others; part of every build key."""
    shadowed: Mapping[str, str] = field(default_factory=dict)
    """Directories that the base searches before others: a file of a package in the value hides the base's file of the
    same name in the key."""
    libdirs: tuple[str, ...] = ("usr/lib",)
    """Where its loader looks for libraries, its own first."""
    root: Path = Path("/")
    """The directory of this machine in which its paths are."""
    whole: str = ""
    """Why it shows all programs of this machine, declared or not; "" if it shows essential ones alone."""


@dataclass(frozen=True)
class Record:
    """The record of a finished base, which is in a folder of its own, `name`."""

    name: str
    """Kind, release and machine, as `debian-bookworm-amd64`."""
    arch: str
    release: str
    """As its makers count them: `12.11`."""
    digest: str
    """Of its manifest: which base it is."""
    size: int
    """Bytes of its files."""
    packages: Mapping[str, str]
    """The version of each package that it is made of."""

    @property
    def machine(self) -> str:
        """The processor that it is for. Raises ValueError for an unknown one."""
        return Arch.named(self.arch).machine

    @property
    def summary(self) -> str:
        """The base in one line."""
        content = f"{counted(len(self.packages), 'package')}, {self.size >> 20} MiB"
        return f"{self.name} {self.release} ({content}, {self.digest[:12]})"

    def render(self) -> str:
        """The text of base.toml."""
        return tomltext.dumps({**asdict(self), "packages": dict(sorted(self.packages.items()))})

    @classmethod
    def parse(cls, text: str) -> Record:
        """Read base.toml; raises ValueError when it is none."""
        try:
            record = cls(**tomllib.loads(text))
            words = (record.name, record.arch, record.release, record.digest, *record.packages.values())
            if not all(isinstance(word, str) for word in words) or not isinstance(record.size, int):
                raise ValueError("a value of another type")
            Arch.named(record.arch)
            if re.fullmatch(NAME, record.name) is None:
                raise ValueError(f"{record.name!r} is no name of a base")
        except (TypeError, AttributeError, ValueError, RecursionError) as error:
            raise ValueError(f"not a base.toml: {error}") from error
        return record


def fitting(wish: str, names: Iterable[str]) -> tuple[str, ...]:
    """Which bases `KIND[:RELEASE[/ARCH]]`, or a whole name, can mean.

    >>> fitting("debian:bookworm", ["debian-bookworm-amd64", "debian-trixie-amd64"])
    ('debian-bookworm-amd64',)
    """
    start = wish.replace(":", "-").replace("/", "-")
    return tuple(sorted(name for name in names if f"{name}-".startswith(f"{start}-")))
