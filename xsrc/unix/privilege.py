"""Drops root: whatever root starts, the build user does the work."""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from collections.abc import Iterable
from pathlib import Path

from xsrc.core.errors import HostError
from xsrc.core.trust import Trust
from xsrc.unix.trust import opened, user_name

USER = "xbuild"

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def builder() -> pwd.struct_passwd:
    """The user who builds for root. Raises HostError where there is none."""
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        raise HostError(f"xsrc does not build as root, and there is no user {USER}", hint="run helpers/setup") from None


def become_builder(trees: Iterable[Path], places: Iterable[Path]) -> None:
    """Turn this process from root into the build user, for good.

    The build user reads `trees` and writes in `places`: root makes a place that is missing, and changes nothing that
    exists. Raises HostError, in one line with what to do, when the user is missing or cannot use any of them.
    """
    user = builder()
    places = tuple(Path(os.path.realpath(place)) for place in places)
    for place in places:
        _provide(place, user)
    os.initgroups(USER, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    for path in (*trees, *places):
        if not os.access(path, os.R_OK | os.X_OK):
            first = next(up for up in reversed((path, *path.parents)) if not os.access(up, os.X_OK))
            raise HostError(
                f"user {USER}, who builds for root, cannot reach {path}: {first} is closed to it",
                hint=f"chmod o+x {first}, or keep the tree where others can read it, such as /srv/xsrc",
            )


def _provide(place: Path, user: pwd.struct_passwd) -> None:
    """Make a directory of the build user's, in a directory of root's; one that exists must be the build user's already.

    Every step goes by descriptor: nobody who could exchange a name may lead root to another file.
    """
    install = f"install -d -o {USER} -g {USER} {shlex.quote(str(place))}"
    try:
        status = place.lstat()
    except FileNotFoundError:
        status = None
    except OSError as error:
        raise HostError(f"{place}: {error.strerror}", hint="choose another place with -m") from error
    if status is not None:
        if not stat.S_ISDIR(status.st_mode):
            raise HostError(f"{place}: want a directory, found a file", hint="choose another place with -m")
        if status.st_uid != user.pw_uid:
            owner = user_name(status.st_uid)
            hint = f"run xsrc as {owner}, or choose another place with -m" if status.st_uid else install
            raise HostError(f"{place} belongs to {owner}, not to {USER}, who builds for root", hint=hint)
        return
    try:
        with opened("the place for", place.parent, Trust.of(user.pw_uid), _DIRECTORY, on_the_way=True) as above:
            if os.fstat(above).st_uid == user.pw_uid:
                return  # the build user makes it
            os.mkdir(place.name, 0o700, dir_fd=above)
            made = os.open(place.name, _DIRECTORY, dir_fd=above)
            try:
                if os.fstat(made).st_uid != 0:
                    raise HostError(f"{place}: somebody else made it meanwhile", hint=install)
                os.fchown(made, user.pw_uid, user.pw_gid)
                os.fchmod(made, 0o755)
            finally:
                os.close(made)
    except OSError as error:
        raise HostError(f"cannot make {place}: {error.strerror}: {error.filename}", hint=install) from error
