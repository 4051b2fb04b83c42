"""Finished bases, each in its own folder: unpacks, seals, records, exports and imports them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from xsrc.core.base import Record, fitting
from xsrc.core.errors import ArchiveError, ConflictError, HostError, UsageError
from xsrc.core.settings import Limits
from xsrc.store.disk.seal import seal
from xsrc.store.disk.shelf import entries
from xsrc.store.manifest import FILES, Manifest
from xsrc.unix import files, machine
from xsrc.unix.files import Below
from xsrc.unix.trees import close, make_folder, remove_tree, replace_tree

if TYPE_CHECKING:  # every command looks at bases; few need what archives are read by
    import tarfile

    from xsrc.sources.disk.distdir import OpenFile

RECORD = "base.toml"
NEW = ".new"
"""The folder of a base until it is sealed; a folder from an earlier command is an interrupted one."""

_GOING = ".going-"
_LEVEL = 6
_LARGEST_RECORD, _LARGEST_LIST = 1 << 20, 256 << 20
"""Bytes that base.toml and files.plist may have."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def every(bases: Path) -> tuple[Record, ...]:
    """The finished bases below a folder, by name."""
    found = []
    for file in sorted(bases.glob(f"[!.]*/{RECORD}")):
        with contextlib.suppress(OSError, ValueError):
            record = Record.parse(files.read(file, _LARGEST_RECORD).decode())
            if record.name == file.parent.name:
                found.append(record)
    return tuple(found)


def choose(wish: str, folder: Path, hint: str | None = None) -> Record:
    """The finished base that `wish` means. Raises UsageError if there is none, and if there are several."""
    records = {record.name: record for record in every(folder)}
    fit = fitting(wish, records)
    if len(fit) > 1:
        fit = fitting(f"{wish}-{machine.debian_release()}", fit) or fit
    if len(fit) > 1:
        raise UsageError(f"base {wish}: there is {', '.join(fit)}", hint=f"--base {fit[0]}")
    if not fit:
        kind = wish if wish.startswith(("debian:", "source")) else "debian"
        there = f"there is {', '.join(records)}, and host" if records else "there is none but host"
        raise UsageError(f"no base {wish} in {folder}: {there}", hint=hint or f"xsrc bootstrap --from {kind}")
    return records[fit[0]]


def hold(folder: Path) -> None:
    """Protect a base from removal and replacement while this process, or one that it forks, lives.

    Raises ConflictError while another xsrc removes or replaces it, HostError if it does not exist.
    """
    _locked(folder, fcntl.LOCK_SH)


def _locked(folder: Path, how: int) -> int:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"{folder}: {error.strerror}", hint="xsrc bootstrap --list") from error
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ConflictError(f"{folder.name} is in use by another xsrc", hint="try again, once that is done") from None
    return descriptor


def sweep(bases: Path) -> None:
    """Remove the remains of interrupted commands; the caller holds the lock of the folder. Raises OSError."""
    for path in (bases / NEW, *bases.glob(f"{_GOING}*")):
        remove_tree(path)


def remove(bases: Path, name: str) -> None:
    """Remove an unused base. Raises ConflictError for one in use, HostError for a missing one, and OSError."""
    descriptor = _locked(bases / name, fcntl.LOCK_EX)
    try:
        going = bases / f"{_GOING}{name}"
        os.rename(bases / name, going)
        remove_tree(going)
    finally:
        os.close(descriptor)


def unpack(
    archive: OpenFile,
    top: Path,
    limits: Limits,
    place: Callable[[str], str | None] = lambda path: path,
    text: Callable[[str, str], str] = lambda path, target: target,
) -> dict[str, str]:
    """Unpack the files and directories of an archive, each to its `place`; return its links, which are not made.

    Without links below `top`, no path leads out of it, and several archives can be unpacked at the same time. `text`
    returns the text of a link at a path. Raises ArchiveError, also for a file that exists already.
    """
    from xsrc.sources.admission import Policy
    from xsrc.sources.disk.archives import admitted, read_whole

    links: dict[str, str] = {}
    texts: dict[str, str] = {}
    with read_whole(archive):
        for member, data in admitted(archive, Policy(archive.name, "", 0, limits)):
            path = place(member.name)
            if path is None:
                continue
            target = place(member.linkname) or "" if member.islnk() else ""
            if member.issym() or target in texts:
                texts[path] = texts.get(target, member.linkname)
                links[path] = text(path, texts[path])
                continue
            at = top / path
            (at if member.isdir() else at.parent).mkdir(parents=True, exist_ok=True)
            try:
                if member.islnk():
                    os.link(top / target, at, follow_symlinks=False)
                elif data is not None:
                    _write(at, data, member)
            except FileExistsError:
                raise ArchiveError(f"{archive.name}: /{path} is there already, from another package") from None
    return links


def _write(path: Path, data: IO[bytes], member: tarfile.TarInfo) -> None:
    with os.fdopen(os.open(path, _FLAGS, 0o600), "wb") as file:
        shutil.copyfileobj(data, file, 1 << 18)
        file.flush()
        os.fchmod(file.fileno(), member.mode & 0o555)
        os.utime(file.fileno(), (member.mtime, member.mtime))


def link(top: Path, links: Mapping[str, str]) -> None:
    """Make the links of a base, after all other paths. Raises ArchiveError if something else is in the way."""
    top.mkdir(parents=True, exist_ok=True)
    with Below(top) as at:
        for path in links:
            at.place(path, make=True)
        for path, target in sorted(links.items()):
            parent, name = at.place(path)
            try:
                os.symlink(target, name, dir_fd=parent)
            except FileExistsError:
                raise ArchiveError(f"/{path}: a link to {target} and a file or directory of another package") from None


def copy(top: Path, sources: Mapping[str, Path]) -> None:
    """Copy files and links to their paths below a new base. Raises OSError, also for a path that exists already."""
    if not top.exists():
        make_folder(top)
    with Below(top) as at:
        for path, source in sources.items():
            parent, name = at.place(path, make=True)
            if source.is_symlink():
                os.symlink(source.readlink(), name, dir_fd=parent)
                continue
            with files.opened(source) as old:
                status = os.fstat(old.fileno())
                with os.fdopen(os.open(name, _FLAGS, 0o600, dir_fd=parent), "wb") as new:
                    shutil.copyfileobj(old, new, 1 << 20)
                    new.flush()
                    os.fchmod(new.fileno(), stat.S_IMODE(status.st_mode))
                    os.utime(new.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))


def paths(top: Path) -> Iterator[str]:
    """Every plain file below a directory."""
    for folder, _, found in os.walk(top):
        for name in found:
            path = os.path.join(folder, name)  # noqa: PTH118 - a hundred thousand Paths
            if stat.S_ISREG(os.lstat(path).st_mode):
                yield os.path.relpath(path, top)


def manifest(top: Path) -> Manifest:
    """The present content of a base. Raises OSError, and BuildFailed if it changes meanwhile."""
    return Manifest.of(entry for entry in entries(top, hashed=True) if entry.path != RECORD)


def finish(bases: Path, name: str, arch: str, release: str, packages: Mapping[str, str]) -> Record:
    """Record and seal the base in `.new`, and move it to its place.

    Raises ConflictError if `name` is in use, BuildFailed if the base changes meanwhile, and OSError.
    """
    new, final = bases / NEW, bases / name
    found = manifest(new)
    text = found.render()
    files.create(new / FILES, text)
    record = Record(name, arch, release, hashlib.sha256(text).hexdigest(), found.size, packages)
    files.create(new / RECORD, record.render().encode())
    _bring(new, final)
    return record


def _bring(new: Path, final: Path) -> None:
    newest = max((int((new / path).stat().st_mtime) for path in paths(new) if path not in (RECORD, FILES)), default=0)
    seal(new, newest)
    os.utime(new, (newest, newest))
    close(new)
    former = _locked(final, fcntl.LOCK_EX) if final.exists() else None
    replace_tree(new, final)
    if former is not None:
        remove_tree(new)
        os.close(former)


def export(folder: Path, file: Path) -> None:
    """Write a base as one zstd tar, the same for the same base. Raises OSError, and ValueError for a bad list."""
    import tarfile

    import zstandard

    part = file.with_name(f".{file.name}.part")
    compressor = zstandard.ZstdCompressor(level=_LEVEL, threads=-1)
    try:
        with (
            part.open("wb") as out,
            compressor.stream_writer(out, closefd=False) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            listed = Manifest.parse(files.read(folder / FILES, _LARGEST_LIST))
            for path in (RECORD, FILES, *(entry.path for entry in listed.entries)):
                _add(tar, folder / path, path)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    member = tar.gettarinfo(path, name)
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = int(member.mtime)
    with contextlib.ExitStack() as stack:
        tar.addfile(member, stack.enter_context(files.opened(path)) if member.isreg() else None)
    tar.members.clear()  # type: ignore[attr-defined]  # else it keeps them all


def bring_in(file: Path, bases: Path, limits: Limits, *, replace: bool = False) -> Record:
    """Unpack the output of `export` and move it to its place, if it matches its own record.

    Raises ArchiveError for anything else, and OSError. Raises ConflictError if another base has its name, unless
    `replace` is set, or if that base is in use.
    """
    from xsrc.sources.disk.distdir import OpenFile

    new = bases / NEW
    bases.mkdir(parents=True, exist_ok=True)
    make_folder(new)
    hint = "xsrc bootstrap --export FILE"
    with file.open("rb") as packed:
        links = unpack(OpenFile(file.name, packed), new, limits)
    for name in (RECORD, FILES):
        if name in links:
            raise ArchiveError(f"{file}: {name} is a link to {links[name]!a}, want a file", hint=hint)
    try:  # before any link is made that could lead elsewhere
        record = Record.parse(files.read(new / RECORD, _LARGEST_RECORD).decode())
        listed = files.read(new / FILES, _LARGEST_LIST)
        link(new, links)
        found = manifest(new).render()
    except (OSError, ValueError) as error:
        raise ArchiveError(f"{file}: no exported base: {error}", hint=hint) from error
    if found != listed or hashlib.sha256(found).hexdigest() != record.digest:
        raise ArchiveError(f"{file}: its tree is not the one that its record, {record.digest[:12]}…, speaks of")
    if not replace and os.path.lexists(bases / record.name):
        if record in every(bases):
            return record
        raise ConflictError(
            f"there is another base {record.name}; nothing was changed",
            hint=f"xsrc bootstrap -f --import {shlex.quote(str(file))}",
        )
    _bring(new, bases / record.name)
    return record
