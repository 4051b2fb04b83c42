"""`xsrc doctor`: looks at each piece that xsrc needs of a machine, and prints the command that mends what is wrong."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from plumbum import cli

from xsrc.effects import cgroup, enter, inspect, tree
from xsrc.effects.inspect import Trouble
from xsrc.effects.machine import free_bytes
from xsrc.effects.privilege import USER
from xsrc.effects.skeleton import copy_skeleton
from xsrc.effects.work import user_name
from xsrc.errors import XsrcError
from xsrc.model.sandbox import Sandbox
from xsrc.plan.root import layers
from xsrc.verbs.context import Context
from xsrc.verbs.verb import Verb

PROBE = "test -d /proc/1; read -r flags </sys/class/net/lo/flags; echo $flags"
"""What is run in a sandbox to see that it is whole; it says the flags of `lo`, of which the lowest is IFF_UP."""

ROOM, NO_ROOM = 1 << 30, 16 << 20
"""Bytes with which builds may run out of room, and with which they will."""
FILES, NO_FILES = 10_000, 100


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    found: str
    mend: str = ""
    grave: bool = True
    """Whether builds cannot work like this."""


def finding(what: str, trouble: Trouble | None, fine: str, *, grave: bool = True) -> Finding:
    """What was looked at: `fine` where there is no trouble."""
    if trouble is None:
        return Finding(what, True, fine, grave=grave)
    return Finding(what, False, trouble.found, trouble.mend, grave)


def findings(context: Context) -> Iterator[Finding]:
    """Everything, in the order in which it is needed."""
    release = os.uname().release
    yield finding("kernel", inspect.kernel(release), release)
    modes = _Modes.of(context)
    yield from _capabilities(context, modes)
    yield from _user_namespaces(context, modes)
    yield from _kernel(context)
    yield _limits()
    yield from _programs()
    yield from _masterdir(context)
    site = context.settings.sites.get("DEBIAN_SITE")
    mend = "set DEBIAN_SITE under [sites] in ~/.config/xsrc/config.toml"
    none = None if site else Trouble("apt's sources name no Debian mirror", mend)
    yield finding("mirror", none, str(site), grave=False)
    yield from _sandboxes(context, modes)


@dataclass(frozen=True)
class _Modes:
    """Which of the two modes builds use here, or would if there were helpers for it."""

    caps: str | None
    """Why the helpers with capabilities cannot be used, or None."""
    userns: bool

    @classmethod
    def of(cls, context: Context) -> _Modes:
        asked = context.host.env.get("XSRC_ISOLATION")
        trouble = enter.capability_trouble(enter.SYSTEM)
        return cls(trouble, asked == "userns" or (trouble is not None and asked != "caps"))


def _setup() -> str:
    return shlex.quote(str(tree.PROGRAM.parent / "helpers/setup"))


def _capabilities(context: Context, modes: _Modes) -> Iterator[Finding]:
    """What makes the helpers with capabilities usable, piece by piece (SECURITY: R38).

    Grave only where they cannot be used and nothing else may be.
    """
    grave = modes.caps is not None and not modes.userns
    for name in enter.WANTED:
        path = enter.SYSTEM / name
        found = f"root:{USER} 0750 {enter.WANTED[name]}"
        yield finding(name, inspect.helper_file(path, USER, _setup()), found, grave=grave)
    folder = inspect.nearest(enter.SYSTEM)
    yield finding("helpers' folder", inspect.way_to(folder), f"{folder}: only root can write", grave=grave)
    nosuid = inspect.remount(folder, os.ST_NOSUID, "suid", inspect.mount_table())
    yield finding("suid", nosuid, "capabilities of files are honoured there", grave=grave)
    user = user_name()
    yield finding("group", inspect.membership(user, USER, _setup()), f"{user} is in {USER}", grave=grave)
    yield finding("capabilities", inspect.process_powers(), "this process may gain them", grave=grave)


def _user_namespaces(context: Context, modes: _Modes) -> Iterator[Finding]:
    """What makes the plain helpers usable in a user namespace; grave where there is nothing better."""
    plain = inspect.plain_helper(enter.plain_folders(context.host.env), _setup())
    trouble = plain if isinstance(plain, Trouble) else None
    yield finding("plain helpers", trouble, str(plain), grave=modes.userns)
    masked = inspect.masked_proc(inspect.mount_table())
    yield finding("/proc", masked, "nothing of it is covered", grave=modes.userns)
    for name, value, trouble in inspect.switches(inspect.PROC_SYS):
        both = re.fullmatch(r"user\.max_(?!user)\w+", name) is not None
        yield finding(name, trouble, value, grave=both or modes.userns)
    yield finding("AppArmor", inspect.apparmor(inspect.apparmor_label()), "no profile is enforced", grave=False)


def _kernel(context: Context) -> Iterator[Finding]:
    """What the kernel has to have for a build root."""
    known = Path("/proc/filesystems").read_text()
    yield finding("overlay", inspect.overlays(known), "the kernel has it")
    try:
        base = context.base
    except XsrcError as error:
        yield finding("base", Trouble(error.message, error.hint or "xsrc bootstrap --list"), "")
        return
    tops = {path for paths in base.layers.values() for path in paths}
    over = sorted({mount.point for mount in inspect.below(tops, inspect.mount_table())}, reverse=True)
    found = f"{', '.join(over)} is mounted below a layer of every build root"
    trouble = Trouble(found, f"umount {' '.join(map(shlex.quote, over))}  # as root") if over else None
    yield finding("base", trouble, f"{base.name}: {', '.join(sorted(map(str, tops)))}")


def _limits() -> Finding:
    """What keeps the limits of memory and processes."""
    home = cgroup.find_home()
    mend = "systemd-run --user --scope -p Delegate=yes xsrc build NAME"
    trouble = None if home.path else Trouble(f"rlimits, of each process and of the user: {home.why_not}", mend)
    return finding("limits", trouble, f"cgroup v2, of all that a phase runs: {home.path}", grave=False)


def _programs() -> Iterator[Finding]:
    for program in ("cc", "make", "patch", "tar"):
        path = shutil.which(program, path="/usr/bin:/bin")
        trouble = None if path else Trouble("missing from /usr/bin", f"{_setup()}  # as root")
        yield finding(program, trouble, str(path))
    git = shutil.which("git", path="/usr/bin:/bin")
    none = Trouble("missing from /usr/bin: distfiles that are git repositories cannot be fetched", "install git")
    yield finding("git", None if git else none, str(git), grave=False)


def _masterdir(context: Context) -> Iterator[Finding]:
    root = context.masterdir.root
    here = inspect.nearest(root)
    yield finding("masterdir", inspect.writable(here, user_name()), f"{root}")
    trouble = inspect.remount(here, os.ST_NOEXEC, "exec", inspect.mount_table())
    yield finding("exec", trouble, "allowed")
    clean = f"xsrc -m {shlex.quote(str(root))} clean  # or choose another with -m DIR"
    free, status = free_bytes(here), os.statvfs(here)
    little = Trouble(f"{free >> 20} MiB free: a build may need more than {ROOM >> 20}", clean) if free < ROOM else None
    yield finding("room", little, f"{free >> 20} MiB free", grave=free < NO_ROOM)
    left = status.f_favail
    few = status.f_files > 0 and left < FILES  # where no number of files is kept, both are 0
    trouble = Trouble(f"room for {left} files: a build may need more than {FILES}", clean) if few else None
    yield finding("inodes", trouble, f"{left} free", grave=left < NO_FILES)


def _sandboxes(context: Context, modes: _Modes) -> Iterator[Finding]:
    """The proof of all of it: a sandbox over the base, entered in each mode that there are helpers for."""
    try:
        helpers, _ = context.helpers, context.base
    except XsrcError as error:
        yield Finding("sandbox", False, error.message, error.hint or _setup())
        return
    tried = {"sandbox": helpers}
    plain = inspect.plain_helper(enter.plain_folders(context.host.env), _setup())
    if not helpers.userns and isinstance(plain, Path):
        tried["other sandbox"] = enter.Helpers(plain / "xsrc-mount", userns=True)
    if helpers.userns and modes.caps is None:
        tried["other sandbox"] = enter.Helpers(enter.SYSTEM / "xsrc-mount", userns=False)
    with _root(context) as root:
        for what, these in tried.items():
            yield from _sandbox(context, root, what, these, grave=these is helpers)


@contextlib.contextmanager
def _root(context: Context) -> Iterator[Path]:
    """The masterdir, or where there is none yet a folder in its likeness for the moment."""
    if context.exists:
        yield context.masterdir.root
        return
    with tempfile.TemporaryDirectory(prefix="xsrc-doctor-") as folder:
        top = Path(folder, "root")
        copy_skeleton(context.tree, top)
        yield top


def _sandbox(context: Context, root: Path, what: str, helpers: enter.Helpers, *, grave: bool) -> Iterator[Finding]:
    said: list[bytes] = []
    sandbox = Sandbox(root, layers(root, (), context.base), {"PATH": "/usr/bin:/bin"})
    try:
        code = enter.run(helpers, sandbox, ("/bin/sh", "-euc", PROBE), said.append)
    except XsrcError as error:
        hint = error.hint or "xsrc doctor"
        mend = f"{_setup()}  # as root" if "helpers/setup" in hint or hint == "xsrc doctor" else hint
        yield Finding(what, False, error.message, mend, grave)
        return
    words = b"".join(said).decode(errors="replace").strip()
    if code:
        yield Finding(what, False, f"entered by {helpers.mode}, but: {words}", f"{_setup()}  # as root", grave)
        return
    yield Finding(what, True, f"entered by {helpers.mode}", grave=grave)
    if grave:
        name = helpers.mount
        mend = f"setcap {enter.WANTED[name.name]} {shlex.quote(str(name))}  # as root"
        down = Trouble("down in a build: the helper could not raise it", mend)
        yield finding("lo", None if int(words or "0", 16) & 1 else down, "up in a build", grave=False)


class Doctor(Verb):
    """Look at all that xsrc needs of this machine; print what mends what is wrong"""

    json = cli.Flag(["--json"], help="print JSON")

    def go(self, context: Context) -> int:
        found = list(findings(context))
        if self.json:
            context.ui.json([asdict(finding) for finding in found])
        else:
            width = max(len(finding.what) for finding in found)
            for finding in found:
                mark = "ok  " if finding.good else "BAD " if finding.grave else "note"
                context.ui.output(f"{mark} {finding.what:{width}}  {finding.found}")
                if not finding.good and finding.mend:
                    context.ui.output(f"     {'':{width}}  mend: {finding.mend}")
        return 0 if all(finding.good or not finding.grave for finding in found) else 4
