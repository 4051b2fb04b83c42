"""Facts of this machine: its base, its machine type, the mirror that its own package manager uses."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from xsrc.core.arch import Arch
from xsrc.core.base import HOST, Base
from xsrc.core.command import Command
from xsrc.core.errors import HostError
from xsrc.core.layout import Masterdir

_SECONDS, _MEMORY = 10, 1 << 30
"""Processor time and address space that apt may use to name its sources."""
_MULTIARCH = {
    "i686": "i386-linux-gnu",
    "armv7l": "arm-linux-gnueabihf",
    "ppc64": "powerpc64-linux-gnu",
    "ppc64le": "powerpc64le-linux-gnu",
}
"""Debian's names of folders for machine types that it calls otherwise than we do."""


def arch() -> Arch:
    """The machine type of this machine; raises HostError for one that xsrc does not know."""
    machine = platform.machine()
    glibc = "CS_GNU_LIBC_VERSION" in os.confstr_names and os.confstr("CS_GNU_LIBC_VERSION")
    try:
        return Arch.named(machine if glibc else f"{machine}-musl")
    except ValueError as error:
        raise HostError(f"this machine's type: {error}") from error


def host_base(arch: Arch) -> Base:
    """The base `host`: this machine's own /usr, and /bin, /sbin, /lib where they are not merged into it; never /."""
    return base_at(Path("/"), HOST, arch, dict(_identity(arch)))


def base_at(root: Path, name: str, arch: Arch, identity: Mapping[str, str]) -> Base:
    """The base whose paths are in a directory of this machine."""
    layers: dict[str, tuple[Path, ...]] = {"usr": (root / "usr",)}
    for top in ("bin", "sbin", "lib", "lib32", "lib64"):
        path = root / top
        if path.is_dir() and not path.is_symlink():
            layers[f"usr/{top}"] = (root / "usr" / top, path) if (root / "usr" / top).is_dir() else (path,)
    binds = {}
    if (root / "etc/alternatives").is_dir():
        binds["etc/alternatives"] = root / "etc/alternatives"
    gnu = _MULTIARCH.get(arch.machine, f"{arch.machine}-linux-gnu")
    multiarch = f"usr/lib/{gnu if arch.libc == 'glibc' else f'{arch.machine}-linux-musl'}"
    libdirs = ["usr/lib", *(d for d in (multiarch, "usr/lib64") if (root / d).is_dir())]
    # gcc looks below each of these for its multiarch directory and for ../lib before it looks into any of them: only
    # through /usr/bin does /usr/lib come before Debian's own libraries, also where a Makefile forgets LDFLAGS
    env = {
        "LIBRARY_PATH": "/usr/bin:/usr/lib",
        "PKG_CONFIG_LIBDIR": "/usr/lib/pkgconfig:/usr/share/pkgconfig",
    }
    shadowed = {}
    if (root / multiarch).is_dir():
        shadowed = {multiarch: "usr/lib", multiarch.replace("/lib/", "/include/"): "usr/include"}
    return Base(name, arch, layers, binds, env, {"LDFLAGS": "-L/usr/lib"}, identity, shadowed, tuple(libdirs), root)


def _identity(arch: Arch) -> Iterator[tuple[str, str]]:
    """What tells one machine's compiler, linker, libc and shell from another's, by a look at the files only."""
    release = _os_release()
    yield "os", " ".join(release.get(key, "") for key in ("ID", "VERSION_ID")).strip()
    for program in ("cc", "c++", "ld", "as", "make", "sh"):
        for folder in ("/usr/bin", "/bin"):
            path = Path(folder, program)
            if path.exists():
                real = path.resolve()
                yield program, f"{real.name} {real.stat().st_size}"
                break
    folders = ("lib", "lib64", f"lib/{arch.machine}-linux-gnu")
    loader = f"ld-musl-{arch.machine}.so.1" if arch.libc == "musl" else "libc.so.6"
    for folder in folders:
        path = Path("/usr", folder, loader)
        if path.exists():
            yield "libc", f"{path.name} {path.resolve().stat().st_size}"
            break


def debian_release() -> str | None:
    """The code name of this machine's release, if it is one of Debian."""
    release = _os_release()
    return release.get("VERSION_CODENAME") if release.get("ID") == "debian" else None


def _os_release() -> dict[str, str]:
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
