"""Checks one piece of an installation at a time, and names the command that repairs it; no policy."""

from __future__ import annotations

import grp
import os
import re
import shlex
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import prctl

from xsrc.sandbox.disk.enter import WANTED, file_capabilities

PROC_SYS = Path("/proc/sys")
FLOOR = (5, 12)
"""The oldest Linux that the helpers work on: mount_setattr(2)."""

_NAMESPACES = ("user", "mnt", "pid", "ipc", "uts", "net", "cgroup")
_MADE_TO_BE_COVERED = ("/proc/sys/fs/binfmt_misc",)
"""Directories that are always empty: a mount there hides nothing (is_empty_dir_inode in the kernel)."""


@dataclass(frozen=True)
class Trouble:
    """A problem, and a shell command that repairs it; its comment says who runs it, and names alternatives."""

    found: str
    mend: str = ""


@dataclass(frozen=True)
class Mount:
    """One line of a mount table (proc_pid_mountinfo(5))."""

    point: str
    kind: str
    options: tuple[str, ...]
    top: str = "/"


_OCTAL = re.compile(r"\\(040|011|012|134|043)")
"""How the kernel writes a blank, a tab, a line's end, a backslash and a # in names (mangle in fs/proc_namespace.c)."""


def mounts(text: str) -> tuple[Mount, ...]:
    r"""The mount table that a text holds.

    >>> mounts(r"36 35 98:0 / /mnt\040a rw,nosuid master:1 - ext4 /dev/root rw")
    (Mount(point='/mnt a', kind='ext4', options=('rw', 'nosuid'), top='/'),)
    """
    found = []
    for line in text.split("\n"):
        words = [_OCTAL.sub(lambda hit: chr(int(hit[1], 8)), word) for word in line.split(" ")]
        if "-" in words[6:-1]:
            kind = words[words.index("-", 6) + 1]
            found.append(Mount(words[4], kind, tuple(words[5].split(",")), words[3]))
    return tuple(found)


def mount_table() -> tuple[Mount, ...]:
    """The mounts that this process sees. Raises OSError."""
    return mounts(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))


def mount_of(path: Path, table: Iterable[Mount]) -> Mount | None:
    """The mount that a path lies on: the longest mount point above it, and of several there the last."""
    above = {str(path), *map(str, path.parents)}
    return max((mount for mount in table if mount.point in above), key=lambda m: len(m.point), default=None)


def below(tops: Iterable[Path], table: Iterable[Mount]) -> list[Mount]:
    """The mounts that lie below one of these directories: no overlay may hide or uncover what they hold."""
    return [mount for mount in table if any(top in Path(mount.point).parents for top in tops)]


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


def helper_file(path: Path, group: str, setup: str) -> Trouble | None:
    """Check a helper with capabilities against helpers/setup: owner, group, mode, capabilities.

    If somebody else could write a helper, it never gets capabilities again: setup replaces it by a new one.
    """
    wanted = WANTED[path.name]
    name = shlex.quote(str(path))
    give, anew = f"setcap {wanted} {name}  # as root", f"rm {name} && {setup}  # as root"
    try:
        status = path.lstat()
    except OSError as error:
        return Trouble(f"{path}: {error.strerror}", f"{setup}  # as root")
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        return Trouble(f"{path} is not a file", anew)
    if status.st_uid != 0:
        return Trouble(f"{path} belongs to uid {status.st_uid}, not to root", anew)
    if mode & 0o022:
        return Trouble(
            f"{path} can be written by others than root: mode {mode:04o}", f"rm {name} && {setup}  # as root"
        )
    if _group_name(status.st_gid) != group:
        found = f"{path} belongs to group {_group_name(status.st_gid)}, not to {group}"
        return Trouble(found, f"chgrp {group} {name} && {give}")  # chgrp takes capabilities away
    if mode != 0o750:
        return Trouble(f"{path} has mode {mode:04o}, not 0750", f"chmod 0750 {name}  # as root")
    if (has := file_capabilities(path)) != wanted:
        return Trouble(f"{path} carries {has or 'no capabilities'}, not {wanted}", give)
    return None


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def nearest(path: Path) -> Path:
    """A path, or if it is missing or out of reach, the first path above it that is not."""
    return next(here for here in (path, *path.parents) if os.access(here, os.F_OK))


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


def remount(path: Path, flag: int, word: str, table: Iterable[Mount]) -> Trouble | None:
    """Whether `path` is on a mount with the flag noWORD."""
    if not os.statvfs(path).f_flag & flag:
        return None
    mount = mount_of(path, table)
    point = mount.point if mount else "/"
    return Trouble(f"{point} is mounted with no{word}", f"mount -o remount,bind,{word} {shlex.quote(point)}  # as root")


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
            value = (proc_sys / name.replace(".", "/")).read_text().strip()
        except OSError:
            continue  # not every kernel has each of them
        mend = f"sysctl {name}={right}  # as root"
        yield name, value, Trouble(f"{value}: it forbids namespaces", mend) if value == wrong else None


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


def apparmor_label() -> str:
    """The label of this process, or nothing where there is no AppArmor."""
    if not Path("/sys/kernel/security/apparmor").is_dir():
        return ""  # of another security module: attr/current is its own
    try:
        return Path("/proc/self/attr/current").read_text()
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


def overlays(filesystems: str) -> Trouble | None:
    r"""Whether the kernel has no overlays, by the text of /proc/filesystems.

    >>> overlays("nodev\tproc\nnodev\toverlay\n"), overlays("\text4\n").mend
    (None, 'modprobe overlay  # as root')
    """
    if any(line.split()[-1:] == ["overlay"] for line in filesystems.splitlines()):
        return None
    return Trouble("this kernel has no overlay file system loaded", "modprobe overlay  # as root")
