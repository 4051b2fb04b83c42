"""What a user or a tree may set, and its defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from xsrc.core.base import HOST
from xsrc.core.errors import SettingsError, Span
from xsrc.core.outcome import Rung
from xsrc.core.paths import fault
from xsrc.core.pkgver import NAME
from xsrc.core.schema import Checked, Choice, Flag, List, Map, Number, Problem, Shape, Table, Text, locate, read


def nostow_fault(glob: str) -> str:
    """Return why a text is no glob of paths below the root, or ""."""
    return fault(glob.strip("/"))


FLAG_NAMES = (
    "CFLAGS",
    "CXXFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "FFLAGS",
    "FCFLAGS",
    "OBJCFLAGS",
    "RUSTFLAGS",
    "GOFLAGS",
)
"""The variables with flags of compilers and linkers."""

CHECKOUT: Mapping[str, Shape] = MappingProxyType(
    {
        "base": Text("host, or a base such as debian or debian:bookworm", r"[a-z][a-z0-9.:/_+-]*"),
        "jobs": Number(1),
        "cutoff": Choice(tuple(Rung)),
        "tmp_mib": Number(16),
        "pkg": Flag(),
        "limits": Table(
            {
                name: Number()
                for name in (
                    "seconds",
                    "silent_seconds",
                    "log_mib",
                    "processes",
                    "memory_mib",
                    "distfile_mib",
                    "fetch_seconds",
                    "unpacked_mib",
                    "unpacked_members",
                    "installed_mib",
                    "installed_members",
                )
            }
        ),
        "flags": Map(name=Choice(FLAG_NAMES)),
        "nostow": List(Checked("a path or glob below the root", nostow_fault)),
        "options": Map(List(Text("an option, ~ in front to switch it off", r"~?[A-Za-z0-9_-]+")), Text("a name", NAME)),
    }
)
"""What the settings of a checkout may say as well as the user's own."""

OWN: Mapping[str, Shape] = MappingProxyType(
    {
        "masterdir": Text("a path", r"\S.*"),
        "srcdistdir": Text("an absolute path", r"/.+"),
        "source_mirrors": List(Text("an http, https or file address", r"(?:https?://|file:///)\S+")),
        "caches": List(Text("an http, https or file address", r"(?:https?://|file:///)\S+")),
        "allowed_signers": Text("an absolute path", r"/.+"),
        "basedir": Text("an absolute path", r"/.+"),
        "sites": Map(Text("an address", r"[a-z]+://.+"), Text("a name that ends in _SITE", r"[A-Z][A-Z0-9_]*_SITE")),
        "safe_directories": List(Text("an absolute path, ~/PATH or *", r"\*|~?/.*")),
    }
)
"""What only the user's own settings may say: where xsrc writes, what it asks, and whom it believes.

A checkout comes from somebody else; its settings choose neither.
"""

SETTINGS = Table({**CHECKOUT, **OWN})

SITES: Mapping[str, str] = MappingProxyType(
    {
        "GNU_SITE": "https://ftp.gnu.org/gnu",
        "KERNEL_SITE": "https://www.kernel.org/pub/linux",
        "SOURCEFORGE_SITE": "https://downloads.sourceforge.net/sourceforge",
        "GITHUB_SITE": "https://github.com",
        "GNOME_SITE": "https://download.gnome.org/sources",
        "FREEDESKTOP_SITE": "https://freedesktop.org/software",
        "NONGNU_SITE": "https://download.savannah.nongnu.org/releases",
        "XORG_SITE": "https://www.x.org/releases/individual",
        "CPAN_SITE": "https://www.cpan.org/modules/by-module",
    }
)
"""Upstreams' own sites. Where distfiles are mirrored by a distribution is read from the machine, never from here."""

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "CFLAGS": "-O2 -pipe -fstack-protector-strong -D_FORTIFY_SOURCE=2",
        "CXXFLAGS": "-O2 -pipe -fstack-protector-strong -D_FORTIFY_SOURCE=2",
        "LDFLAGS": "-Wl,-z,relro -Wl,-z,now -Wl,--as-needed",
    }
)


@dataclass(frozen=True)
class Limits:
    """The limits of one phase of a build, and of the work of xsrc for it; 0 means no limit."""

    seconds: int = 0
    silent_seconds: int = 7200
    """How long it may run without any output."""
    log_mib: int = 1024
    processes: int = 8192
    """Processes of the phase if it has a cgroup (pids.max), else all processes of this user (RLIMIT_NPROC)."""
    memory_mib: int = 0
    """Memory of the whole phase if it has a cgroup (memory.max), else address space of each process."""
    distfile_mib: int = 8 << 10
    """Size of one distfile, and of what one git repository may send."""
    fetch_seconds: int = 4 * 3600
    """How long one address may take for a distfile; the next try continues where this one ended."""
    unpacked_mib: int = 64 << 10
    """Unpacked size of one archive, headers included."""
    unpacked_members: int = 4_000_000
    """How many files, directories and links one archive may hold."""
    installed_mib: int = 64 << 10
    """Installed size of one package, with the holes of sparse files: xsrc hashes all of it."""
    installed_members: int = 4_000_000
    """How many files, directories and links one package may install."""


@dataclass(frozen=True)
class Settings:
    """Settings in force: defaults, then the checkout's .xsrc.toml, then the user's own file, then flags."""

    masterdir: str | None = None
    srcdistdir: str | None = None
    source_mirrors: tuple[str, ...] = ()
    """Addresses with distfiles by checksum, which are asked if every address of a template fails."""
    caches: tuple[str, ...] = ()
    """Addresses of caches with builds by key, which are asked before a package is built."""
    allowed_signers: str | None = None
    """The file that names who may have signed what a cache says (ssh-keygen(1), ALLOWED SIGNERS)."""
    basedir: str | None = None
    """Where finished bases are, if not in the masterdir."""
    base: str = HOST
    jobs: int | None = None
    """How many processes may work at once: packages side by side, and their make's; None: one for each processor."""
    cutoff: Rung = Rung.EXACT
    """How much of a dependency may differ before what needs it is built again."""
    tmp_mib: int = 4096
    pkg: bool = False
    """Whether every build is packed too."""
    limits: Limits = Limits()
    flags: Mapping[str, str] = field(default_factory=lambda: FLAGS)
    sites: Mapping[str, str] = field(default_factory=lambda: SITES)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    places: Mapping[str, Span] = field(default_factory=lambda: MappingProxyType({}))
    """Where the options of each package are set."""
    nostow: tuple[str, ...] = ()
    """Globs of paths that no package gets in the root."""
    safe_directories: tuple[str, ...] = ()
    """Directories that the user vouches for, whoever else can write them."""

    def over(self, file: str, text: str, own: str = "") -> Settings:
        """These settings, overridden by those of a file.

        For the file of a checkout, pass the path of the user's `own` file: the keys of OWN belong there.
        Raises SettingsError with every problem of the file.
        """

        def across(raw: Mapping[str, Any], _: set[str | int]) -> Iterable[Problem]:
            for key in OWN if own else ():
                if key in raw:
                    yield (
                        (key,),
                        f"{key}: want it in your own settings, found it in those of a checkout",
                        _move(key, own),
                    )
            for at, address in enumerate(() if "allowed_signers" in raw else raw.get("caches", ())):
                if not str(address).startswith("file:"):
                    yield ("caches", at), f"caches[{at}]: want allowed_signers too: whom shall xsrc believe?", _SIGNERS

        raw, problems = read(file, text, SETTINGS, across)
        if problems:
            raise SettingsError(problems)
        tables: dict[str, Any] = {"limits": replace(self.limits, **raw.pop("limits", {}))}
        tables["cutoff"] = Rung(raw.pop("cutoff", self.cutoff))
        for name in ("flags", "sites"):
            tables[name] = MappingProxyType({**getattr(self, name), **raw.pop(name, {})})
        options = {key: tuple(value) for key, value in raw.pop("options", {}).items()}
        tables["options"] = MappingProxyType({**self.options, **options})
        places = {key: locate(file, text, [(("options", key), "", None)])[0].span for key in options}
        tables["places"] = MappingProxyType({**self.places, **places})
        for name in ("nostow", "source_mirrors", "caches"):
            tables[name] = tuple(raw.pop(name, getattr(self, name)))
        tables["safe_directories"] = (*self.safe_directories, *raw.pop("safe_directories", ()))
        return replace(self, **tables, **raw)


_SIGNERS = 'allowed_signers = "/home/ME/.ssh/allowed_signers"; ssh-keygen(1) describes the file'


def _move(key: str, own: str) -> str:
    """Where a key of OWN can be set."""
    return f"move it to {own}" + (", or use XSRC_MASTERDIR or -m" if key == "masterdir" else "")
