"""The package of a base's run-time libraries: without it, nobody gives the C library to what was built there; pure.

It holds what the compiler of a base links programs with by itself, and what these libraries need.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from xsrc.core.base import Base
from xsrc.core.pkgver import PkgVer
from xsrc.store.manifest import Entry, Manifest, Props

RELEASE = "usr/lib/os-release"
"""Where a base says which release it is."""
_RUNTIME = re.compile(
    r"ld-(?:linux|musl|[0-9]).*\.so.*|libc\.(?:so\.6|musl-.*)|"
    r"lib(?:m|mvec|dl|pthread|rt|util|resolv|anl|BrokenLocale|thread_db|nss_\w+|crypt|nsl|tirpc|"
    r"gcc_s|stdc\+\+|gomp|atomic|itm|quadmath)\.so\.[0-9.]+"
)
_TEXT = re.compile(r"(?:libc6|libcrypt|libnsl|libtirpc|libgcc|libstdc\+\+|libgomp|libatomic|gcc-[0-9]+-base|musl).*")


@dataclass(frozen=True)
class BaseFiles:
    """The files of such a package."""

    entries: tuple[Entry, ...]
    sonames: tuple[str, ...]


def package_name(base: str) -> str:
    """The name of the package for a base.

    >>> package_name("host")
    'base-libs-host'
    """
    return f"base-libs-{base}"


def is_runtime(name: str) -> bool:
    """Whether a file name is that of a library which a compiler links with by itself.

    >>> [is_runtime(name) for name in ("libc.so.6", "ld-linux-x86-64.so.2", "libm.so", "libz.so.1")]
    [True, True, False, False]
    """
    return _RUNTIME.fullmatch(name) is not None


def is_licence_of(package: str) -> bool:
    """Whether the texts of a package of Debian are about those libraries."""
    return _TEXT.fullmatch(package) is not None


def release_of(text: str) -> str:
    """The release that an os-release file names, as part of a version; "0" if it names none.

    >>> release_of('ID=debian\\nVERSION_ID="12"'), release_of("ID=arch")
    ('12', '0')
    """
    found = re.search(r'^VERSION_ID="?([0-9][A-Za-z0-9.]*)"?$', text, re.M)
    return found[1] if found else "0"


def props_of(base: Base, version: str, found: BaseFiles) -> Props:
    """The record of the package."""
    manifest = Manifest(found.entries)
    key = hashlib.sha256(manifest.render()).hexdigest()
    return Props(
        PkgVer(package_name(base.name), version, 1),
        base.arch.name,
        key,
        short_desc=f"Run-time libraries of the base {base.name}"[:72],
        license="LGPL-2.1-or-later AND GPL-3.0-or-later WITH GCC-exception-3.1",
        size=manifest.size,
        shlib_provides=found.sonames,
        build={"base": base.name},
    )


def needs_of(base: str, sonames: Iterable[str]) -> list[str]:
    """The pattern for a package that needs these sonames of its base; none if it needs none."""
    return [f"{package_name(base)}>=0"] if base and any(sonames) else []
