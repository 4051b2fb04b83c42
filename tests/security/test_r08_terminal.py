"""R8, R9: a build reaches no terminal of the caller's, and xsrc never gives it one."""

from __future__ import annotations

import array
import fcntl
import os
import termios
import threading
from pathlib import Path

import pytest

from tests.security.kit.box import Box, Done
from tests.security.kit.people import LIMIT, as_person, as_root, become
from xsrc.sandbox.disk import enter
from xsrc.sandbox.disk.helpers import Helpers
from xsrc.sandbox.sandbox import Bind, Sandbox


def on_terminal(box: Box, argv: list[str]) -> tuple[Done, int]:
    """Run a command with a pty as its controlling terminal and descriptors 0-2; also how many bytes wait for input."""
    main, slave = os.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    if as_root():
        os.fchown(slave, box.person.uid, box.person.gid)
    said: list[bytes] = []

    def listen() -> None:
        try:
            while data := os.read(main, 65536):
                said.append(data)
        except OSError:
            pass

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for number in range(3):
                os.dup2(slave, number)
            become(box.person)
            os.chdir("/")
            os.execve(argv[0], argv, {"PATH": "/usr/bin:/bin"})
        finally:
            os._exit(99)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    waiting = array.array("i", [0])
    fcntl.ioctl(slave, termios.FIONREAD, waiting)
    os.close(slave)
    listener.join(LIMIT)
    os.close(main)
    return Done(argv, code, b"".join(said).decode().replace("\r\n", "\n"), ""), waiting[0]


def test_r08_terminal_is_out_of_reach(box: Box) -> None:
    argv = box.argv("/usr/bin/python3", "-I", "-S", "/kit/probe.py", "terminal")
    done, waiting = on_terminal(box, argv)
    found = done.json
    assert waiting == 0, "something was injected"
    for name in ("sti", "sti bit 32", "linux", "steal"):
        assert found[name] == "EPERM", f"{name}: {found}"
    assert found["session"] == "own"
    assert found["tty"] in ("ENOENT", "ENXIO"), found


def test_r08_filter_alone_refuses(box: Box) -> None:
    """On a terminal of the build's own, where no session stands in the way, the filter is what refuses."""
    done, _ = on_terminal(box, box.argv("/usr/bin/python3", "-I", "-S", "/kit/probe.py", "terminal"))
    found = done.json
    assert found["own ctty"] == "ok", found
    assert found["own sti"] == "EPERM", found
    assert found["own sti bit 32"] == "EPERM", found


def test_r08_compat_call(box: Box) -> None:
    if not (box.stage.kit / "int80").exists():
        pytest.skip("only x86_64 has int $0x80")
    done, waiting = on_terminal(box, box.argv("/kit/int80", "none"))
    assert waiting == 0
    assert done.json["tiocsti"] in (-1, -38), done


LOOK = """
import json, os, stat
fds = {n: stat.S_IFMT(os.fstat(n).st_mode) for n in range(3)}
back = os.open("/proc/self/fd/1", os.O_RDWR)
print(json.dumps({
    "tty": [os.isatty(n) for n in range(3)],
    "stdin": os.fstat(0).st_rdev == os.stat("/dev/null").st_rdev,
    "pipes": [stat.S_ISFIFO(os.fstat(n).st_mode) for n in (1, 2, back)],
    "dev/tty": os.path.exists("/dev/tty"),
}))
"""


def test_r09_xsrc_gives_pipes(box: Box) -> None:
    """Through xsrc's own door, from a process that has a terminal."""
    main, slave = os.openpty()
    helpers = Helpers(box.helper.mount, box.helper.userns)
    binds = tuple(Bind(Path("/", top), top) for top in ("usr", "bin", "lib", "lib64") if _real(top))
    sandbox = Sandbox(box.root, binds, {"PATH": "/usr/bin"})

    def run() -> tuple[int, bytes]:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in range(3):
            os.dup2(slave, number)
        said: list[bytes] = []
        code = enter.run(helpers, sandbox, ("/usr/bin/python3", "-I", "-S", "-c", LOOK), said.append)
        return code, b"".join(said)

    if as_root():
        os.fchown(slave, box.person.uid, box.person.gid)
    code, said = as_person(box.person, run)
    os.close(slave)
    os.close(main)
    found = Done(("xsrc",), code, said.decode(), "").json
    assert found == {"tty": [False] * 3, "stdin": True, "pipes": [True] * 3, "dev/tty": False}


def _real(top: str) -> bool:
    return Path("/", top).is_dir() and not Path("/", top).is_symlink()
