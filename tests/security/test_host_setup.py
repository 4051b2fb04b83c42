"""helpers/setup as root: whose checkout it refuses, and what the user's part of it gets of root's."""

from __future__ import annotations

import array
import fcntl
import json
import os
import re
import shutil
import struct
import termios
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.kit.land import CHECKOUT, Land
from tests.e2e.kit.people import Result, User, run

APART = 'mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs /usr/local && cd / && exec "$@"'
"""In a mount namespace of its own: what root installs below /usr/local ends with the command."""
READ = ("helpers", "xsrc", "pyproject.toml", "README.md", "LICENSE")
"""What setup, make and pip read of a checkout."""


def make_tree(land: Land, user: User, name: str) -> Path:
    tree = land.folder(name, user) / "tree"
    tree.mkdir()
    for part in READ:
        copy = shutil.copytree if (CHECKOUT / part).is_dir() else shutil.copy2
        copy(CHECKOUT / part, tree / part)
    return land.own(tree, user)


def by_root(land: Land, tree: Path, *words: str, **env: str) -> Result:
    passed = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    argv = ("unshare", "-m", "sh", "-c", APART, "sh", str(tree / "helpers/setup"), *words)
    return run(root_user(land), argv, cwd=Path("/"), env={**passed, **env})


def root_user(land: Land) -> User:
    home = land.root / "home-root"
    home.mkdir(mode=0o700, exist_ok=True)
    return User("root", 0, 0, home)


def sudo(user: User) -> dict[str, str]:
    """What sudo says of the user who called it."""
    return {"SUDO_UID": str(user.uid), "SUDO_USER": user.name}


def acl(uid: int) -> bytes:
    """An access control list that lets a user write (acl(5), posix_acl_xattr.h)."""
    rows = ((1, 6, 0xFFFFFFFF), (2, 6, uid), (4, 4, 0xFFFFFFFF), (16, 6, 0xFFFFFFFF), (32, 4, 0xFFFFFFFF))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)


def _link(tree: Path, e: User) -> None:
    theirs = tree.parent.parent / "theirs.c"
    theirs.touch()
    os.chown(theirs, e.uid, e.gid)
    (tree / "helpers/args.c").unlink()
    (tree / "helpers/args.c").symlink_to(theirs)


def _venv(tree: Path, e: User) -> None:
    (tree / ".venv/bin").mkdir(parents=True)
    (tree / ".venv/bin/python").touch()
    os.chown(tree / ".venv/bin/python", e.uid, e.gid)


def _group(path: Path, e: User) -> None:
    os.chown(path, 0, e.gid)
    path.chmod(0o775)


BREAKS: dict[str, tuple[Callable[[Path, User], None], str]] = {
    "tree": (lambda tree, e: os.chown(tree, e.uid, e.gid), "{tree} belongs to {e}"),
    "Makefile": (lambda tree, e: os.chown(tree / "helpers/Makefile", e.uid, e.gid), "helpers/Makefile belongs to {e}"),
    "group": (lambda tree, e: _group(tree / "helpers", e), "group {e} can write to {tree}/helpers"),
    "module": (
        lambda tree, e: (tree / "xsrc/commands/main.py").chmod(0o666),
        "everybody can write to {tree}/xsrc/commands/main.py",
    ),
    "folder": (lambda tree, e: (tree / "xsrc/commands").chmod(0o1777), "everybody can write to {tree}/xsrc/commands"),
    "pyproject": (lambda tree, e: (tree / "pyproject.toml").chmod(0o646), "everybody can write to {tree}/pyproject"),
    "above": (lambda tree, e: tree.parent.chmod(0o777), "everybody can write to {tree.parent}"),
    "owner above": (lambda tree, e: os.chown(tree.parent, e.uid, e.gid), "{tree.parent} belongs to {e}"),
    "link": (_link, "args.c belongs to {e}"),
    "venv": (_venv, ".venv/bin/python belongs to {e}"),
    "acl": (
        lambda tree, e: os.setxattr(tree / "helpers/Makefile", "system.posix_acl_access", acl(e.uid)),
        "group root can write to {tree}/helpers/Makefile",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_root_refuses_a_checkout_that_another_user_can_change(as_root: Land, name: str) -> None:
    assert as_root.stranger is not None
    tree = make_tree(as_root, root_user(as_root), "of-root")
    change, words = BREAKS[name]
    change(tree, as_root.stranger)
    result = by_root(as_root, tree)
    result.ended(1, "setup: FAILED: ", words.format(tree=tree, e=as_root.stranger.name), "\n  run: ")
    assert result.out == "", "something was done before the refusal"


def test_root_refuses_a_users_checkout_and_says_what_to_do(as_root: Land) -> None:
    tree = make_tree(as_root, as_root.user, "of-p")
    assert as_root.stranger is not None
    for env in ({}, sudo(as_root.stranger)):
        result = by_root(as_root, tree, **env)
        result.ended(
            1, f"{tree} belongs to {as_root.user.name}", f"run: su {as_root.user.name} -c {tree}/helpers/setup"
        )
        assert result.out == ""


def test_a_user_refuses_a_checkout_that_another_can_change(as_root: Land) -> None:
    assert as_root.stranger is not None
    tree = make_tree(as_root, as_root.stranger, "of-e")
    result = as_root.run(tree / "helpers/setup", "--no-root", cwd=tree)
    result.ended(1, f"{tree} belongs to {as_root.stranger.name}", "run: git clone")
    mine = make_tree(as_root, as_root.user, "of-p")
    (mine / "helpers").chmod(0o777)
    result = as_root.run(mine / "helpers/setup", cwd=mine)
    result.ended(1, f"everybody can write to {mine}/helpers", f"run: chmod o-w {mine}/helpers")
    assert result.out == ""


def test_root_sets_up_its_own_checkout(as_root: Land) -> None:
    """Below a sticky directory as /tmp, and with root's own group, in which nobody else is."""
    tree = make_tree(as_root, root_user(as_root), "of-root")
    tree.parent.chmod(0o1777)
    (tree / "helpers").chmod(0o775)
    result = by_root(as_root, tree).ok()
    assert "installed /usr/local/libexec/xsrc/xsrc-mount" in result.out or "no capabilities" in result.out
    assert result.out.splitlines()[-1].startswith("setup: ready")


ATTACK = """
import fcntl, json, os, sys, termios
def attempt(device):
    try:
        fcntl.ioctl(os.open(device, os.O_RDWR) if isinstance(device, str) else device, termios.TIOCSTI, b"x")
        return "typed"
    except OSError as error:
        return error.strerror
json.dump({
    "uid": os.getuid(),
    "terminals": [os.isatty(number) for number in range(3)],
    "typed": [attempt(device) for device in (0, 1, 2, "/dev/tty")],
    "environment": dict(os.environ),
}, open(sys.argv[1], "w"))
print("\\033]0;title\\007 out", flush=True)
print("\\033[31m err", file=sys.stderr)
sys.exit(3)
"""


def on_terminal(argv: list[str], env: dict[str, str]) -> tuple[int, bytes, int]:
    """Run a command on a terminal of its own: its exit code, what it printed, how many bytes were typed meanwhile."""
    main, slave = os.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
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
            os.execvpe(argv[0], argv, env)
        finally:
            os._exit(99)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    waiting = array.array("i", [0])
    fcntl.ioctl(slave, termios.FIONREAD, waiting)
    os.close(slave)
    listener.join(60)
    os.close(main)
    return code, b"".join(said), waiting[0]


def hostile(land: Land) -> tuple[Path, Path]:
    """A checkout of P's, whose user's part attacks the terminal; and where it notes what it found."""
    tree = make_tree(land, land.user, "hostile")
    note, script = tree / "note.json", tree / "attack.py"
    script.write_text(ATTACK)
    setup = tree / "helpers/setup"
    attack = f'[ "${{1-}}" != --user-part ] || {{ /usr/bin/python3 -IS {script} {note}; exit; }}'
    setup.write_text(re.sub(r"^set -eu$", f"set -eu\n{attack}", setup.read_text(), count=1, flags=re.M))
    land.own(tree)
    return tree, note


def attacked(land: Land) -> tuple[dict[str, Any], bytes, int]:
    """What the user's part found, what reached root's terminal, how many bytes were typed into it."""
    tree, note = hostile(land)
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "SECRET": "of root", **sudo(land.user)}
    code, said, waiting = on_terminal(["unshare", "-m", "sh", "-c", APART, "sh", str(tree / "helpers/setup")], env)
    assert code == 1, said.decode()
    return json.loads(note.read_text()), said, waiting


def test_the_users_part_gets_nothing_of_roots(as_root: Land) -> None:
    """Neither the terminal, nor the environment, nor control of the screen."""
    found, said, _ = attacked(as_root)
    assert found["uid"] == as_root.user.uid
    assert found["terminals"] == [False, False, False]
    assert "SECRET" not in found["environment"]
    assert found["environment"]["HOME"] == str(as_root.user.home)
    for shown, hidden in ((b" out", b"\033"), (b" err", b"\007")):
        assert shown in said
        assert hidden not in said


def test_the_users_part_types_nothing_into_roots_terminal(as_root: Land) -> None:
    switch = Path("/proc/sys/dev/tty/legacy_tiocsti")
    if switch.exists() and switch.read_text() == "0\n":
        pytest.skip("the kernel lets nobody type by TIOCSTI: dev.tty.legacy_tiocsti is 0")
    found, _, waiting = attacked(as_root)
    assert "typed" not in found["typed"]
    assert waiting == 0
