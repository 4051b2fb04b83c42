"""Mount namespaces of root's own, in which P tries the helpers over mounts that no test should make on the machine."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.security.kit.box import Box, Done, finish
from tests.security.kit.people import ENV, Person


@dataclass(frozen=True)
class Scratch:
    """A namespace that lives as long as its first process."""

    pid: int

    def prefix(self, person: Person) -> list[str]:
        """What makes a command run in it, as a person."""
        groups = ",".join(map(str, person.groups))
        ids = [f"--reuid={person.uid}", f"--regid={person.gid}", f"--groups={groups}"]
        return ["nsenter", "-t", str(self.pid), "-m", "--", "setpriv", *ids, "--"]

    def start(self, box: Box, argv: list[str], **more: Any) -> subprocess.Popen[bytes]:
        words = [*self.prefix(box.person), *argv]
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        more = {"env": ENV, "cwd": "/", "start_new_session": True, **streams, **more}
        process: subprocess.Popen[bytes] = subprocess.Popen(words, **more)
        return process

    def run(self, box: Box, argv: list[str], **more: Any) -> Done:
        return finish(self.start(box, argv, **more), argv)

    def as_root(self, *words: str) -> None:
        """Run something of root's in it."""
        subprocess.run(["nsenter", "-t", str(self.pid), "-m", "--", *words], check=True)

    def mounts(self) -> str:
        """The mount table as somebody who stays in it sees it."""
        return Path(f"/proc/{self.pid}/mountinfo").read_text()


@contextlib.contextmanager
def scratch(script: str, *args: str | Path, propagation: str = "private") -> Iterator[Scratch]:
    """Run a script of root's in a mount namespace of its own, then keep the namespace."""
    shell = ["sh", "-ec", f"{script}\necho ready\nexec sleep 120", "sh", *map(str, args)]
    words = ["unshare", "-m", "--propagation", propagation, *shell]
    env = {**ENV, "PATH": f"{ENV['PATH']}:/usr/sbin:/sbin"}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield Scratch(process.pid)
    finally:
        process.kill()
        process.communicate()
