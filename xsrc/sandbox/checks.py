"""Checks the texts that were read of an installation, and names the command that repairs a problem."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

FLOOR = (5, 12)
"""The oldest Linux that the helpers work on: mount_setattr(2)."""


@dataclass(frozen=True)
class Trouble:
    """A problem, and a shell command that repairs it; its comment says who runs it, and names alternatives."""

    found: str
    mend: str = ""


def kernel(release: str) -> Trouble | None:
    """Whether a kernel is too old.

    >>> kernel("5.10.0-28-amd64").found, kernel("6.18.44+rt"), kernel("5.12-rc1")
    ('5.10.0-28-amd64', None, None)
    """
    numbers = []
    for part in release.split("-")[0].split("+")[0].split(".")[:2]:
        digits = "".join(c for c in part if c.isdigit())
        numbers.append(int(digits or 0))
    wanted = ".".join(map(str, FLOOR))
    return Trouble(release, f"boot Linux {wanted} or newer") if tuple(numbers) < FLOOR else None


def apparmor(label: str) -> Trouble | None:
    r"""Whether a profile of AppArmor that can deny mounts and namespaces is laid on a process; `label` is its label.

    >>> apparmor("docker-default (enforce)\n").found
    'AppArmor profile docker-default is enforced: it may deny mounts and namespaces'
    >>> apparmor("unconfined\n"), apparmor("mine (complain)"), apparmor("")
    (None, None, None)
    """
    name, _, how = label.strip("\0\n ").rpartition(" ")
    if how != "(enforce)":
        return None
    return Trouble(
        f"AppArmor profile {name} is enforced: it may deny mounts and namespaces",
        f"aa-complain {shlex.quote(name)}  # as root; for a container: docker run --security-opt apparmor=unconfined",
    )


def overlays(filesystems: str) -> Trouble | None:
    r"""Whether the kernel has no overlays, by the text of /proc/filesystems.

    >>> overlays("nodev\tproc\nnodev\toverlay\n"), overlays("\text4\n").mend
    (None, 'modprobe overlay  # as root')
    """
    if any(line.split()[-1:] == ["overlay"] for line in filesystems.splitlines()):
        return None
    return Trouble("this kernel has no overlay file system loaded", "modprobe overlay  # as root")
