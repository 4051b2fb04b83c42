"""Finds the helpers that enter sandboxes, and checks whether this user may safely use them (SECURITY: R38)."""

from __future__ import annotations

import os
import shlex
import stat
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import prctl
import xattr

from xsrc.core.errors import HostError, UsageError
from xsrc.sandbox.checks import Trouble
from xsrc.unix.mounts import Mount, mount_of, mount_table

SYSTEM = Path("/usr/local/libexec/xsrc")
"""Where helpers/setup puts the helpers with capabilities; compiled into xsrc-mount too."""

WANTED: Mapping[str, str] = MappingProxyType(
    {"xsrc-mount": "cap_net_admin,cap_sys_admin=ep", "xsrc-chroot": "cap_sys_chroot=ep"}
)
"""The capabilities that helpers/setup sets on the files of the helpers, as setcap(8) writes them."""


@dataclass(frozen=True)
class Helpers:
    """The helper to start with, its mode, and why the better mode is not possible."""

    mount: Path
    userns: bool
    note: str | None = None

    @property
    def mode(self) -> str:
        return "user namespace" if self.userns else "capabilities"


def plain_folders(env: Mapping[str, str]) -> tuple[Path, ...]:
    """Where helpers without capabilities may be."""
    home = Path(env.get("HOME", "/nonexistent"))
    data = Path(env.get("XDG_DATA_HOME") or home / ".local/share")
    return SYSTEM / "plain", data / "xsrc/libexec"


def find_helpers(env: Mapping[str, str]) -> Helpers:
    """The helpers to use: those with capabilities if they are sound and this user may run them.

    XSRC_ISOLATION=caps or =userns in `env` chooses one mode. Raises HostError if no helper can be used.
    Raises UsageError for any other value.
    """
    asked = env.get("XSRC_ISOLATION", "")
    if asked not in ("", "caps", "userns"):
        raise UsageError(f"XSRC_ISOLATION: want caps or userns, got {asked!r}", hint="unset XSRC_ISOLATION")
    trouble = capability_trouble(SYSTEM)
    why = trouble.found if trouble else None
    if trouble is None and asked != "userns":
        return Helpers(SYSTEM / "xsrc-mount", userns=False)
    if asked == "caps":
        raise HostError(f"the helpers with capabilities cannot be used: {why}", hint="xsrc doctor")
    for folder in plain_folders(env):
        if os.access(folder / "xsrc-mount", os.X_OK) and os.access(folder / "xsrc-chroot", os.X_OK):
            return Helpers(folder / "xsrc-mount", userns=True, note=None if asked else why)
    raise HostError(f"no helper to enter a sandbox with: {why}", hint="run helpers/setup in the tree")


def capability_trouble(folder: Path) -> Trouble | None:
    """Why this user cannot use the helpers with capabilities in `folder`, or None (SECURITY: R38).

    Each function that it calls checks one condition; `xsrc doctor` calls the same ones, one after another.
    """
    for name in WANTED:
        if trouble := helper_file(folder / name) or runnable(folder / name):
            return trouble
    return process_powers() or way_to(folder) or remount(folder, os.ST_NOSUID, "suid", mount_table())


def helper_file(path: Path, setup: str = "helpers/setup", group: str | None = None) -> Trouble | None:
    """Check a helper with capabilities: its kind, owner, mode and capabilities.

    With `group` it must be as helpers/setup installs it. Without, its group does not matter, and it may lack
    cap_net_admin: then a build has no `lo`, and works. If somebody else could write a helper, it never gets
    capabilities again: setup replaces it by a new one.
    """
    wanted = WANTED[path.name]
    name = shlex.quote(str(path))
    give, anew = f"setcap {wanted} {name}  # as root", f"rm {name} && {setup}  # as root"
    try:
        status = path.lstat()
    except FileNotFoundError:
        return Trouble(f"{path} is not installed", f"{setup}  # as root")
    except OSError as error:
        return Trouble(f"{path}: {error.strerror}", f"{setup}  # as root")
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        return Trouble(f"{path} is not a file", anew)
    if status.st_uid != 0:
        return Trouble(f"{path} belongs to uid {status.st_uid}, not to root", anew)
    if mode & 0o022:
        return Trouble(f"{path} can be written by others than root: mode {mode:04o}", anew)
    if group and group_name(status.st_gid) != group:
        found = f"{path} belongs to group {group_name(status.st_gid)}, not to {group}"
        return Trouble(found, f"chgrp {group} {name} && {give}")  # chgrp takes capabilities away
    if group and mode != 0o750:
        return Trouble(f"{path} has mode {mode:04o}, not 0750", f"chmod 0750 {name}  # as root")
    enough = {wanted} if group else {wanted, wanted.replace("cap_net_admin,", "")}
    if (has := file_capabilities(path)) not in enough:
        return Trouble(f"{path} carries {has or 'no capabilities'}, not {wanted}", give)
    return None


def runnable(path: Path) -> Trouble | None:
    """Whether this user may not run a helper. Raises OSError if there is none."""
    if os.access(path, os.X_OK):
        return None
    group = group_name(path.lstat().st_gid)
    return Trouble(f"this user is not in group {group} (or was added to it after this login)", f"newgrp {group}")


def group_name(gid: int) -> str:
    """The name of a group, or its number if it has none."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def way_to(folder: Path) -> Trouble | None:
    """Whether this user cannot reach `folder`, or whether anybody but root could replace a file there."""
    for parent in (*reversed(folder.parents), folder):
        name = shlex.quote(str(parent))
        if not os.access(parent, os.X_OK):
            return Trouble(f"{parent} is closed to this user", f"chmod a+rx {name}  # as root")
        status = parent.stat()
        if status.st_uid != 0 or (status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
            return Trouble(
                f"{parent} can be written by others than root", f"chown root {name} && chmod go-w {name}  # as root"
            )
    return None


def remount(path: Path, flag: int, word: str, table: Iterable[Mount]) -> Trouble | None:
    """Whether `path` is on a mount with the flag noWORD."""
    if not os.statvfs(path).f_flag & flag:
        return None
    mount = mount_of(path, table)
    point = mount.point if mount else "/"
    return Trouble(f"{point} is mounted with no{word}", f"mount -o remount,bind,{word} {shlex.quote(point)}  # as root")


def process_powers() -> Trouble | None:
    """Whether this process may gain the capabilities of the helpers' files."""
    if prctl.get_no_new_privs():
        return Trouble(
            "no_new_privs is set for this process, so capabilities of files mean nothing",
            "log in anew  # in a container: docker run --security-opt no-new-privileges=false",
        )
    names = ("sys_admin", "net_admin", "sys_chroot")
    lacking = [f"CAP_{name.upper()}" for name in names if not getattr(prctl.capbset, name)]
    if lacking:
        return Trouble(
            f"this process may never have {', '.join(lacking)} (its bounding set)",
            "log in anew  # in a container: docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN",
        )
    return None


def file_capabilities(path: Path) -> str:
    """The capabilities of a file, by number and as setcap(8) takes them; nothing if there are none."""
    try:
        # struct vfs_cap_data: a word of version and flags, then two words each of permitted and inheritable bits
        data = xattr.get(os.fspath(path), "security.capability", nofollow=True)
        words: tuple[int, ...] = struct.unpack_from("<5I", data)
    except (OSError, struct.error):
        return ""
    permitted, inherited = words[1] | words[3] << 32, words[2] | words[4] << 32
    names = [_CAPABILITIES.get(n, f"cap_{n}") for n in range(64) if (permitted | inherited) >> n & 1]
    sets = (("e", words[0] & 1), ("i", inherited), ("p", permitted))
    return f"{','.join(names)}={''.join(letter for letter, held in sets if held)}"


_CAPABILITIES: Mapping[int, str] = MappingProxyType(
    {number: f"cap_{name}" for number, name in zip(prctl.ALL_CAPS, prctl.ALL_CAP_NAMES, strict=True)}
)
