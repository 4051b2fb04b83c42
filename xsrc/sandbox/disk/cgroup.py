"""Runs each phase in a cgroup of its own, if cgroup v2 is delegated to this user (cgroups(7)).

Elsewhere rlimits apply, which know only single processes and whole users.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from xsrc.core.settings import Limits
from xsrc.unix.mounts import Mount, mount_table

CONTROLLERS = frozenset({"memory", "pids"})
_PREFIX = "xsrc-"
_PATIENCE = 5.0
"""Seconds for killed processes to end; one that waits for the disk may need some."""


@dataclass(frozen=True)
class Home:
    """The folder in which groups for phases can be made, or why there is none."""

    path: Path | None
    why_not: str = ""


def own_group(text: str, table: Iterable[Mount]) -> Path | None:
    """The folder of the cgroup v2 that a process is in, by its /proc/PID/cgroup and the mounts that it sees."""
    for line in text.splitlines():
        if line.startswith("0::/") and not line.startswith(
            "0::/../"
        ):  # that one is out of sight (cgroup_namespaces(7))
            path = line.removeprefix("0::")
            for mount in table:
                if mount.kind == "cgroup2" and Path(mount.top) in (Path(path), *Path(path).parents):
                    return Path(mount.point, Path(path).relative_to(mount.top))
    return None


def find_home() -> Home:
    """Where this process may make groups. It changes nothing: call `settle` before the first group. Raises OSError."""
    own = own_group(Path("/proc/self/cgroup").read_text(encoding="utf-8"), mount_table())
    if own is None:
        return Home(None, "cgroup v2 is not mounted")
    for group in (own.parent, own):  # as systemd does it: the one above holds groups, and no process of its own
        if _may_hold(group) and _words(group / "cgroup.subtree_control") >= CONTROLLERS:
            return Home(group)
    if lacking := CONTROLLERS - _words(own / "cgroup.controllers"):
        return Home(None, f"{own} has no controller {' and '.join(sorted(lacking))}")
    if not _may_hold(own) or not os.access(own / "cgroup.subtree_control", os.W_OK):
        return Home(None, f"{own} is not delegated to this user")
    if _words(own / "cgroup.procs") != {str(os.getpid())}:
        return Home(None, f"other processes are in {own}, so it can hold no groups (cgroups(7): no internal processes)")
    return Home(own)


def settle() -> Path | None:
    """Prepare the folder for groups; move this process into a leaf if necessary. Raises OSError without /proc."""
    home = find_home().path
    if home is None:
        return None
    try:
        if not _words(home / "cgroup.subtree_control") >= CONTROLLERS:
            leaf = home / f"{_PREFIX}{os.getpid()}"
            leaf.mkdir(exist_ok=True)
            (leaf / "cgroup.procs").write_text("0", encoding="utf-8")
            wanted = CONTROLLERS | {"cpu"} & _words(home / "cgroup.controllers")  # then phases share processors alike
            (home / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in wanted), encoding="utf-8")
        for stale in home.glob(f"{_PREFIX}[0-9]*"):
            if not Path("/proc", stale.name.split("-")[1]).exists():  # of an xsrc that was killed
                remove(stale)
    except OSError:
        return None
    return home


def _may_hold(group: Path) -> bool:
    return os.access(group, os.W_OK) and os.access(group / "cgroup.procs", os.W_OK)


def _words(file: Path) -> set[str]:
    try:
        return set(file.read_text(encoding="utf-8").split())
    except OSError:
        return set()


@dataclass(frozen=True)
class Group:
    """The cgroup of one phase."""

    path: Path

    def join(self) -> None:
        """Move the calling process into it: a child does this before it becomes the command. Raises OSError."""
        with (self.path / "cgroup.procs").open("w", encoding="utf-8") as file:
            file.write("0")

    def reached(self, limits: Limits) -> str:
        """The limit that was reached, in words; "" if none was. Raises OSError."""
        if limits.memory_mib and _count(self.path / "memory.events", "oom_kill"):
            return (
                f"it used more than {limits.memory_mib} MiB of memory, all its processes together (limits.memory_mib)"
            )
        if limits.processes and _count(self.path / "pids.events", "max"):
            return f"it started more than {limits.processes} processes (limits.processes)"
        return ""


def _count(file: Path, name: str) -> int:
    """One number of a flat keyed file; 0 if the file does not exist."""
    try:
        pairs = (line.split() for line in file.read_text(encoding="utf-8").splitlines())
        return next((int(words[1]) for words in pairs if words[0] == name), 0)
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def limited_group(home: Path | None, limits: Limits) -> Iterator[Group | None]:
    """Yield a new group below `home` with the limits of memory and processes; remove it at the end.

    Yield None if there is no home, or if the kernel refuses.
    """
    group = _made(home, limits) if home else None
    try:
        yield group
    finally:
        if group:
            remove(group.path)


def _made(home: Path, limits: Limits) -> Group | None:
    path = None
    try:
        path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=home))
        if limits.processes:
            (path / "pids.max").write_text(str(limits.processes), encoding="utf-8")
        if limits.memory_mib:
            (path / "memory.max").write_text(str(limits.memory_mib << 20), encoding="utf-8")
            # a build without one of its processes is no build
            (path / "memory.oom.group").write_text("1", encoding="utf-8")
            with contextlib.suppress(FileNotFoundError):  # a kernel without swap
                (path / "memory.swap.max").write_text("0", encoding="utf-8")
    except OSError:
        if path:
            remove(path)
        return None
    return Group(path)


def remove(path: Path) -> None:
    """End all processes in a group, and remove it."""
    end = time.monotonic() + _PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if (path / "cgroup.kill").exists():  # Linux 5.14
                (path / "cgroup.kill").write_text("1", encoding="utf-8")
            else:
                for pid in _words(path / "cgroup.procs"):
                    os.kill(int(pid), signal.SIGKILL)
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > end:
                return
            time.sleep(0.005)
        else:
            return
