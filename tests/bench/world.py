"""Where a benchmark works: a folder of its own, a tree, an interpreter, and an environment made from nothing."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from xsrc.__main__ import START
from xsrc.commands.start import begin
from xsrc.core.session import Flags, Host, Session
from xsrc.unix.trees import remove_tree
from xsrc.unix.ui import PlainUi


@dataclass(frozen=True)
class World:
    """What every row is given; nothing outside `place` is written."""

    tree: Path
    place: Path
    python: str
    distfiles: Path | None
    """A folder of verified distfiles that may be copied."""
    pairs: int | None
    """Pairs that were asked for, in place of what a row thinks right."""

    @property
    def env(self) -> dict[str, str]:
        home = self.place / "home"
        home.mkdir(exist_ok=True)
        # PYTHONPATH: for scripts that import the tree; both sides of a comparison pay for it
        return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LC_ALL": "C.UTF-8", "PYTHONPATH": str(self.tree)}

    def rounds(self, usual: int) -> int:
        return self.pairs or usual

    def folder(self, name: str) -> Path:
        """An empty folder of one row."""
        path = self.place / name
        remove_tree(path)
        path.mkdir(parents=True)
        return path

    def xsrc(self, masterdir: Path | None, *words: str) -> tuple[str, ...]:
        """The command line of xsrc, started as its launcher does."""
        chosen = ("-m", str(masterdir)) if masterdir else ()
        return (self.python, "-I", "-X", "utf8", "-c", START, str(self.tree), *chosen, *words)

    def session(self, masterdir: Path, tree: Path | None = None) -> Session:
        """The world of a verb, for what no verb does: recording packages that nobody built."""
        host = Host(self.env, os.getuid(), len(os.sched_getaffinity(0)), tree or self.tree, "", (), False, False)
        silent = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process
        return begin(host, Flags(str(masterdir)), PlainUi(silent, silent))


def find(program: str) -> str | None:
    """A program of this machine."""
    return shutil.which(program, path="/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin")
