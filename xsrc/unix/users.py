"""The names of this process's user."""

from __future__ import annotations

import os
import platform
import pwd
from collections.abc import Iterable
from pathlib import Path

from xsrc.unix import files

_LARGEST = 1 << 20
"""Bytes of the largest passwd that xsrc reads."""


def add_user(etc: Path, name: str, home: str, more_groups: Iterable[int] = ()) -> None:
    """Give this process's uid and gid, and other groups, a name in the root's own passwd and group. Raises OSError."""
    users = {os.getuid(): f"{name}:x:{os.getuid()}:{os.getgid()}:{name}:{home}:/bin/sh\n"}
    groups = {number: f"group{number}:x:{number}:\n" for number in sorted(more_groups)}
    groups[os.getgid()] = f"{name}:x:{os.getgid()}:\n"
    for file, lines in (("passwd", users), ("group", groups)):
        text = files.read(etc / file, _LARGEST)
        more = "".join(line for number, line in lines.items() if f":x:{number}:".encode() not in text)
        if more:
            files.replace(etc / file, text + more.encode())


def user_name() -> str:
    """The name of this process's user."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def this_user() -> str:
    """Who runs this process, and where: USER@MACHINE."""
    return f"{user_name()}@{platform.node()}"
