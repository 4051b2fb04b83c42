"""What a command knows from its start: the machine, the flags, the tree, the settings, the masterdir. Pure."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xsrc.core.arch import Arch
from xsrc.core.base import Base
from xsrc.core.errors import UsageError
from xsrc.core.layout import Masterdir, Tree
from xsrc.core.settings import Settings
from xsrc.core.trust import Trust
from xsrc.core.ui import Ui


@dataclass(frozen=True)
class Host:
    """What is asked of the system once, when the command starts."""

    env: Mapping[str, str]
    uid: int
    cpus: int
    cwd: Path
    now: str
    """The time, in UTC."""
    argv: tuple[str, ...]
    """The words of the command line."""
    terminal: bool
    """Whether standard input and output are a terminal."""
    live: bool
    """Whether standard error can show a line that changes."""


@dataclass(frozen=True)
class Flags:
    """The flags that every command takes."""

    masterdir: str | None = None
    verbose: bool = False
    base: str | None = None


@dataclass(frozen=True)
class Stage:
    """One stage of a base that is built from source."""

    number: int
    base: Base
    """What it builds on."""
    arch: Arch
    """What it builds for."""


@dataclass(frozen=True)
class Session:
    """What one command, or one stage of a bootstrap, knows; nothing in it changes."""

    host: Host
    flags: Flags
    ui: Ui
    tree: Tree
    settings: Settings
    masterdir: Masterdir
    believed: Trust
    """Who may have written what this command uses."""
    stage: Stage | None = None
    mark: object = field(default_factory=object, repr=False)
    """What tells this command from another one in the same process: what is read once is read once for each."""

    def over(self, **settings: object) -> Session:
        """The session with the settings of the command line; None leaves a setting as it is."""
        given: Any = {name: value for name, value in settings.items() if value is not None}
        return replace(self, settings=replace(self.settings, **given)) if given else self

    @property
    def bases(self) -> Path:
        """Where finished bases are."""
        return Path(self.settings.basedir) if self.settings.basedir else self.masterdir.bases

    @property
    def srcdistdir(self) -> Path:
        """Where distfiles are."""
        return Path(self.settings.srcdistdir) if self.settings.srcdistdir else self.masterdir.srcdistdir

    @property
    def jobs(self) -> int:
        """How many packages are built side by side."""
        return self.settings.jobs or self.host.cpus

    @property
    def command(self) -> str:
        """The command line after `xsrc`, as a shell would read it; bytes that are not UTF-8 are shown as `\\xff`."""
        return shlex.join(self.host.argv).encode(errors="surrogateescape").decode(errors="backslashreplace")

    def here(self) -> str | None:
        """The name of the template whose folder this command was given in."""
        with contextlib.suppress(ValueError):
            parts = self.host.cwd.relative_to(self.tree.templates).parts
            return parts[0] if parts else None
        return None

    def names(self, given: Iterable[str], verb: str) -> tuple[str, ...]:
        """The names that were given, or the one of the folder. Raises UsageError if there is neither."""
        names = tuple(dict.fromkeys(name.removesuffix("/").removeprefix("templates/") for name in given))
        if not names and (here := self.here()):
            names = (here,)
        if not names:
            raise UsageError(f"{verb}: which package?", hint=f"xsrc {verb} NAME, or change into templates/NAME")
        return names

    def wanted(self, name: str, options: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The options asked for one package: of the settings, then of the command line."""
        return (*self.settings.options.get(name, ()), *options.get(name, ()))
