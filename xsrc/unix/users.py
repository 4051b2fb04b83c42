"""The names of this process's user."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from xsrc.unix import files

_LARGEST = 1 << 20
"""Bytes of the largest passwd that xsrc reads."""


def add_user(etc: Path, name: str, home: str) -> None:
    """Give this process's uid and gid a name in the root's own passwd and group. Raises OSError."""
    for file, line, number in (
        ("passwd", f"{name}:x:{os.getuid()}:{os.getgid()}:{name}:{home}:/bin/sh\n", os.getuid()),
        ("group", f"{name}:x:{os.getgid()}:\n", os.getgid()),
    ):
        text = files.read(etc / file, _LARGEST)
        if f":x:{number}:".encode() not in text:
            files.replace(etc / file, text + line.encode())


def user_name() -> str:
    """The name of this process's user."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
