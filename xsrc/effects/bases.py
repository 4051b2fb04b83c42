"""Finished bases, each in a folder of its own: unpacked, sealed read-only with its record, taken along as one file."""

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

from xsrc.effects import files, machine
from xsrc.effects.builds import entries
from xsrc.effects.destdir import close, remove_tree, replace_tree, seal
from xsrc.effects.files import Below
from xsrc.errors import ArchiveError, ConflictError, HostError, UsageError
from xsrc.model.base import Record, fitting
from xsrc.model.manifest import FILES, Manifest
from xsrc.model.settings import Limits

if TYPE_CHECKING:  # every command looks at bases; few need what archives are read by
    import tarfile

    from xsrc.effects.distdir import OpenFile

RECORD = "base.toml"
NEW = ".new"
"""Where a base grows until it is sealed; what is there when a command begins was cut off."""

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


def choose(wish: str, folder: Path) -> Record:
    """The finished base that is meant; raises HostError for none, UsageError where it might be one of several."""
    records = {record.name: record for record in every(folder)}
    fit = fitting(wish, records)
    if len(fit) > 1:
        fit = fitting(f"{wish}-{machine.debian_release()}", fit) or fit
    if len(fit) > 1:
        raise UsageError(f"base {wish}: there is {', '.join(fit)}", hint=f"--base {fit[0]}")
    if not fit:
        kind = wish if wish.startswith(("debian:", "source")) else "debian"
        there = f"there is {', '.join(records)}, and host" if records else "there is none but host"
        raise HostError(f"no base {wish} in {folder}: {there}", hint=f"xsrc bootstrap --from {kind}")
    return records[fit[0]]


def hold(folder: Path) -> None:
    """Keep a base from being removed or replaced as long as this process, or one that it forks, lives.

    Raises ConflictError while that is being done, HostError when it is not there.
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
    """Remove what was cut off; the lock of the folder is held by the caller."""
    for path in (bases / NEW, *bases.glob(f"{_GOING}*")):
        remove_tree(path)


def remove(bases: Path, name: str) -> None:
    """Remove a base that nothing uses; raises ConflictError for one that is in use."""
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
    """Unpack the files and directories of an archive, each where `place` says; gives its links, which are not made.

    As long as there is no link below `top`, nothing can be led out of it, and several archives may be unpacked at the
    same time. `text` is what a link at a path is to say. Raises ArchiveError, also for a file that is there already.
    """
    from xsrc.effects.extract import admitted, read_whole
    from xsrc.effects.policy import Policy

    links = {}
    with read_whole(archive):
        for member, data in admitted(archive, Policy(archive.name, "", 0, limits)):
            path = place(member.name)
            if path is None:
                continue
            if member.issym():
                links[path] = text(path, member.linkname)
                continue
            at = top / path
            (at if member.isdir() else at.parent).mkdir(parents=True, exist_ok=True)
            try:
                if member.islnk():
                    os.link(top / (place(member.linkname) or ""), at, follow_symlinks=False)
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
    """Make the links of a base, the last of its paths; raises ArchiveError where something else is in the way."""
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
    """Copy files and links to their paths below a new base. Raises OSError, also where something is there already."""
    top.mkdir(exist_ok=True)
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
    """What a base holds now. Raises OSError."""
    return Manifest.of(entry for entry in entries(top, hashed=True) if entry.path != RECORD)


def finish(bases: Path, name: str, arch: str, release: str, packages: Mapping[str, str]) -> Record:
    """Record, seal and bring to its place what was made in `.new`; raises ConflictError when `name` is in use."""
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
    """Write a base as one zstd tar, the same for the same base. Raises OSError."""
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
    """Unpack what `export` wrote and bring it to its place, if it is what its own record says.

    Raises ArchiveError for anything else, and ConflictError where there is another base of its name, unless `replace`.
    """
    from xsrc.effects.distdir import OpenFile

    new = bases / NEW
    new.mkdir(parents=True)
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
