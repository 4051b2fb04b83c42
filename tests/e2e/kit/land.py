"""The land that the tests live in: a copy of this checkout, owned and set up by an ordinary user, below /var/tmp."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.kit import people
from tests.e2e.kit.people import Result, Running, User

CHECKOUT = Path(__file__).resolve().parents[3]
HELPERS = Path("/usr/local/libexec/xsrc")
_SLOTS = ("", "2", "3", "4")
"""Runs of the tests at one time on one machine; each has accounts of its own, xsrc-test-p and xsrc-test-e and so on."""
_NOT_COPIED = (
    ".git",
    ".venv",
    "masterdir",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    "__pycache__",
)


@dataclass
class Land:
    """Where the tests run, as whom, and in which modes."""

    root: Path
    """World-reachable; everything below belongs to one of the users."""
    user: User
    stranger: User | None
    """A second user, or None where one cannot be made."""
    is_root: bool
    setup: Result
    """What helpers/setup said in the copy."""
    modes: Mapping[str, str | None] = field(default_factory=dict)
    """Each mode of isolation with the reason why it cannot be used here, or None."""
    _count: int = 0

    @property
    def clone(self) -> Path:
        return self.root / "clone"

    @property
    def python(self) -> Path:
        return self.clone / ".venv/bin/python"

    @property
    def usable(self) -> str | None:
        """Why nothing can be built here at all, or None."""
        reasons = list(self.modes.values())
        return "; ".join(filter(None, reasons)) if all(reasons) else None

    def run(self, *argv: str | Path, cwd: Path | None = None, user: User | None = None, **more: Any) -> Result:
        """Run any command, as P where nobody else is named."""
        return people.run(user or self.user, argv, cwd=cwd or self.root, **more)

    def start(self, *words: str | Path, cwd: Path, mode: str | None = None, **more: Any) -> Running:
        """Start xsrc as P, or as `user`."""
        user = more.pop("user", None) or self.user
        env = {**more.pop("env", {}), **({"XSRC_ISOLATION": mode} if mode else {})}
        return people.start(user, (self.python, "-I", "-X", "utf8", "-m", "xsrc", *words), cwd=cwd, env=env, **more)

    def xsrc(self, *words: str | Path, cwd: Path, timeout: float = people.TIMEOUT, **more: Any) -> Result:
        """Run xsrc as P, or as `user`, to its end."""
        return self.start(*words, cwd=cwd, **more).wait(timeout)

    def own(self, path: Path, user: User | None = None) -> Path:
        """Give a tree to P, or to `user`."""
        user = user or self.user
        if self.is_root:
            for folder, folders, files in os.walk(path):
                for name in (".", *folders, *files):
                    os.chown(Path(folder, name), user.uid, user.gid, follow_symlinks=False)
            os.chown(path, user.uid, user.gid, follow_symlinks=False)
        return path

    def folder(self, name: str, user: User | None = None) -> Path:
        """A new folder of P, or of `user`."""
        self._count += 1
        path = self.root / f"{self._count:03d}-{name[:40]}"
        path.mkdir(mode=0o755)
        return self.own(path, user)


def copy_checkout(target: Path) -> None:
    """Copy what git has or would add; everything but caches where this checkout is no git tree."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        check=False,
    )
    if listed.returncode or not listed.stdout:
        shutil.copytree(CHECKOUT, target, symlinks=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        return
    for name in listed.stdout.decode().split("\0"):
        source = CHECKOUT / name
        if name and (source.is_symlink() or source.is_file()):
            made = target / name
            made.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, made, follow_symlinks=False)


def remove(path: Path) -> None:
    """Remove a tree with read-only directories in it."""
    if os.geteuid() != 0:
        subprocess.run(["chmod", "-R", "u+rwX", str(path)], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", path], check=False)  # shutil.rmtree recurses, and a test may make deep trees


def _tool(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")


@contextlib.contextmanager
def _slot() -> Iterator[str]:
    """A number for the names of this run's accounts, free as long as the block lasts."""
    folder = Path("/run/lock") if Path("/run/lock").is_dir() else Path("/tmp")
    for number, slot in enumerate((*_SLOTS, _SLOTS[0])):
        with (folder / f"xsrc-test{slot}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if number < len(_SLOTS) else 0))
            except BlockingIOError:
                continue
            yield slot
            return


@contextlib.contextmanager
def _accounts(root: Path, slot: str) -> Iterator[tuple[User, User | None]]:
    """P and E, made by root for as long as the tests run; else P is who runs the tests, and E is nobody."""
    if os.geteuid() != 0:
        home = root / "home-p"
        home.mkdir()
        yield User.of(pwd.getpwuid(os.getuid()).pw_name, home), None
        return
    names = {letter: f"xsrc-test-{letter}{slot}" for letter in "pe"}
    try:
        users = []
        for letter, name in names.items():
            _forget(name)
            home = root / f"home-{letter}"
            _tool("useradd", "-M", "-U", "-d", str(home), "-s", "/bin/sh", name)
            user = User.of(name, home)
            home.mkdir(mode=0o700)
            os.chown(home, user.uid, user.gid)
            users.append(user)
        with contextlib.suppress(KeyError):
            grp.getgrnam("xbuild")
            _tool("usermod", "-aG", "xbuild", users[0].name)
        yield users[0], users[1]
    finally:
        for name in names.values():
            _forget(name)


def _forget(name: str) -> None:
    """Remove an account of these tests, and end what it still runs."""
    try:
        uid = pwd.getpwnam(name).pw_uid
    except KeyError:
        return
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                os.kill(int(entry.name), 9)
    subprocess.run(["userdel", "-f", name], capture_output=True, check=False)
    subprocess.run(["groupdel", name], capture_output=True, check=False)


def _modes(user: User) -> dict[str, str | None]:
    caps: str | None = None
    if not (HELPERS / "xsrc-mount").exists():
        caps = (
            f"no helpers with capabilities in {HELPERS}: helpers/setup was not run as root, or the machine forbids them"
        )
    elif not _in_group(user):
        caps = f"{user.name} is not in group xbuild"
    probe = people.run(user, ("unshare", "-Ur", "true"), cwd=Path("/"))
    userns = f"user namespaces are not to be had: {probe.err.strip()}" if probe.code else None
    return {"caps": caps, "userns": userns}


def _in_group(user: User) -> bool:
    try:
        gid = grp.getgrnam("xbuild").gr_gid
    except KeyError:
        return False
    return gid in (user.groups if os.geteuid() == 0 else os.getgroups())


@contextlib.contextmanager
def settled() -> Iterator[Land]:
    """The land, made by the README's own first command as P; nothing of it is left afterwards."""
    with contextlib.ExitStack() as stack:
        slot = stack.enter_context(_slot()) if os.geteuid() == 0 else ""
        prefix = f"xsrc-test{slot}-" if os.geteuid() == 0 else f"xsrc-tests-of-{os.getuid()}-"
        for stale in Path("/var/tmp").glob(f"{prefix}*") if os.geteuid() == 0 else ():
            remove(stale)  # of a run that was killed: its slot is ours now
        root = Path(tempfile.mkdtemp(prefix=prefix, dir="/var/tmp"))
        stack.callback(remove, root)
        root.chmod(0o755)
        user, stranger = stack.enter_context(_accounts(root, slot))
        land = Land(root, user, stranger, os.geteuid() == 0, Result((), 0, "", ""), _modes(user))
        copy_checkout(land.clone)
        land.own(land.clone)
        passed = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k.lower().endswith("_proxy")}
        land.setup = land.run("helpers/setup", cwd=land.clone, env=passed)
        yield land
