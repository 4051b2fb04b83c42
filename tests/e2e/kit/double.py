"""A double of this machine: its whole root in a mount namespace, where any file and mount may be broken and mended."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.e2e.kit.people import TIMEOUT, Result
from tests.e2e.kit.site import Site

ROOT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAKE = """
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mount --rbind /dev "$1/root/dev"
mount --rbind /sys "$1/root/sys"
mount -t proc proc "$1/root/proc"
mount --bind "$2" "$1/root$2"
cd "$1/root"
pivot_root . mnt
umount -l /mnt
"""
"""What is written there goes to a tmpfs, but for the folder of the tests, which stays as it is."""


@dataclass(frozen=True)
class Line:
    """What doctor says of one thing."""

    mark: str
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Seen:
    """All that doctor said."""

    result: Result
    lines: dict[str, Line]

    @classmethod
    def of(cls, result: Result) -> Seen:
        lines: dict[str, Line] = {}
        what = ""
        for text in result.out.splitlines():
            if found := re.fullmatch(r"(ok|BAD|note) +(\S.*?) {2,}(\S.*)", text):
                what = found[2]
                lines[what] = Line(found[1], found[3])
            elif found := re.fullmatch(r" +mend: (\S.*)", text):
                lines[what] = replace(lines[what], mend=found[1])
        return cls(result, lines)

    def says(self, what: str, mark: str, *words: str) -> Line:
        """Assert what it says of one thing."""
        assert what in self.lines, str(self.result)
        line = self.lines[what]
        assert line.mark == mark, str(self.result)
        for word in words:
            assert word in line.found, str(self.result)
        return line

    @property
    def marks(self) -> set[str]:
        return {line.mark for line in self.lines.values()}


@dataclass(frozen=True)
class Double:
    """The namespaces of one process, in which P and root work as they do outside."""

    pid: int
    site: Site
    spaces: tuple[str, ...] = ("-m",)

    def _run(self, script: str, words: tuple[str | Path, ...], env: dict[str, str], text: str = "") -> Result:
        enter = ("nsenter", "-t", str(self.pid), *self.spaces, "--", "sh", "-c", script, "sh", *map(str, words))
        done = subprocess.run(enter, env=env, input=text, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return Result((script, *map(str, words)), done.returncode, done.stdout, done.stderr)

    def root(self, script: str, *words: str | Path) -> Result:
        """Run a script as root, as P's sudo would: helpers/setup runs as root in P's checkout for P alone."""
        user = self.site.land.user
        env = {"PATH": ROOT_PATH, "HOME": "/root", "SUDO_UID": str(user.uid), "SUDO_USER": user.name}
        return self._run(f"cd /; {script}", words, env)

    def person(self, *words: str | Path, how: tuple[str, ...] = ("--init-groups",), text: str = "") -> Result:
        """Run a command of P's in the site, with the groups that P has in the double, or as setpriv(1) is told."""
        user = self.site.land.user
        setpriv = ("setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", *how, "--")
        env = {**user.env, "XDG_DATA_HOME": str(self.site.root / "data")}  # where no helpers of P's own are yet
        env |= {"XSRC_ISOLATION": self.site.mode} if self.site.mode else {}
        script = 'cd "$1" && shift && umask 022 && exec "$@"'
        return self._run(script, (self.site.root, *setpriv, *words), env, text)

    def xsrc(self, *words: str | Path, how: tuple[str, ...] = ("--init-groups",)) -> Result:
        return self.person(self.site.land.python, "-I", "-X", "utf8", "-m", "xsrc", *words, how=how)

    def doctor(self, how: tuple[str, ...] = ("--init-groups",), words: tuple[str, ...] = ()) -> Seen:
        return Seen.of(self.xsrc(*words, "doctor", how=how))

    def mend(self, line: Line) -> Result:
        """Run the command that doctor printed, as whom it says."""
        assert line.mend
        if "# as root" in line.mend:
            return self.root(line.mend).ok()
        command = f'xsrc() {{ {self.site.land.python} -I -X utf8 -m xsrc "$@"; }}\n{line.mend}'
        return self.person("sh", "-ec", command).ok()


@contextlib.contextmanager
def _held(words: tuple[str, ...]) -> Iterator[int]:
    """A process that says `ready` and then waits; its number."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process.pid
        finally:
            process.kill()


@contextlib.contextmanager
def double(site: Site) -> Iterator[Double]:
    """A double of this machine with the land of the tests in it."""
    with tempfile.TemporaryDirectory(prefix="xsrc-double-", dir="/var/tmp") as folder:
        script = f"{MAKE}\necho ready\nread -r end"
        made = ("unshare", "-m", "--propagation", "private", "sh", "-ec", script, "sh", folder, str(site.land.root))
        with _held(made) as pid:
            yield Double(pid, site)


@contextlib.contextmanager
def walled(machine: Double) -> Iterator[Double]:
    """The same inside a user namespace, which has limits of its own; root is root there."""
    words = ("nsenter", "-t", str(machine.pid), "-m", "--", "unshare", "-U", "sh", "-c", "echo ready; read -r end")
    with _held(words) as pid:
        for kind in ("uid", "gid"):
            Path(f"/proc/{pid}/{kind}_map").write_text("0 0 4294967295\n")
        yield replace(machine, pid=pid, spaces=("-U", "-m"))
