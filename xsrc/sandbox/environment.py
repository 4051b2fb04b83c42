"""The environment of programs in sandboxes: the part that all share, and the one of people in the stowed root."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SHELL = "/bin/sh"
PATH = "/usr/bin:/usr/sbin:/bin:/sbin"

SCRIPTS: Mapping[str, str] = MappingProxyType(
    {
        "PATH": PATH,
        "HOME": "/tmp",  # noqa: S108 - the sandbox's own
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }
)
"""What every script finds: of phases and of triggers, whatever the user's own environment is."""

PEOPLE: Mapping[str, str] = MappingProxyType(
    {"PATH": PATH, "HOME": "/root", "SHELL": SHELL, "LANG": "C.UTF-8", "TERM": "dumb"}
)
"""What programs in the stowed root find."""
