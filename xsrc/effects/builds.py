"""Several builds of one pkgver: one is in its place below pkg-destdir/, the others stand aside under hidden names."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from xsrc.effects.destdir import close, remove_tree, replace_tree
from xsrc.effects.files import Below
from xsrc.effects.walk import Item, Walk, held
from xsrc.model.layout import Masterdir
from xsrc.model.manifest import FILES, METADATA, PROPS, Entry, Kind, Manifest, Props, identity
from xsrc.model.paths import component

GOING = ".gc-"
"""What a folder is called from the moment that it is removed."""


def build_of(folder: Path) -> str:
    """Which build a sealed destdir is, "" where there is none."""
    try:
        with Below(folder) as at, at.open(PROPS) as props, at.open(FILES) as files:
            return identity(Props.parse(props.read()), files.read())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""


def read_build(folder: Path) -> tuple[Props, Manifest, str]:
    """What a sealed destdir says of itself, and which build it is; raises OSError, or ValueError for what is none."""
    with Below(folder) as at, at.open(PROPS) as first, at.open(FILES) as second:
        props, files = Props.parse(first.read()), second.read()
    return props, Manifest.parse(files), identity(props, files)


def entries(folder: Path, *, hashed: bool) -> list[Entry]:
    """What a sealed destdir holds now; files are read only where their checksums are asked for. Raises OSError."""
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
    """Bytes that a tree takes on the disk, each file once."""
    total = 0
    seen: set[int] = set()
    with Walk(folder) as at:
        for item in at.items():
            total += 0 if item.status.st_ino in seen else item.status.st_blocks * 512
            seen.add(item.status.st_ino)
    return total


def remove_build(masterdir: Masterdir, name: str) -> int:
    """Remove a folder below pkg-destdir/, under another name from the first moment on; gives the bytes it took.

    Raises Unsound for a name that is no name of a folder there.
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
    """Give a sealed destdir the property list of the same build made anew: only how it came to be may differ."""
    with Walk(final) as at:
        status = os.fstat(at.here)
        os.fchmod(at.here, 0o755)
        os.rename(fresh / PROPS, PROPS, dst_dir_fd=at.here)
        os.utime(at.here, ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fchmod(at.here, 0o555)


def lay_aside(masterdir: Masterdir, pkgver: str, folder: Path) -> str:
    """Make a sealed tree one of the builds that stand aside; gives which build it is."""
    build = build_of(folder)
    aside = masterdir.kept(pkgver, build or "unsealed")
    if folder != aside:
        remove_tree(aside)
        os.rename(folder, aside)
    close(aside)
    return build


def bring(masterdir: Masterdir, pkgver: str, build: str, former: str) -> None:
    """Bring a build that stands aside into its place; the former one stands aside then. Doing it twice is once.

    Raises OSError when there is no such build, Unsound for what is no name of one.
    """
    final = masterdir.destdirs / component(pkgver)
    places = [masterdir.kept(pkgver, build), masterdir.kept(pkgver, former)]
    if build_of(final) != build:
        # right after an exchange that was cut off, each of two stands where the other is looked for
        source = next((place for place in places if build_of(place) == build), places[0])
        replace_tree(source, final)
    for place in places:
        if former and build_of(place) == former:
            lay_aside(masterdir, pkgver, place)
