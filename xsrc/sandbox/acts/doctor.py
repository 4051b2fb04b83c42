"""Checks everything that builds need of this machine, and says how to repair problems."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from xsrc.base import dpkg
from xsrc.base.acts.choose import chosen_base
from xsrc.base.disk import essential
from xsrc.core.base import Base
from xsrc.core.errors import XsrcError
from xsrc.core.layout import Masterdir, Tree
from xsrc.core.proxy import Proxies
from xsrc.core.redact import redacted
from xsrc.core.session import Host, Session
from xsrc.sandbox.acts.helpers import helpers_of
from xsrc.sandbox.checks import Trouble, apparmor, kernel, overlays
from xsrc.sandbox.disk import cgroup, checks, enter, helpers
from xsrc.sandbox.disk.skeleton import copy_skeleton
from xsrc.sandbox.roots import layers
from xsrc.sandbox.sandbox import Bind, Sandbox
from xsrc.unix import mounts
from xsrc.unix.machine import free_bytes, known_sites
from xsrc.unix.privilege import USER
from xsrc.unix.program import PROGRAM
from xsrc.unix.users import user_name

PROBE = "test -d /proc/1; read -r flags </sys/class/net/lo/flags; echo $flags"
"""The command that tests a sandbox; it prints the flags of `lo`, whose lowest bit is IFF_UP."""
COMPILE = """cd /tmp
printf '#include <stdio.h>\\nint main(void) { return puts("") < 0; }\\n' >a.c
printf '#include <new>\\nint main() { delete new int; }\\n' >a.cc
cc -o a a.c; ./a >/dev/null; c++ -o b a.cc; ./b
"""
"""The command that tests whether there are compilers with all that they need: headers, libraries, linker."""
ROOM, NO_ROOM = 1 << 30, 16 << 20
"""Free bytes below which builds may run out of room, and below which they will."""
FILES, NO_FILES = 10_000, 100


@dataclass(frozen=True)
class Diagnosis:
    """The result of one check."""

    what: str
    good: bool
    found: str
    mend: str = ""
    grave: bool = True
    """Whether builds cannot work like this."""


def finding(what: str, trouble: Trouble | None, fine: str, *, grave: bool = True) -> Diagnosis:
    """The result of a check: `fine` if there is no trouble."""
    if trouble is None:
        return Diagnosis(what, True, fine, grave=grave)
    return Diagnosis(what, False, trouble.found, trouble.mend, grave)


def findings(session: Session) -> Iterator[Diagnosis]:
    """The results of all checks, in the order in which builds need the pieces."""
    release = os.uname().release
    yield finding("kernel", kernel(release), release)
    modes = _Modes.of(session.host)
    yield from _capabilities(modes)
    yield from _user_namespaces(session.host, modes)
    yield from _kernel(session)
    yield _limits(session.host.uid)
    yield from _programs()
    yield from _masterdir(session.masterdir)
    site = known_sites(("DEBIAN_SITE",), session.settings.sites).get("DEBIAN_SITE")
    mend = "set DEBIAN_SITE under [sites] in ~/.config/xsrc/config.toml"
    none = None if site else Trouble("apt's sources name no Debian mirror", mend)
    yield finding("mirror", none, redacted(str(site)), grave=False)
    yield from _proxies(session.host.env)
    yield from _sandboxes(session, modes)


def _proxies(env: Mapping[str, str]) -> Iterator[Diagnosis]:
    """The proxies that downloads go through, if the environment names any."""
    named = sorted(name for name in env if name.lower() in ("http_proxy", "https_proxy", "all_proxy") and env[name])
    if not named:
        return
    try:
        found = {scheme: Proxies(env).of(scheme, "example.org") for scheme in ("http", "https")}
    except ValueError as error:
        yield finding("proxy", Trouble(str(error), f"name an http proxy in {named[0]}, or unset it"), "", grave=False)
        return
    words = [f"{scheme} through {proxy}" for scheme, proxy in found.items() if proxy is not None]
    ignored = "HTTP_PROXY" in named and not env.get("http_proxy")
    trouble = Trouble("HTTP_PROXY has no effect, as for curl", "export http_proxy=$HTTP_PROXY") if ignored else None
    yield finding("proxy", trouble, ", ".join(words) or "none for most servers, by no_proxy", grave=False)


@dataclass(frozen=True)
class _Modes:
    """The mode that builds use here, or would use if it had helpers."""

    caps: Trouble | None
    """Why the helpers with capabilities cannot be used, or None."""
    userns: bool

    @classmethod
    def of(cls, host: Host) -> _Modes:
        asked = host.env.get("XSRC_ISOLATION")
        trouble = helpers.capability_trouble(helpers.SYSTEM)
        return cls(trouble, asked == "userns" or (trouble is not None and asked != "caps"))


def _setup() -> str:
    return shlex.quote(str(PROGRAM.parent / "helpers/setup"))


def _capabilities(modes: _Modes) -> Iterator[Diagnosis]:
    """Check each condition of the helpers with capabilities (SECURITY: R38).

    A problem is grave only if these helpers cannot be used and no other mode is allowed.
    """
    grave = modes.caps is not None and not modes.userns
    for name in helpers.WANTED:
        path = helpers.SYSTEM / name
        found = f"root:{USER} 0750 {helpers.WANTED[name]}"
        yield finding(name, helpers.helper_file(path, _setup(), USER), found, grave=grave)
    folder = checks.nearest(helpers.SYSTEM)
    yield finding("helpers' folder", helpers.way_to(folder), f"{folder}: only root can write", grave=grave)
    nosuid = helpers.remount(folder, os.ST_NOSUID, "suid", mounts.mount_table())
    yield finding("suid", nosuid, "capabilities of files are honoured there", grave=grave)
    user = user_name()
    yield finding("group", checks.membership(user, USER, _setup()), f"{user} is in {USER}", grave=grave)
    yield finding("capabilities", helpers.process_powers(), "this process may gain them", grave=grave)


def _user_namespaces(host: Host, modes: _Modes) -> Iterator[Diagnosis]:
    """Check each condition of the plain helpers in a user namespace; a problem is grave if there is no better mode."""
    plain = checks.plain_helper(helpers.plain_folders(host.env), _setup())
    trouble = plain if isinstance(plain, Trouble) else None
    yield finding("plain helpers", trouble, str(plain), grave=modes.userns)
    masked = checks.masked_proc(mounts.mount_table())
    yield finding("/proc", masked, "nothing of it is covered", grave=modes.userns)
    for name, value, trouble in checks.switches(checks.PROC_SYS):
        both = re.fullmatch(r"user\.max_(?!user)\w+", name) is not None
        yield finding(name, trouble, value, grave=both or modes.userns)
    yield finding("AppArmor", apparmor(checks.apparmor_label()), "no profile is enforced", grave=False)


def _kernel(session: Session) -> Iterator[Diagnosis]:
    """Check the kernel features that a build root needs."""
    known = Path("/proc/filesystems").read_text(encoding="utf-8")
    yield finding("overlay", overlays(known), "the kernel has it")
    try:
        base = chosen_base(session)
    except XsrcError as error:
        yield finding("base", Trouble(error.message, error.hint or "xsrc bootstrap --list"), "")
        return
    tops = {path for paths in base.layers.values() for path in paths}
    over = sorted({mount.point for mount in mounts.below(tops, mounts.mount_table())}, reverse=True)
    found = f"{', '.join(over)} is mounted below a layer of every build root"
    trouble = Trouble(found, f"umount {' '.join(map(shlex.quote, over))}  # as root") if over else None
    yield finding("base", trouble, f"{base.name}: {', '.join(sorted(map(str, tops)))}")
    mend = "xsrc bootstrap --from debian, then xsrc build --base debian"
    shows_all = Trouble(f"all tools of this machine are shown, declared or not: {base.whole}", mend)
    yield finding("undeclared", shows_all if base.whole else None, "tools of this machine are hidden", grave=False)


def _limits(uid: int) -> Diagnosis:
    """Report what enforces the limits of memory and processes."""
    home = cgroup.find_home()
    mend = "xsrc help settings  # how a container or systemd gives a user a cgroup of its own"
    if Path(f"/run/user/{uid}/systemd/private").exists():  # else systemd-run reaches nobody
        mend = "systemd-run --user --scope -p Delegate=yes xsrc build NAME"
    trouble = None if home.path else Trouble(f"rlimits, of each process and of the user: {home.why_not}", mend)
    return finding("limits", trouble, f"cgroup v2, of all that a phase runs: {home.path}", grave=False)


def _programs() -> Iterator[Diagnosis]:
    known = essential.packages()
    for program, package in dpkg.PROGRAMS.items():
        path = shutil.which(program, path="/usr/bin:/bin")
        whole = path and (not known or package in known)  # a part of perl is essential
        trouble = None if whole else Trouble(f"missing from /usr/bin: package {package}", f"{_setup()}  # as root")
        yield finding(program, trouble, str(path))
    git = shutil.which("git", path="/usr/bin:/bin")
    none = Trouble("missing from /usr/bin: distfiles that are git repositories cannot be fetched", "install git")
    yield finding("git", None if git else none, str(git), grave=False)


def _masterdir(masterdir: Masterdir) -> Iterator[Diagnosis]:
    root = masterdir.root
    here = checks.nearest(root)
    yield finding("masterdir", checks.writable(here, user_name()), f"{root}")
    trouble = helpers.remount(here, os.ST_NOEXEC, "exec", mounts.mount_table())
    yield finding("exec", trouble, "allowed")
    clean = f"xsrc -m {shlex.quote(str(root))} clean  # or choose another with -m DIR"
    free, status = free_bytes(here), os.statvfs(here)
    little = Trouble(f"{free >> 20} MiB free: a build may need more than {ROOM >> 20}", clean) if free < ROOM else None
    yield finding("room", little, f"{free >> 20} MiB free", grave=free < NO_ROOM)
    left = status.f_favail
    few = status.f_files > 0 and left < FILES  # where no number of files is kept, both are 0
    trouble = Trouble(f"room for {left} files: a build may need more than {FILES}", clean) if few else None
    yield finding("inodes", trouble, f"{left} free", grave=left < NO_FILES)


def _sandboxes(session: Session, modes: _Modes) -> Iterator[Diagnosis]:
    """Prove all of it: enter a sandbox over the base in each mode that has helpers."""
    try:
        ours, _ = helpers_of(session), chosen_base(session)
    except XsrcError as error:
        yield Diagnosis("sandbox", False, error.message, error.hint or _setup())
        return
    tried = {"sandbox": ours}
    plain = checks.plain_helper(helpers.plain_folders(session.host.env), _setup())
    if not ours.userns and isinstance(plain, Path):
        tried["other sandbox"] = helpers.Helpers(plain / "xsrc-mount", userns=True)
    if ours.userns and modes.caps is None:
        tried["other sandbox"] = helpers.Helpers(helpers.SYSTEM / "xsrc-mount", userns=False)
    with _root(session) as root:
        for what, these in tried.items():
            yield from _sandbox(session, root, what, these, grave=these is ours)
    with _skeleton(session.tree) as root, contextlib.suppress(XsrcError):  # the row of the sandbox tells of these
        yield from _compilers(root, chosen_base(session), ours)


@contextlib.contextmanager
def _root(session: Session) -> Iterator[Path]:
    """The masterdir, or a temporary folder like it if there is none yet."""
    if session.masterdir.farm.exists():
        yield session.masterdir.root
        return
    with _skeleton(session.tree) as top:
        yield top


@contextlib.contextmanager
def _skeleton(tree: Tree) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="xsrc-doctor-") as folder:
        top = Path(folder, "root")
        copy_skeleton(tree, top)
        yield top


def _compilers(root: Path, base: Base, entered: helpers.Helpers) -> Iterator[Diagnosis]:
    """Prove that there are a C and a C++ compiler with all that they need. Raises HostError."""
    for inside in base.binds:
        (root / inside).mkdir(parents=True, exist_ok=True)
    binds = [Bind(source, inside) for inside, source in base.binds.items()]
    sandbox = Sandbox(root, (*layers(root, (), base), *binds), {"PATH": "/usr/bin:/bin"})
    said: list[bytes] = []
    code = enter.run(entered, sandbox, ("/bin/sh", "-euc", COMPILE), said.append)
    lines = b"".join(said).decode(errors="replace").strip().splitlines() or [f"exit code {code}"]
    trouble = Trouble(f"in a build: {lines[0]}", f"{_setup()}  # as root") if code else None
    yield finding("compilers", trouble, "C and C++ programs work in a build")


def _sandbox(session: Session, root: Path, what: str, entered: helpers.Helpers, *, grave: bool) -> Iterator[Diagnosis]:
    said: list[bytes] = []
    sandbox = Sandbox(root, layers(root, (), chosen_base(session)), {"PATH": "/usr/bin:/bin"})
    try:
        code = enter.run(entered, sandbox, ("/bin/sh", "-euc", PROBE), said.append)
    except XsrcError as error:
        hint = error.hint or "xsrc doctor"
        mend = f"{_setup()}  # as root" if "helpers/setup" in hint or hint == "xsrc doctor" else hint
        yield Diagnosis(what, False, error.message, mend, grave)
        return
    words = b"".join(said).decode(errors="replace").strip()
    if code:
        yield Diagnosis(what, False, f"entered by {entered.mode}, but: {words}", f"{_setup()}  # as root", grave)
        return
    yield Diagnosis(what, True, f"entered by {entered.mode}", grave=grave)
    if grave:
        name = entered.mount
        mend = f"setcap {helpers.WANTED[name.name]} {shlex.quote(str(name))}  # as root"
        down = Trouble("down in a build: the helper could not raise it", mend)
        yield finding("lo", None if int(words or "0", 16) & 1 else down, "up in a build", grave=False)
