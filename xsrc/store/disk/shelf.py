"""Several builds of one pkgver: one is in its place below pkg-destdir/, the others are kept under hidden names."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from xsrc.core.layout import Masterdir
from xsrc.core.paths import component
from xsrc.store.manifest import FILES, METADATA, PROPS, Entry, Kind, Manifest, Props, identity
from xsrc.unix.files import Below
from xsrc.unix.trees import close, remove_tree, replace_tree
from xsrc.unix.walk import Item, Walk, held

GOING = ".gc-"
"""Prefix of the name of a folder that xsrc is removing."""


def build_of(folder: Path) -> str:
    """The id of the build in a sealed destdir, "" if there is none. Raises OSError."""
    try:
        with Below(folder) as at, at.open(PROPS) as props, at.open(FILES) as files:
            return identity(Props.parse(props.read()), files.read())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""


def read_build(folder: Path) -> tuple[Props, Manifest, str]:
    """The records of a sealed destdir and the id of its build. Raises OSError, and ValueError for bad records."""
    with Below(folder) as at, at.open(PROPS) as first, at.open(FILES) as second:
        props, files = Props.parse(first.read()), second.read()
    return props, Manifest.parse(files), identity(props, files)


def entries(folder: Path, *, hashed: bool) -> list[Entry]:
    """The present content of a sealed destdir; with `hashed`, files have their checksums.

    Raises OSError, and BuildFailed if the destdir changes meanwhile.
    """
    found = []
    with Walk(folder) as at:
        for item in at.items():
            mode = stat.S_IMODE(item.status.st_mode)
            if item.name == "." or item.path in METADATA:
                continue
            if stat.S_ISDIR(item.status.st_mode):
                found.append(Entry(item.path, Kind.DIR, mode))
            elif stat.S_ISLNK(item.status.st_mode):
                found.append(Entry(item.path, Kind.LINK, 0o777, target=os.readlink(item.name, dir_fd=item.parent)))
            else:
                regular = hashed and stat.S_ISREG(item.status.st_mode)
                sha256 = _sha256(item) if regular else ""
                found.append(Entry(item.path, Kind.FILE, mode, item.status.st_size, sha256))
    return found


def _sha256(item: Item) -> str:
    try:
        with held(item.name, item.parent) as (thing, _), Path(thing).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except PermissionError:  # it was sealed as nobody's to read
        return ""


def size(folder: Path) -> int:
    """Bytes that a tree takes on the disk, each file once. Raises OSError, and BuildFailed if it changes meanwhile."""
    total = 0
    seen: set[int] = set()
    with Walk(folder) as at:
        for item in at.items():
            total += 0 if item.status.st_ino in seen else item.status.st_blocks * 512
            seen.add(item.status.st_ino)
    return total


def remove_build(masterdir: Masterdir, name: str) -> int:
    """Remove a folder below pkg-destdir/, renaming it first; return the bytes that it took.

    Raises Unsound for a name that is no name of a folder there, and OSError.
    """
    component(name)
    folder, going = masterdir.destdirs / name, masterdir.destdirs / f"{GOING}{name}"
    freed = 0
    if folder.exists():
        freed = size(folder)
        remove_tree(going)
        os.rename(folder, going)
    remove_tree(going)
    return freed


def follow(final: Path, fresh: Path) -> None:
    """Replace the property list of a sealed destdir by that of an equal new build. Raises OSError."""
    with Walk(final) as at:
        status = os.fstat(at.here)
        os.fchmod(at.here, 0o755)
        os.rename(fresh / PROPS, PROPS, dst_dir_fd=at.here)
        os.utime(at.here, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fchmod(at.here, 0o555)


def lay_aside(masterdir: Masterdir, pkgver: str, folder: Path) -> str:
    """Keep a sealed tree aside under the id of its build, and return this id. Raises OSError."""
    build = build_of(folder)
    aside = masterdir.kept(pkgver, build or "unsealed")
    if folder != aside:
        remove_tree(aside)
        os.rename(folder, aside)
    close(aside)
    return build


def bring(masterdir: Masterdir, pkgver: str, build: str, former: str) -> None:
    """Move a build that is kept aside to its place, and keep the former one aside. Repeating this changes nothing.

    Raises OSError if there is no such build, Unsound for a bad name of one.
    """
    final = masterdir.destdirs / component(pkgver)
    places = [masterdir.kept(pkgver, build), masterdir.kept(pkgver, former)]
    if build_of(final) != build:
        # after an interrupted exchange, each of two builds is in the place of the other
        source = next((place for place in places if build_of(place) == build), places[0])
        replace_tree(source, final)
    for place in places:
        if former and build_of(place) == former:
            lay_aside(masterdir, pkgver, place)
