"""R5, R6: nothing of the caller's environment passes; a helper that lost its capabilities does not go half-way."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.security.kit import builds
from tests.security.kit.box import PYTHON, Box, Done, run_as
from tests.security.kit.people import ENV, group_of
from tests.security.kit.scratch import scratch

WANTED = {
    "LD_LIBRARY_PATH": "/x",
    "TMPDIR": "/y",
    "TZDIR": "/z",
    "LOCPATH": "/l",
    "GLIBC_TUNABLES": "glibc.malloc.check=1",
    "MALLOC_ARENA_MAX": "1",
    "FOO": "a b\nc",
    "EMPTY": "",
}
OUTSIDE = {
    **ENV,
    "LD_PRELOAD": "/kit/none.so",
    "LD_LIBRARY_PATH": "/outside",
    "LD_AUDIT": "/kit/none.so",
    "TMPDIR": "/outside",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=1",
    "SECRET": "outside",
    "IFS": "x",
}


def test_r05_environment_is_the_list(box: Box) -> None:
    """Byte for byte the same in both modes; a static glibc helper with capabilities would strip some of it."""
    options = [word for key, value in WANTED.items() for word in ("-e", f"{key}={value}")]
    done = box.run("/usr/bin/cat", "/proc/self/environ", options=options, env=OUTSIDE)
    assert done.code == 0, str(done)
    assert done.out == "".join(f"{key}={value}\0" for key, value in WANTED.items())


def test_r05_no_environment(box: Box) -> None:
    done = box.run("/usr/bin/cat", "/proc/self/environ", env=OUTSIDE)
    assert (done.code, done.out) == (0, "")


def _lost(box: Box, argv: list[str], done: Done) -> None:
    """The helper had no capabilities: it ran in a user namespace, or refused."""
    if done.code == 125:
        done.refused()
        return
    assert len(json.loads(done.out)["uid_map"].split()) == 3, str(done)
    assert json.loads(done.out)["uid_map"].split() != ["0", "0", "4294967295"], f"{argv} {done}"
    assert box.person.uid


def _loose(box: Box) -> list[str]:
    """Without -u or -c: the helper looks at what it has."""
    argv = box.argv(PYTHON, "-I", "-S", "/kit/probe.py", "maps")
    return [word for word in argv if word not in ("-u", "-c")]


def _wrappings(box: Box) -> dict[str, list[str]]:
    found = {
        "no_new_privs": ["setpriv", "--no-new-privs"],
        "shared fs_struct": [PYTHON, "-I", "-S", str(box.stage.kit / "outside.py"), "shared_fs"],
    }
    if shutil.which("strace"):
        found["tracer"] = ["strace", "-f", "-o", "/dev/null"]
    return found


def test_r06_lost_capabilities(box: Box) -> None:
    argv = _loose(box)
    for prefix in _wrappings(box).values():
        _lost(box, argv, run_as(box.person, [*prefix, *argv]))


def test_r06_lost_capabilities_although_asked_for(box: Box) -> None:
    """With -c it refuses; plain copies never have any."""
    argv = _loose(box)
    argv.insert(1, "-c")
    for prefix in _wrappings(box).values():
        run_as(box.person, [*prefix, *argv]).refused("no capabilities")
    if box.helper.mode == "plain":
        run_as(box.person, argv).refused("no capabilities")


@pytest.mark.parametrize("prefix", ["no_new_privs", "tracer", "shared fs_struct"])
def test_r06_chroot_alone_without_capabilities(box: Box, prefix: str) -> None:
    """xsrc-chroot that lost its capability cannot change the root, and then runs nothing."""
    wrapping = _wrappings(box).get(prefix)
    if wrapping is None:
        pytest.skip("strace is not installed")
    run_as(box.person, [*wrapping, box.helper.chroot, "--", box.root, "/kit/ids"]).refused("chroot")


@pytest.mark.usefixtures("root_only")
def test_r06_nosuid_mount(box: Box) -> None:
    mount = box.folder("nosuid")
    script = 'mount -t tmpfs -o nosuid,mode=755 tmpfs "$1"; cp "$2" "$1/xsrc-mount"; cp "$3" "$1/xsrc-chroot"'
    with scratch(script, mount, box.stage.out / "xsrc-mount", box.stage.out / "xsrc-chroot") as space:
        inside = Path(f"/proc/{space.pid}/root", *mount.parts[1:])
        for name, caps in builds.PROGRAMS.items():
            builds.put(box.stage.out / name, inside / name, 0o750, (0, group_of(box.person)), caps)
        argv = [str(mount / "xsrc-mount"), *_loose(box)[1:]]
        _lost(box, argv, space.run(box, argv))
        argv.insert(1, "-c")
        space.run(box, argv).refused("no capabilities")
