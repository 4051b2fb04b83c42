"""Shows of this machine only what every machine for builds has: hides the rest of its /usr by a layer of whiteouts.

The layer is made once for a state of the package database and kept. overlayfs takes a whiteout, a character device 0:0,
for "nothing below has this name"; since Linux 5.8 anybody may make one (mknod(2)).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from xsrc.base import dpkg
from xsrc.core.errors import HostError, XsrcError
from xsrc.core.layout import MERGED
from xsrc.unix import files
from xsrc.unix.lock import locked_folder
from xsrc.unix.trees import make_folder, remove_tree

DPKG = Path("/var/lib/dpkg")
FOLDER = ".host"
"""Where the layers are, in the folder of bases."""

_RECORD, _NEW = "record", "new"
_FORMAT = "1"
"""Increase this number when the same state of a machine gives another layer."""
_LARGEST = 1 << 24
_LEFT_OUT = frozenset(f"usr/share/{name}" for name in ("doc", "info", "lintian", "locale", "man"))
"""Prose, which is in no base."""
_DEEP = 3
"""How many names the path of a folder has in which a user may put a file by hand: usr/lib/x86_64-linux-gnu."""
_ALTERNATIVES = "/etc/alternatives/"


@dataclass(frozen=True)
class View:
    """What of this machine is shown."""

    digest: str = ""
    """Of the versions of what is shown; "" where everything is."""
    layer: Path | None = None
    """The layer that hides the rest, or None if it is not made yet."""
    whole: str = ""
    """Why everything is shown."""


@dataclass(frozen=True)
class _Shown:
    stamp: str
    """Tells one state of the database from another, by a look at the file's status."""
    digest: str
    shown: frozenset[str]
    """Paths of the packages, as a root has them."""
    links: Mapping[str, str]
    """The alternatives: name and target."""


def has_database() -> bool:
    """Whether this machine has a package database that xsrc can read."""
    return (DPKG / "status").is_file()


def view(bases: Path, *, make: bool) -> View:
    """What of this machine is shown; with `make`, the layer is made if it is missing, below the folder `bases`.

    The layer is held while this process, or one that it forks, lives. Raises HostError if it cannot be made.
    """
    if not has_database():
        return View(whole="xsrc can read no package database here: it knows dpkg's")
    place = bases / FOLDER
    try:
        if found := _kept(place):
            return found
        if not make:
            return View(_state().digest)
        place.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked_folder(place):
            try:
                return _kept(place) or _made(place)
            finally:
                remove_tree(place / _NEW)  # of a full disk
    except PermissionError as error:  # overlayfs, on which some containers are, takes no whiteouts of others
        if error.filename != _NEW:
            raise HostError(f"{error.filename}: {error.strerror}", hint=f"ls -ld {place}") from error
        return View(whole=f"no whiteout can be made in {place}: {error.strerror}")
    except OSError as error:
        raise HostError(f"{error.filename or place}: {error.strerror}", hint=f"df {place}") from error


def packages() -> frozenset[str]:
    """The names of this machine's packages; none without a database. Raises OSError."""
    return frozenset(dpkg.installed(_text(DPKG / "status")) if has_database() else ())


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _stamp() -> str:
    status = (DPKG / "status").stat()
    return f"{_FORMAT} {status.st_mtime_ns} {status.st_size} {status.st_ino}"


def _kept(place: Path) -> View | None:
    """The layer of an earlier command, if it is right for this machine now; it is held from here on."""
    try:
        stamp, digest, name, *folders = (
            files.read(place / _RECORD, _LARGEST).decode("utf-8", "surrogateescape").split("\0")
        )
        if stamp != _stamp() or not digest or not _held(place / name):
            return None
        for line in folders:
            changed, path = line.split(" ", 1)
            if Path(path).stat().st_mtime_ns != int(changed):
                return None
    except (OSError, ValueError):
        return None
    return View(digest, place / name)


def _held(layer: Path) -> bool:
    """Whether a layer is there, and protected from removal from here on."""
    descriptor = os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.lstat(layer)):
            return True
    except OSError:
        pass
    os.close(descriptor)
    return False


def _state() -> _Shown:
    """What the database says now. Raises OSError."""
    stamp = _stamp()  # before it is read: a change meanwhile makes the layer anew
    found = dpkg.installed(_text(DPKG / "status"))
    names = dpkg.essential(found)
    paths = (dpkg.inside(line) for name in names for line in _list(name, found[name].arch))
    shown = frozenset(path for path in paths if _LEFT_OUT.isdisjoint((path, "/".join(path.split("/", 3)[:3]))))
    links = dpkg.alternatives({path.name: _text(path) for path in (DPKG / "alternatives").iterdir()}, shown)
    texts = {f"{name} {found[name].version}" for name in names} | _lines(links)
    return _Shown(stamp, _digest(_FORMAT, *sorted(texts)), shown, links)


def _lines(links: Mapping[str, str]) -> set[str]:
    return {f"{name} -> {target}" for name, target in links.items()}


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode(errors="surrogateescape")).hexdigest()


def _list(name: str, arch: str) -> list[str]:
    """The paths of a package."""
    for word in (f"{name}.list", f"{name}:{arch}.list"):
        with contextlib.suppress(FileNotFoundError):
            return _text(DPKG / "info" / word).splitlines()
    return []


def _made(place: Path) -> View:
    """Make the layer; the caller holds the lock of `place`. What a killed command left is removed. Raises OSError."""
    from xsrc.base.disk import shelf

    new = place / _NEW
    remove_tree(new)
    make_folder(new)
    _whiteout(new / "first")  # before the work that is in vain where none can be made
    (new / "first").unlink()
    state, scan = _state(), _Scan()
    scan.look(state)
    name = _digest(*sorted(scan.hidden | _lines(state.links)))[:16]
    if not (place / name).is_dir():
        _fill(new, scan.hidden, state.links)
        os.rename(new, place / name)  # so no half of it ever has this name
    record = (state.stamp, state.digest, name, *scan.folders)
    files.replace(place / _RECORD, "\0".join(record).encode(errors="surrogateescape"))
    _held(place / name)
    for other in os.listdir(place):
        if other not in (name, _RECORD):
            with contextlib.suppress(XsrcError, OSError):  # another command has it in use
                shelf.remove(place, other)
    return View(state.digest, place / name)


class _Scan:
    """A look at all that is shown: what is hidden there, and what tells that a folder has changed since."""

    def __init__(self) -> None:
        self.hidden: set[str] = set()
        self.folders: list[str] = []

    def look(self, state: _Shown) -> None:
        """Look at /usr, and at /bin and the like where these are no links into it. Raises OSError."""
        ways = {path.rpartition("/")[0] for path in state.shown}
        parents = {"/".join(parts[:n]) for parts in (way.split("/") for way in ways) for n in range(1, len(parts) + 1)}
        todo = [("/usr", "usr"), *((f"/{top}", f"usr/{top}") for top in _apart())]
        while todo:
            folder, inside = todo.pop()
            changed, count = Path(folder).stat().st_mtime_ns, len(self.hidden)  # before it is read
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = f"{inside}/{entry.name}"
                    if path in parents and entry.is_dir(follow_symlinks=False):
                        todo.append((entry.path, path))
                    elif path not in state.shown and not _is_choice(entry, state.links):
                        self.hidden.add(path)
            if len(self.hidden) > count or inside.count("/") < _DEEP:
                self.folders.append(f"{changed} {folder}")


def _is_choice(entry: os.DirEntry[str], links: Mapping[str, str]) -> bool:
    """Whether a path is a link of an alternative that is shown; no package owns these links."""
    if not entry.is_symlink():
        return False
    target = str(Path(entry.path).readlink())
    return target.startswith(_ALTERNATIVES) and target.removeprefix(_ALTERNATIVES) in links


def _apart() -> list[str]:
    """The folders at the top of this machine that are not merged into /usr."""
    return [top for top in MERGED if Path("/", top).is_dir() and not Path("/", top).is_symlink()]


def _fill(layer: Path, hidden: Iterable[str], links: Mapping[str, str]) -> None:
    """Make whiteouts of the hidden paths, and a folder `alternatives`. Raises OSError."""
    ways = {"alternatives", "usr", *(f"usr/{top}" for top in _apart())}
    for path in hidden:
        parts = path.split("/")
        ways.update("/".join(parts[:count]) for count in range(1, len(parts)))
    for way in sorted(ways):
        make_folder(layer / way)
    for name, target in links.items():
        (layer / "alternatives" / name).symlink_to(target)
    first = layer / "first"
    _whiteout(first)
    for path in hidden:  # all are one inode: to make thousands takes a busy file system seconds
        try:
            os.link(first, layer / path, follow_symlinks=False)
        except OSError as error:
            if error.errno != errno.EMLINK:
                raise
            _whiteout(layer / path)
    first.unlink()


def _whiteout(path: Path) -> None:
    """Make a whiteout. Raises OSError; PermissionError of _NEW where nobody may make one."""
    try:
        os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
    except PermissionError as error:
        raise PermissionError(error.errno, error.strerror, _NEW) from None
