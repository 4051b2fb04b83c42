"""R21: xsrc shows a build nothing that holds a socket or a FIFO of the host's: never $HOME, /run, /tmp."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from tests.security.kit.box import Box
from tests.security.kit.people import as_person
from tests.security.kit.plans import sandboxes
from xsrc.sandbox.disk import enter
from xsrc.sandbox.disk.helpers import Helpers
from xsrc.sandbox.sandbox import Bind, Overlay, Sandbox


def _sources(sandbox: Sandbox) -> list[Path]:
    found = [sandbox.root]
    for mount in sandbox.mounts:
        found += mount.layers if isinstance(mount, Overlay) else (mount.source,)
    return found


def test_r21_sources_are_the_builds_own(box: Box) -> None:
    """Layers of the base, the package's own directories and nothing else; writable: only those two."""
    home = box.place / "home"
    for name, sandbox in sandboxes(box).items():
        own = [path for path in _sources(sandbox) if path.is_relative_to(home)]
        system = [path for path in _sources(sandbox) if path not in own]
        assert all(str(path).startswith(("/usr", "/bin", "/sbin", "/lib", "/etc/alternatives")) for path in system), (
            name
        )
        masterdir = home / "masterdir"
        assert home not in own, name
        if name != "chroot":
            assert masterdir not in own
            assert all(
                path.is_relative_to(masterdir / "pkg-builddir") or path.parent == masterdir / "pkg-destdir"
                for path in own
            )
        writable = [mount.source for mount in sandbox.mounts if isinstance(mount, Bind) and mount.writable]
        assert all(path.is_relative_to(masterdir) for path in writable), name


def test_r21_no_socket_and_no_fifo_in_sight(box: Box) -> None:
    """The payload walks everything that it can see; sockets and FIFOs wait for it in the usual places."""
    shown = sandboxes(box)
    bait = box.place / "home"
    os.mkfifo(bait / "fifo")
    helpers = Helpers(box.helper.mount, box.helper.userns)
    walk = (box.stage.kit / "life.py").read_text()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(bait / "socket"))
        for name in ("install", "chroot"):
            said: list[bytes] = []
            argv = ("/usr/bin/python3", "-I", "-S", "-c", walk, "walk")
            code = as_person(box.person, lambda: (enter.run(helpers, shown[name], argv, said.append), said))  # noqa: B023
            found = json.loads(b"".join(code[1]))
            assert code[0] == 0
            assert found["count"] > 1000
            assert found["special"] == [], name
