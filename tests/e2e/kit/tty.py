"""Commands on a terminal of their own, with a shell that knows jobs."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.e2e.kit import look, people
from tests.e2e.kit.people import Running
from tests.e2e.kit.site import Site

_SPAWN = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


class Terminal:
    """A command whose three streams are a terminal; what it shows is read as it comes."""

    def __init__(self, site: Site, *words: str | Path, env: dict[str, str] | None = None) -> None:
        argv = (site.land.python, "-I", "-c", _SPAWN, *words)
        more: dict[str, Any] = {"stdin": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.running: Running = people.start(
            site.land.user, argv, cwd=site.root, env={"TERM": "xterm", **(env or {})}, **more
        )
        self.data = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.running.process.stdout is not None
        while part := os.read(self.running.process.stdout.fileno(), 1 << 16):
            self.data += part

    @property
    def shown(self) -> str:
        return self.data.decode(errors="replace")

    def type(self, text: str) -> None:
        """Press keys."""
        assert self.running.process.stdin is not None
        os.write(self.running.process.stdin.fileno(), text.encode())

    def until(self, word: str, timeout: float = 60.0) -> None:
        """Wait until a word is shown."""
        try:
            look.until(lambda: word in self.shown, f"{word!r} is shown", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.shown}") from None

    def end(self) -> int:
        """Wait for its end; return its exit code."""
        code = self.running.process.wait(people.TIMEOUT)
        self._reader.join(10)
        for stream in (self.running.process.stdin, self.running.process.stdout):
            if stream is not None:
                stream.close()
        return code

    @property
    def cursor(self) -> bool:
        """Whether the cursor is shown now."""
        return self.shown.rfind("\x1b[?25h") >= self.shown.rfind("\x1b[?25l")


def xsrc(site: Site, *words: str) -> tuple[str | Path, ...]:
    """The words that start xsrc."""
    return (site.land.python, "-I", "-X", "utf8", "-m", "xsrc", *words)
