"""Checks one piece of an installation at a time, and names the command that repairs it; no policy."""

from __future__ import annotations

import grp
import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from xsrc.sandbox.checks import Trouble
from xsrc.sandbox.disk.helpers import WANTED
from xsrc.unix.mounts import Mount, mount_of, mount_table

PROC_SYS = Path("/proc/sys")

_NAMESPACES = ("user", "mnt", "pid", "ipc", "uts", "net", "cgroup")
_MADE_TO_BE_COVERED = ("/proc/sys/fs/binfmt_misc",)
"""Directories that are always empty: a mount there hides nothing (is_empty_dir_inode in the kernel)."""


def nearest(path: Path) -> Path:
    """A path, or if it is missing or out of reach, the first path above it that is not."""
    return next(here for here in (path, *path.parents) if os.access(here, os.F_OK))


def writable(folder: Path, user: str) -> Trouble | None:
    """Whether this user cannot write a folder of their own."""
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    name = shlex.quote(str(folder))
    command = f"chmod u+rwx {name}  # or" if folder.stat().st_uid == os.getuid() else ""
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        mount = mount_of(folder, mount_table())
        command = f"mount -o remount,bind,rw {shlex.quote(mount.point if mount else '/')}  # as root; or"
    command = command or f"chown -R {user} {name}  # as root; or"
    return Trouble(f"{folder} is not writable", f"{command} choose another with -m DIR")


def membership(user: str, group: str, setup: str) -> Trouble | None:
    """Whether this process is in the group that may run the helpers with capabilities."""
    try:
        entry = grp.getgrnam(group)
    except KeyError:
        command = f"{setup} && usermod -aG {group} {user}  # as root; then log in again"
        return Trouble(f"there is no group {group}", command)
    if entry.gr_gid in (os.getgid(), *os.getgroups()):
        return None
    if user in entry.gr_mem:
        return Trouble(f"{user} was added to group {group} after this login", f"newgrp {group}  # or log in again")
    return Trouble(f"{user} is not in group {group}", f"usermod -aG {group} {user}  # as root; then log in again")


def plain_helper(folders: Iterable[Path], setup: str) -> Trouble | Path:
    """The first folder with usable plain helpers; else the problem of the first folder that has any."""
    for folder in (folders := tuple(folders)):
        if all(os.access(folder / name, os.X_OK) for name in WANTED):
            return folder
    for folder in folders:
        there = [folder / name for name in WANTED if os.access(folder / name, os.F_OK)]
        shut = [path for path in there if not os.access(path, os.X_OK)]
        if shut:
            mine = shut[0].stat().st_uid == os.getuid()
            command = f"chmod 0755 {shlex.quote(str(shut[0]))}"
            return Trouble(f"{shut[0]} cannot be run by this user", command + ("" if mine else "  # as root"))
        if there:
            return Trouble(f"in {folder} there is but {there[0].name}", setup)
    return Trouble("there are none", setup)


def switches(proc_sys: Path) -> Iterator[tuple[str, str, Trouble | None]]:
    """The settings below /proc/sys that forbid namespaces: name, value, trouble."""
    bad = {f"user.max_{name}_namespaces": ("0", "15000") for name in _NAMESPACES}
    bad["kernel.unprivileged_userns_clone"] = ("0", "1")
    bad["kernel.apparmor_restrict_unprivileged_userns"] = ("1", "0")
    for name, (wrong, right) in bad.items():
        try:
            value = (proc_sys / name.replace(".", "/")).read_text(encoding="utf-8").strip()
        except OSError:
            continue  # not every kernel has each of them
        mend = f"sysctl {name}={right}  # as root"
        yield name, value, Trouble(f"{value}: it forbids namespaces", mend) if value == wrong else None


def apparmor_label() -> str:
    """The label of this process, or nothing where there is no AppArmor."""
    if not Path("/sys/kernel/security/apparmor").is_dir():
        return ""  # of another security module: attr/current is its own
    try:
        return Path("/proc/self/attr/current").read_text(encoding="utf-8")
    except OSError:
        return ""


def masked_proc(table: Iterable[Mount]) -> Trouble | None:
    """Whether /proc is covered in part: then no user namespace may mount one of its own (mount_too_revealing)."""
    table = tuple(table)
    whole = [mount for mount in table if mount.kind == "proc" and mount.top == "/"]
    if not whole:
        return Trouble("no /proc is mounted", "mount -t proc proc /proc  # as root")
    covered: list[str] = []
    for proc in whole:
        over = [m.point for m in table if Path(proc.point) in Path(m.point).parents]
        hiding = [point for point in over if point.removeprefix(proc.point) not in _always_empty()]
        if not hiding:
            return None
        covered = covered or hiding
    points = " ".join(map(shlex.quote, sorted(set(covered), reverse=True)))
    return Trouble(
        f"{', '.join(sorted(set(covered)))} is mounted over: a user namespace gets no /proc of its own",
        f"umount {points}  # as root; for a container: docker run --security-opt systempaths=unconfined",
    )


def _always_empty() -> tuple[str, ...]:
    return tuple(path.removeprefix("/proc") for path in _MADE_TO_BE_COVERED)
