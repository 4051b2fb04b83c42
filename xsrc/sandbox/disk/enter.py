"""Enters sandboxes: finds usable helpers, runs a command in a sandbox, and recognises a refusal of a helper."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import prctl
import xattr

from xsrc.core.command import Command
from xsrc.core.errors import HostError
from xsrc.sandbox.sandbox import Sandbox
from xsrc.unix import process
from xsrc.unix.terminal import run_joined

SYSTEM = Path("/usr/local/libexec/xsrc")
"""Where helpers/setup puts the helpers with capabilities; compiled into xsrc-mount too."""

WANTED: Mapping[str, str] = MappingProxyType(
    {"xsrc-mount": "cap_net_admin,cap_sys_admin=ep", "xsrc-chroot": "cap_sys_chroot=ep"}
)
"""The capabilities that helpers/setup gives to the files of the helpers, as setcap(8) writes them."""

REFUSED = 125
"""Exit code of a helper's own refusal (SECURITY: R33)."""


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
    """
    asked = env.get("XSRC_ISOLATION", "")
    if asked not in ("", "caps", "userns"):
        raise HostError(f"XSRC_ISOLATION: want caps or userns, got {asked!r}", hint="unset XSRC_ISOLATION")
    trouble = capability_trouble(SYSTEM)
    if trouble is None and asked != "userns":
        return Helpers(SYSTEM / "xsrc-mount", userns=False)
    if asked == "caps":
        raise HostError(f"the helpers with capabilities cannot be used: {trouble}", hint="xsrc doctor")
    for folder in plain_folders(env):
        if os.access(folder / "xsrc-mount", os.X_OK) and os.access(folder / "xsrc-chroot", os.X_OK):
            return Helpers(folder / "xsrc-mount", userns=True, note=None if asked else trouble)
    raise HostError(f"no helper to enter a sandbox with: {trouble}", hint="run helpers/setup in the tree")


def capability_trouble(folder: Path) -> str | None:
    """Why the helpers with capabilities in `folder` cannot be used by this user, or None (SECURITY: R38)."""
    for name in ("xsrc-mount", "xsrc-chroot"):
        path = folder / name
        try:
            status = path.lstat()
        except FileNotFoundError:
            return f"{path} is not installed"
        except PermissionError:
            return f"{path} cannot be reached"
        if not stat.S_ISREG(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            return f"{path} is not a file of root that only root can write"
        if not os.access(path, os.X_OK):
            return f"this user is not in group {_group(status.st_gid)} (or was added to it after this login)"
        if (has := file_capabilities(path)) not in (WANTED[name], WANTED[name].replace("cap_net_admin,", "")):
            return f"{path} carries {has or 'no capabilities'}"  # without cap_net_admin a build has no lo, and works
    if prctl.get_no_new_privs():
        return "no_new_privs is set for this process, so capabilities of files mean nothing"
    if not (prctl.capbset.sys_admin and prctl.capbset.sys_chroot and prctl.capbset.net_admin):
        return "this process may never have CAP_SYS_ADMIN, CAP_NET_ADMIN or CAP_SYS_CHROOT (its bounding set)"
    if os.statvfs(folder).f_flag & os.ST_NOSUID:
        return f"{folder} is on a mount with nosuid"
    for parent in (folder, *folder.parents):
        status = parent.stat()
        if status.st_uid != 0 or (status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX):
            return f"{parent} can be written by others than root"
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
    return ",".join(names) + "=" + "e" * (words[0] & 1) + "i" * bool(inherited) + "p" * bool(permitted)


_CAPABILITIES: Mapping[int, str] = MappingProxyType(
    {number: f"cap_{name}" for number, name in zip(prctl.ALL_CAPS, prctl.ALL_CAP_NAMES, strict=True)}
)


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def command(helpers: Helpers, sandbox: Sandbox, argv: tuple[str, ...], report: int = 0) -> Command:
    """Return the command that enters a sandbox, for this process to start; its own environment is empty.

    The environment of the sandbox goes as arguments. `report` is the write end of a pipe for the helper's own words.
    """
    words = sandbox.argv(helpers.mount, argv, userns=helpers.userns, parent=os.getpid(), report=report)
    return Command(words, fds=(report,) if report else ())


ENTERED = b"entered\n"
"""The text that the helper writes to its pipe right before it becomes the command."""


@dataclass(frozen=True)
class Entering:
    """A command on its way into a sandbox, with the pipe that the helper has and the command does not.

    A build may end with code 125 and print what it likes: only the pipe says whether a helper refused.
    """

    command: Command
    pipe: int

    def check(self, code: int, output: str = "") -> None:
        """Raise HostError if the helper refused; `code` is its exit code, and it has ended.

        `output` is what was printed. The helper alone can have printed it if the pipe is empty: a helper that reads
        its command line writes there before a command runs.
        """
        if code != REFUSED:
            return
        try:
            told = os.read(self.pipe, 1 << 13)
        except BlockingIOError:
            told = b""
        if told.startswith(ENTERED):
            return
        lines = told.decode(errors="replace").splitlines() or output.splitlines()
        said = next((line for line in reversed(lines) if line.startswith(("xsrc-mount: ", "xsrc-chroot: "))), "")
        if not said or "bad option" in said:  # they know other options than this xsrc
            text = said or f"{self.command.argv[0]} ended with code {code}"
            raise HostError(f"the helpers are of another version: {text}", hint="run helpers/setup in the tree")
        hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
        raise HostError(f"the sandbox could not be entered: {said}", hint="; ".join(hints) or "xsrc doctor")


@contextlib.contextmanager
def entry(helpers: Helpers, sandbox: Sandbox, argv: tuple[str, ...]) -> Iterator[Entering]:
    """Make the command that enters a sandbox, and the pipe on which its helper reports."""
    reading, writing = os.pipe()  # no other program inherits them (PEP 446)
    try:
        os.set_blocking(reading, False)
        yield Entering(command(helpers, sandbox, argv, writing), reading)
    finally:
        os.close(reading)
        os.close(writing)


class _Tail:
    """Passes output on and keeps the end of it."""

    def __init__(self, sink: process.Sink) -> None:
        self.sink, self.kept = sink, b""

    def __call__(self, data: bytes) -> None:
        self.kept = (self.kept + data)[-4096:]
        self.sink(data)


def run(
    helpers: Helpers,
    sandbox: Sandbox,
    argv: tuple[str, ...],
    sink: process.Sink,
    feed: process.Feed | None = None,
    watch: process.Watch = process.Watch(),  # noqa: B008 - frozen
    before: Callable[[], None] | None = None,
) -> int:
    """Run a command in a sandbox and pass its output to `sink`; return its exit code, 128+n if signal n ended it.

    `before` is called in the new process, before it becomes the helper.
    Raises HostError if a helper refuses, LimitReached if the command uses more than `watch` allows.
    """
    tail = _Tail(sink)
    with entry(helpers, sandbox, argv) as entering:
        code = process.stream(entering.command, tail, feed, watch, before)
        entering.check(code, tail.kept.decode(errors="replace"))
    return code if code >= 0 else 128 - code


def ended(code: int) -> str:
    """How the command ended, by the exit code that `run` returned: 128+n means signal n, if it exists.

    >>> ended(1), ended(137), ended(255)
    ('exit code 1', 'signal 9', 'exit code 255')
    """
    return f"signal {code - 128}" if 128 < code <= 128 + signal.SIGRTMAX else f"exit code {code}"


def interact(helpers: Helpers, sandbox: Sandbox, argv: tuple[str, ...], terminal: bool) -> int:
    """Run a command in a sandbox for a person; `terminal` says whether their input and output both are terminals.

    No terminal of theirs is handed to it. Returns its exit code, 128+n when signal n ended it. Raises HostError if a
    helper refuses.
    """
    with entry(helpers, sandbox, argv) as entering:
        code = run_joined(entering.command, terminal)
        entering.check(code)
    return code
