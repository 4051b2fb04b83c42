"""Reads which paths of a directory, such as / of this machine, make a base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from xsrc.base.disk.essential import View
from xsrc.core.arch import Arch
from xsrc.core.base import HOST, Base
from xsrc.core.layout import MERGED
from xsrc.unix.machine import os_release

_MULTIARCH = {
    "i686": "i386-linux-gnu",
    "armv7l": "arm-linux-gnueabihf",
    "ppc64": "powerpc64-linux-gnu",
    "ppc64le": "powerpc64le-linux-gnu",
}
"""Debian's names of folders for machine types that it calls otherwise than we do."""


def host_base(arch: Arch, view: View) -> Base:
    """The base `host`: this machine's own /usr, and /bin, /sbin, /lib where they are not merged into it; never /.

    Of these it shows what `view` says.
    """
    release = os_release()
    identity = {"os": " ".join(release.get(key, "") for key in ("ID", "VERSION_ID")).strip()}
    if view.whole:
        return replace(base_at(Path("/"), HOST, arch, identity | dict(_tools(arch))), whole=view.whole)
    base = base_at(Path("/"), HOST, arch, identity | {"packages": view.digest})
    if view.layer is None:
        return base
    layers = {inside: (view.layer / inside, *paths) for inside, paths in base.layers.items()}
    return replace(base, layers=layers, binds={"etc/alternatives": view.layer / "alternatives"})


def base_at(root: Path, name: str, arch: Arch, identity: Mapping[str, str]) -> Base:
    """The base whose paths are in a directory of this machine."""
    layers: dict[str, tuple[Path, ...]] = {"usr": (root / "usr",)}
    for top in MERGED:
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


def _tools(arch: Arch) -> Iterator[tuple[str, str]]:
    """What tells one machine's compiler, linker, libc and shell from another's, by a look at the files only."""
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
