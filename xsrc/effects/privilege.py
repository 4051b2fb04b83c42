"""Gives root up: whatever root starts, the work is done by the build user."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from pathlib import Path

from xsrc.errors import HostError

USER = "xbuild"


def become_builder(trees: Iterable[Path], masterdir: Path, *shared: Path | None) -> None:
    """Turn this process from root into the build user, for good.

    `trees` are what it will read; the masterdir, and what it may share with others, is made and given to it before.
    Raises HostError, in one line with what to do, when the user is missing or cannot reach any of them.
    """
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        raise HostError(f"xsrc does not build as root, and there is no user {USER}", hint="run helpers/setup") from None
    for path in (masterdir, *shared):
        if path is None:
            continue
        if not path.exists():
            try:
                path.mkdir(mode=0o755, parents=True)
            except OSError as error:
                raise HostError(f"cannot make {path}: {error.strerror}", hint="choose another place with -m") from error
            os.chown(path, user.pw_uid, user.pw_gid)
        elif (owner := path.stat().st_uid) not in (0, user.pw_uid):
            raise HostError(
                f"{path} belongs to {_name(owner)}, not to {USER}, who builds for root",
                hint=f"run xsrc as {_name(owner)}, or choose another place with -m",
            )
        elif owner == 0:
            os.chown(path, user.pw_uid, user.pw_gid)
    os.initgroups(USER, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    for path in (*trees, masterdir, *shared):
        if path is not None and not _reachable(path):
            first = next(up for up in reversed((path, *path.parents)) if not os.access(up, os.X_OK))
            raise HostError(
                f"user {USER}, who builds for root, cannot reach {path}: {first} is closed to it",
                hint=f"chmod o+x {first}, or keep the tree where others can read it, such as /srv/xsrc",
            )


def _reachable(path: Path) -> bool:
    return os.access(path, os.R_OK | os.X_OK)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
