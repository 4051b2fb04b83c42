"""Asks apt for the packages of a Debian base: with a state of its own, as an ordinary user, nothing of it installed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from xsrc.core.command import Command
from xsrc.core.errors import FetchFailed, HostError
from xsrc.core.proxy import Proxies
from xsrc.core.redact import redacted
from xsrc.core.settings import Limits
from xsrc.sources.admission import Policy
from xsrc.sources.disk.archives import admitted, read_whole
from xsrc.sources.disk.distdir import OpenFile
from xsrc.unix.process import capture
from xsrc.unix.trees import remove_tree

_PROGRAMS = "/usr/bin:/bin:/usr/sbin:/sbin"
_KEYRINGS = tuple(Path("/usr/share/keyrings", f"debian-archive-keyring.{kind}") for kind in ("gpg", "pgp"))
_ELSEWHERE = "xsrc bootstrap --export on a machine that has it, and --import here"


class Apt:
    """apt with its own state in a new folder. The constructor raises HostError if there is no apt-get."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        program = shutil.which("apt-get", path=_PROGRAMS)
        if program is None:
            raise HostError(
                "a Debian base is resolved by apt, and there is no apt-get on this machine",
                hint=f"install apt and debian-archive-keyring; or {_ELSEWHERE}",
            )
        self.program, self.folder = program, folder
        self.env = {"PATH": _PROGRAMS, "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        self.env |= Proxies(env).environment()

    def update(self, sources: str, configuration: str) -> str:
        """Fetch the lists of a suite, whose signature apt verifies; return the text of its Release file.

        Raises FetchFailed for lists that do not come or are not the signed ones, and OSError.
        """
        remove_tree(self.folder)
        for part in ("state/lists/partial", "cache/archives/partial", "log"):
            (self.folder / part).mkdir(parents=True)
        (self.folder / "status").touch()
        (self.folder / "base.sources").write_text(sources, encoding="utf-8")
        (self.folder / "apt.conf").write_text(configuration, encoding="utf-8")
        self.get("the lists of Debian's packages were refused, or did not come", "update")
        signed = sorted((self.folder / "state/lists").glob("*Release"))
        return signed[0].read_text(encoding="utf-8", errors="replace") if signed else ""

    def resolve(self, packages: Iterable[str]) -> str:
        """The output of `--print-uris` for packages and their dependencies. Raises FetchFailed if apt fails."""
        return self.get("apt finds no way to install a base", "install", "--yes", "--print-uris", *packages)

    def get(self, trouble: str, *words: str) -> str:
        """Run apt-get; return its output. Raises FetchFailed, with `trouble`, if it fails.

        Raises HostError if it cannot be started.
        """
        result = capture(Command((self.program, "-q", "-c", str(self.folder / "apt.conf"), *words), self.env))
        if result.code:
            lines = [f"  {redacted(line)}" for line in result.err.splitlines() if line[:3] in ("E: ", "W: ")]
            raise FetchFailed(
                trouble, detail=lines[-20:], hint="look at [sites] DEBIAN_SITE, and at the machine's clock"
            )
        return result.out


def keyring() -> Path:
    """The keys that sign Debian's releases. Raises HostError if this machine does not have them."""
    found = next((path for path in _KEYRINGS if path.is_file()), None)
    if found is None:
        raise HostError(
            f"{_KEYRINGS[0]} is not there: nothing of Debian could be verified",
            hint=f"install debian-archive-keyring; or {_ELSEWHERE}",
        )
    return found


def postinst(deb: OpenFile, limits: Limits) -> str:
    """The text of a package's postinst, "" if it has none. Raises ArchiveError for a damaged package."""
    text = ""
    with read_whole(deb):
        for member, data in admitted(deb, Policy(deb.name, "", 0, limits), "control.tar"):
            if member.name == "postinst" and data is not None:
                text = data.read(1 << 20).decode(errors="replace")
    return text
