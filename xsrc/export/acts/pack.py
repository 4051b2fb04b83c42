"""Packs builds: reads a sealed destdir, decides what its package says, and writes it below pkg-binpkgs/."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xsrc.base.acts.choose import chosen_base
from xsrc.core.base import Base
from xsrc.core.errors import BuildFailed, HostError
from xsrc.core.layout import Masterdir
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.export import scripts, xbps
from xsrc.export.base_libs import needs_of, package_name, props_of
from xsrc.export.disk import base_libs
from xsrc.export.disk.write import Content, Head, write
from xsrc.farm.disk.database import Farm
from xsrc.store.manifest import FILES, PROPS, Manifest, Props, render_plist
from xsrc.unix.files import Below
from xsrc.unix.lock import locked


def package_file(masterdir: Masterdir, props: Props) -> Path:
    """The place of the package of a build."""
    return masterdir.binpkgs / xbps.file_name(props)


def pack(session: Session, farm: Farm, pkgvers: Iterable[PkgVer]) -> list[Path]:
    """Write the packages of the latest builds of pkgvers; return their files.

    Raises BuildFailed for a build that cannot be a package, and for a damaged destdir. Raises HostError if the disk
    refuses.
    """
    packed = [_packed(session, pkgver, session.masterdir.destdirs / farm.folder(pkgver)) for pkgver in pkgvers]
    bases = {base for base, _ in packed if base}
    return [*base_libraries(session, bases), *(file for _, file in packed)]


def base_libraries(session: Session, names: Iterable[str]) -> list[Path]:
    """Write the packages of the libraries of bases that are new; a base that is not chosen now is only reported.

    Raises HostError and ConflictError as `chosen_base` does.
    """
    wanted = sorted(names)
    made = []
    base = chosen_base(session) if wanted else None
    for name in wanted:
        if base is None or name != base.name:
            session.ui.warn(f"{package_name(name)} is needed too: xsrc pkg --base {name} NAME writes it")
        elif (file := write_libraries(session.masterdir, base)) is not None:
            made.append(file)
    return made


def write_libraries(masterdir: Masterdir, base: Base) -> Path | None:
    """Write the package of a base's libraries, unless there is one of this version; return its file if it is new."""
    try:
        paths = base_libs.shown(base)
        version = base_libs.version(base, paths)
        target = masterdir.binpkgs / f"{package_name(base.name)}-{version}_1.{base.arch.name}.xbps"
        if target.exists():
            return None
        found, sources = base_libs.libraries(base, paths)
        props, manifest = props_of(base, version, found), Manifest(found.entries)
        heads = (Head(PROPS, render_plist(xbps.package_props(props, manifest))), Head(FILES, manifest.render()))
        write(target, heads, Content(str(props.pkgver), base.root, found.entries, sources))
    except OSError as error:
        raise HostError(f"{package_name(base.name)}: {error.strerror}: {error.filename}", hint="xsrc doctor") from error
    return target


def _packed(session: Session, pkgver: PkgVer, folder: Path) -> tuple[str, Path]:
    """Write one package; return the base whose libraries it needs, "" for none, and its file."""
    masterdir = session.masterdir
    try:
        masterdir.binpkgs.mkdir(exist_ok=True)
        with locked(masterdir.package_lock(pkgver), f"xsrc pkg {pkgver.name}", session.ui.note):
            return write_package(masterdir, str(pkgver), folder)
    except OSError as error:
        raise HostError(
            f"{pkgver}: cannot be packed: {error.strerror}: {error.filename}", hint="xsrc verify"
        ) from error


def write_package(masterdir: Masterdir, what: str, folder: Path) -> tuple[str, Path]:
    """Write the package of a sealed destdir, from nothing but this destdir. `what` is for messages.

    Return the base whose libraries it needs, "" for none, and the file of the package.

    Raises BuildFailed as `pack` does, and OSError.
    """
    with Below(folder) as at, at.open(PROPS) as first, at.open(FILES) as second:
        text, listed = first.read(), second.read()
    try:
        props, manifest = Props.parse(text), Manifest.parse(listed)
    except ValueError as error:
        raise BuildFailed(f"{folder}: {error}", hint=f"xsrc build -f {what.rpartition('-')[0]}") from error
    if bad := xbps.faults(props, manifest):
        raise BuildFailed(f"{what}: it cannot be a package", detail=bad, hint="mend it in [install] of its template")
    owners = frozenset(one.path[1:] for one in scripts.owned(props.rules))
    entries = tuple(one._replace(mode=scripts.archived_mode(one, owners)) for one in manifest.entries)
    made = (("INSTALL", scripts.install(props, manifest)), ("REMOVE", scripts.remove(props)))
    heads = [Head(name, data, 0o755) for name, data in made if data]
    base = str(props.build.get("base", ""))
    needs = needs_of(base, xbps.from_base(props))
    heads.append(Head(PROPS, render_plist(xbps.package_props(props, manifest, needs))))
    heads.append(Head(FILES, listed))  # in the very words of the destdir, which has the shape that xbps reads
    target = package_file(masterdir, props)
    write(target, heads, Content(what, folder, entries))
    return base if needs else "", target
