"""Checks, through open descriptors, that nobody else could have written what xsrc is about to use."""

from __future__ import annotations

import contextlib
import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from xsrc.core.errors import HostError
from xsrc.core.trust import EVERY, ROOT, Seen, Trust

SAFE = "XSRC_SAFE_DIRECTORIES"
"""The variable that names further safe directories, a colon between each two."""
LARGEST = 1 << 20
"""Bytes of the largest file of settings."""

_DIRECTORY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def safe_directories(words: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """The directories that the user's settings and environment vouch for, without links."""
    named = (*words, *env.get(SAFE, "").split(":"))
    return tuple(word if word == EVERY else os.path.realpath(os.path.expanduser(word)) for word in named if word)  # noqa: PTH111


def check(what: str, path: Path, trust: Trust) -> None:
    """Refuse a directory that somebody else could write, or could exchange for another one.

    `what` names it in the error. Raises HostError, FileNotFoundError or another OSError.
    """
    with opened(what, Path(os.path.realpath(path)), trust, _DIRECTORY):
        pass


def check_new(what: str, path: Path, trust: Trust) -> None:
    """Refuse a directory as `check` does; if it is missing, check the directory in which it would be made.

    Raises HostError.
    """
    real = Path(os.path.realpath(path))
    there = next(up for up in (real, *real.parents) if os.path.lexists(up))
    try:
        with opened(what, there, trust, _DIRECTORY, on_the_way=there != real):
            pass
    except OSError as error:
        hint = "choose another place, or a directory that you can enter"
        raise HostError(f"{what} {path}: {error.strerror}: {error.filename}", hint=hint) from error


def check_shared(what: str, path: Path, trust: Trust) -> None:
    """Refuse a folder of distfiles as `check_new` does, but for one that a team shares.

    A group that this process is in may write a team's folder, and others may not. Whoever put a distfile there, it is
    verified before it is used. Raises HostError or OSError.
    """
    real = Path(os.path.realpath(path))
    with contextlib.suppress(FileNotFoundError):
        status = real.stat()
        mine = status.st_gid in (os.getegid(), *os.getgroups())
        if status.st_mode & stat.S_IWGRP and mine and not status.st_mode & stat.S_IWOTH:
            with opened(what, real.parent, trust, _DIRECTORY, on_the_way=True):
                return
    check_new(what, real, trust)


def check_below(what: str, top: Path, names: Iterable[str], trust: Trust) -> None:
    """Refuse, as `check` does, the directories that have `names` in `top`; a missing one is fine, a link is not.

    Raises HostError or OSError.
    """
    real = Path(os.path.realpath(top))
    with opened(what, real, trust, _DIRECTORY) as above:
        for name in names:
            try:
                descriptor = os.open(name, _DIRECTORY, dir_fd=above)
            except FileNotFoundError:
                continue
            except NotADirectoryError:  # which the kernel says of a link, too
                hint = _look(real)
                if (real / name).is_symlink():
                    hint = "no link is followed there: move all of it (-m DIR), or mount --bind the other one"
                raise HostError(f"{real / name}: want a directory, found a link or a file", hint=hint) from None
            try:
                if not trust.vouched(real / name):
                    _judge(what, real / name, descriptor, trust)
            finally:
                os.close(descriptor)


def read(what: str, path: Path, trust: Trust, *, follow: bool = False) -> bytes:
    """The content of a small file that nobody else could have written; with `follow`, links to it count as well.

    Raises HostError; FileNotFoundError, NotADirectoryError or PermissionError as open(2) does.
    """
    if follow:
        check(f"the folder of {what}", path.parent, trust)
    real = Path(os.path.realpath(path)) if follow else Path(os.path.realpath(path.parent), path.name)
    if not follow and real.is_symlink():
        raise HostError(f"{what} {path}: want a file, found a link to {real.readlink()}", hint=_look(path))
    with opened(what, real, trust, _READ) as descriptor:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST:
            raise HostError(f"{what} {path}: want a file of at most {LARGEST >> 10} KiB", hint=_look(path))
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(LARGEST)


def writer_of(path: str, folder: os.stat_result) -> str:
    """Who, in words, could change a file or directory below the trusted `folder`, but not that folder; "" for nobody.

    Raises OSError.
    """
    seen = os.lstat(path)
    if (seen.st_uid, seen.st_mode & 0o022) == (folder.st_uid, 0) or folder.st_mode & stat.S_IWOTH:
        return ""  # whoever vouches for a folder that everybody can write vouches for all that is in it
    if folder.st_mode & stat.S_IWGRP and folder.st_gid == seen.st_gid and not seen.st_mode & stat.S_IWOTH:
        return ""  # it is a team's, as the folder is
    private = bool(seen.st_mode & stat.S_IWGRP) and _private(seen)
    match Trust.of(os.geteuid(), folder.st_uid).writer(Seen(seen.st_uid, seen.st_mode, private)):
        case "owner":
            return user_name(seen.st_uid)
        case "group":
            return f"group {_group_name(seen.st_gid)}"
        case other:
            return "everybody" if other else ""


@contextlib.contextmanager
def opened(what: str, real: Path, trust: Trust, flags: int, *, on_the_way: bool = False) -> Iterator[int]:
    """Open a path without links name by name, and check each directory on the way and the last item.

    With `on_the_way`, the last one may be sticky too. Raises HostError if somebody else could write, and OSError.
    """
    vouched = trust.vouched(real)
    here, descriptor = Path("/"), os.open("/", _DIRECTORY)
    try:
        for name in (*real.parts[1:], None):
            if not vouched:
                _judge(what, real, descriptor, trust, here, on_the_way=on_the_way or name is not None)
            if name is not None:
                here = here / name
                below = os.open(name, flags if here == real else _DIRECTORY, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
    except OSError as error:
        os.close(descriptor)
        error.filename = str(here)
        raise
    except BaseException:
        os.close(descriptor)
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _judge(
    what: str, path: Path, descriptor: int, trust: Trust, here: Path | None = None, *, on_the_way: bool = False
) -> None:
    """Refuse an open file or directory if somebody else could write it: `path`, or the directory `here` on the way."""
    status = os.fstat(descriptor)
    group = bool(status.st_mode & stat.S_IWGRP) and not status.st_mode & stat.S_IWOTH
    private, acl = (_private(status), _acl(descriptor)) if group else (False, False)
    seen = Seen(status.st_uid, status.st_mode, private, acl)
    writer = trust.writer(seen, on_the_way=on_the_way)
    if writer is None:
        return
    at = here or path
    shown = f"{what} {path}" + ("" if at == path else f": {at}")
    allow = f"add {str(path)!r} to safe_directories in your own settings, or to {SAFE}"
    if writer == "owner":
        wanted = " or ".join(user_name(uid) for uid in sorted(trust.uids, reverse=True))
        raise HostError(
            f"{shown} belongs to {user_name(status.st_uid)}, want {wanted}: another user could have written it",
            hint=f"if you trust {user_name(status.st_uid)}, {allow}",
        )
    whose = "everybody" if writer == "others" else f"group {_group_name(status.st_gid)}"
    raise HostError(
        f"{shown} can be written by {whose} (mode {stat.S_IMODE(status.st_mode):04o}), want its owner alone",
        hint=f"chmod {'go' if writer == 'others' else 'g'}-w {shlex.quote(str(at))}; or, if you trust them, {allow}",
    )


def _private(status: os.stat_result) -> bool:
    """Whether the group of a file is its owner's own: of the same name, his first, and without other members."""
    import grp  # asked where a group may write only: most trees are made with umask 022
    import pwd

    if status.st_uid == status.st_gid == ROOT:
        return True
    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    own = owner.pw_gid == status.st_gid and group.gr_name == owner.pw_name
    return own and set(group.gr_mem) <= {owner.pw_name}


def _acl(descriptor: int) -> bool:
    try:
        os.getxattr(f"/proc/self/fd/{descriptor}", "system.posix_acl_access")
    except OSError:  # there is none, or the file system knows none
        return False
    return True


def user_name(uid: int) -> str:
    """The name of a user, or the number of one who has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _look(path: Path) -> str:
    return f"ls -ld {shlex.quote(str(path))}"
