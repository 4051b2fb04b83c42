"""Which built package the words of a command line mean."""

from __future__ import annotations

from xsrc.effects.store import Farm
from xsrc.errors import UsageError
from xsrc.model.pkgver import PkgVer


def parse_pkgver(text: str) -> tuple[str, str | None]:
    """`NAME` or `NAME@VERSION[_REVISION]` as name and version."""
    name, _, version = text.partition("@")
    return name, version or None


def _means(version: str, pkgver: PkgVer) -> bool:
    """Whether a version of a command line means a package: 5.3 means 5.3.6_1 too, 5.3.6_1 only itself.

    >>> _means("5.3", PkgVer("lua", "5.3.6", 1)), _means("5.3", PkgVer("lua", "5.30", 1))
    (True, False)
    """
    return version in (pkgver.version, pkgver.version_revision) or pkgver.version.startswith(version + ".")


def choose_version(farm: Farm, text: str) -> PkgVer:
    """The built package that `NAME[@VERSION]` means; raises UsageError when none is built."""
    name, version = parse_pkgver(text)
    versions = farm.versions(name)
    fitting = [v for v in versions if version is None or _means(version, v)]
    if fitting:
        return fitting[-1]
    if versions:
        known = ", ".join(f"{v.version}_{v.revision}" for v in versions)
        raise UsageError(f"{text}: of {name} there is {known}", hint=f"xsrc build {name}")
    raise UsageError(f"{name} is not built", hint=f"xsrc build {name}")
