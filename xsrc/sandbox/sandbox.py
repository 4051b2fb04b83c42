"""The content of a sandbox and its command line for `xsrc-mount`; pure, so that tests and -v can show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Bind:
    """A directory of the host shown inside; `inside` is relative to the root."""

    source: Path
    inside: str
    writable: bool = False

    def flags(self) -> list[str]:
        return ["-w" if self.writable else "-r", str(self.source), self.inside]


@dataclass(frozen=True)
class Overlay:
    """A read-only overlay, top layer first; `inside` is relative to the root, "." is the root itself."""

    layers: tuple[Path, ...]
    inside: str = "."

    def flags(self) -> list[str]:
        return ["-o", self.inside, *map(str, self.layers), "-"]


@dataclass(frozen=True)
class Sandbox:
    """A root with all its mounts; they are made in their order, so one may be inside another."""

    root: Path
    mounts: tuple[Bind | Overlay, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/"
    writable: bool = False
    tmp_mib: int = 1024
    setid: bool = True
    """Whether programs inside can make files set-user-id or set-group-id."""

    def argv(
        self, helper: Path, command: tuple[str, ...], *, userns: bool, parent: int = 0, report: int = 0
    ) -> tuple[str, ...]:
        """Return the command line of `xsrc-mount`; `userns` asks for a user namespace where capabilities would do too.

        With the number of the process that starts it, its `parent`, the helper refuses to outlive that process. With
        `report`, the write end of a pipe, the helper writes there whether it refused or entered.
        """
        flags = ["-u"] if userns else ["-c"]
        flags += ["-E", str(report)] if report else []
        flags += ["-W"] if self.writable else []
        flags += [] if self.setid else ["-S"]
        flags += ["-T", str(self.tmp_mib)]
        flags += ["-P", str(parent)] if parent else []
        for mount in self.mounts:
            flags += mount.flags()
        for name in sorted(self.env):
            flags += ["-e", f"{name}={self.env[name]}"]
        return (str(helper), *flags, "-d", self.directory, "--", str(self.root), *command)
