"""Facts of this machine: its type, its release, its disks, and the mirrors that its own package managers use."""

from __future__ import annotations

import errno
import os
import platform
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from xsrc.core.arch import Arch
from xsrc.core.command import Command
from xsrc.core.errors import HostError
from xsrc.core.layout import Masterdir

_SECONDS, _MEMORY = 10, 1 << 30
"""Processor time and address space that apt may use to name its sources."""


def arch() -> Arch:
    """The machine type of this machine; raises HostError for one that xsrc does not know."""
    machine = platform.machine()
    glibc = "CS_GNU_LIBC_VERSION" in os.confstr_names and os.confstr("CS_GNU_LIBC_VERSION")
    try:
        return Arch.named(machine if glibc else f"{machine}-musl")
    except ValueError as error:
        raise HostError(f"this machine's type: {error}") from error


def debian_release() -> str | None:
    """The code name of this machine's release, if it is one of Debian."""
    release = os_release()
    return release.get("VERSION_CODENAME") if release.get("ID") == "debian" else None


def os_release() -> dict[str, str]:
    """The words by which this machine names its release; none if it has no such file."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


@cache
def debian_site() -> str | None:
    """The pool of the Debian mirror that this machine's apt uses, or None."""
    # imported here: each start would pay for it, and few commands need it
    from xsrc.unix.process import bounded, capture

    # without its lists, apt is quick and names all sources, not only those that it has updated
    words = ("--no-release-info", "--format", "$(SITE)", "-o", "Dir::State::lists=/nonexistent")
    command = Command(("apt-get", "indextargets", *words), {"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    try:
        said = capture(command, before=bounded(_SECONDS, _MEMORY, 0))
    except HostError:  # no machine of Debian's kind
        return None
    found = re.search(r"^(https?://\S*/debian)/?$", said.out, re.MULTILINE)
    return f"{found[1]}/pool" if found and not said.code else None


def pypi_site() -> str | None:
    """Where PyPI keeps its files, as the pip beside this Python knows it, or None where there is no pip."""
    try:
        from pip._internal.models.index import PyPI
    except ImportError:
        return None
    return f"https://{PyPI.file_storage_domain}/packages"


_SITES: Mapping[str, Callable[[], str | None]] = {"DEBIAN_SITE": debian_site, "PYPI_SITE": pypi_site}


def known_sites(names: Iterable[str], sites: Mapping[str, str]) -> Mapping[str, str]:
    """The sites in force, with those of `names` that nobody has set and this machine's own tools know.

    They are asked for where they are needed only, as the tools are slow.
    """
    found = {name: _SITES[name]() for name in names if name in _SITES and name not in sites}
    return {**sites, **{name: site for name, site in found.items() if site}}


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write below `path`. Raises OSError."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def check_free(path: Path) -> None:
    """Raise OSError, ENOSPC, if no block is left for users on the file system of a file."""
    if os.statvfs(path).f_bavail == 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def check_room(masterdir: Masterdir) -> None:
    """Refuse a masterdir in which no program could run or no build could end. Raises HostError and OSError."""
    grows, final = masterdir.builddir, masterdir.destdirs
    if grows.stat().st_dev != final.stat().st_dev:
        raise HostError(
            f"{grows} is on another file system than {final}: a finished package could not be moved there",
            hint=f"mount the whole of {masterdir.root}, or choose another place with -m DIR",
        )
    flags = os.statvfs(masterdir.root).f_flag
    if flags & os.ST_NOEXEC:
        raise HostError(
            f"{masterdir.root} is on a mount with noexec: nothing that is built there could run",
            hint="choose another place with -m DIR or XSRC_MASTERDIR, or remount it with exec",
        )
