"""R7, R37: which descriptors a build and the helpers hold."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.kit import builds
from tests.security.kit.box import PYTHON, Box, run_as


@pytest.fixture
def leaks() -> Iterator[tuple[int, ...]]:
    """Descriptors of the host's / that a careless caller passes on."""
    top = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    made = (top, fcntl.fcntl(top, fcntl.F_DUPFD, 60), fcntl.fcntl(top, fcntl.F_DUPFD, 900))
    yield made
    for number in made:
        os.close(number)


def test_r07_only_three_in_the_payload(box: Box, leaks: tuple[int, ...]) -> None:
    assert box.probe("fds", pass_fds=leaks) == {"0": "char", "1": "pipe", "2": "pipe"}


def test_r07_chroot_alone_closes_them_too(box: Box, leaks: tuple[int, ...]) -> None:
    """Plain copies cannot change the root by themselves, and say so."""
    builds.put(box.stage.kit / "ids", box.root / "ids", 0o755)
    done = run_as(box.person, [box.helper.chroot, "--", box.root, "/ids"], pass_fds=leaks)
    if box.helper.mode == "plain":
        done.refused("chroot")
    else:
        assert done.json["fds"] == 3


@pytest.mark.parametrize("number", [0, 1, 2])
def test_r07_directory_as_standard_descriptor(box: Box, number: int, leaks: tuple[int, ...]) -> None:
    name = ("stdin", "stdout", "stderr")[number]
    for argv in (box.argv("/kit/ids"), [str(box.helper.chroot), "--", str(box.root), "/kit/ids"]):
        done = run_as(box.person, argv, **{name: leaks[0]})
        assert (done.code, done.out) == (125, ""), str(done)
        if name != "stderr":
            done.refused("standard descriptors: a directory")


REPORT = "import os; open('/work/fds', 'w').write(str([os.stat('/proc/self/fd/%d' % n).st_rdev for n in range(3)]))"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_r07_closed_standard_descriptors(box: Box, closed: tuple[int, ...]) -> None:
    """What is closed is /dev/null inside, not the first file that the helper opens."""
    argv = box.argv(PYTHON, "-I", "-S", "-c", REPORT)
    shut = " ".join(f"{number}>&-" for number in closed)
    done = run_as(box.person, ["sh", "-c", f'exec "$@" {shut}', "sh", *argv])
    assert done.code == 0, str(done)
    devices = json.loads((box.work / "fds").read_text())
    null = Path("/dev/null").stat().st_rdev
    assert [devices[number] for number in closed] == [null] * len(closed)


@pytest.mark.usefixtures("root_only")
def test_r37_no_descriptor_outranks_the_caller(box: Box, leaks: tuple[int, ...]) -> None:
    with box.running(pass_fds=leaks) as (outer, first, payload):
        held = {name: _fds(pid) for name, pid in (("outer", outer), ("first", first), ("payload", payload))}
    assert held["first"] == []
    assert held["payload"] == ["/dev/null", "pipe", "pipe"]
    # the caller's own three, signals, the caller itself, the end of a pipe
    assert sorted(held["outer"]) == sorted(
        ["/dev/null", "pipe", "pipe", "anon_inode:[signalfd]", "anon_inode:[pidfd]", "pipe"]
    )


def _fds(pid: int) -> list[str]:
    """What a process holds, without the numbers of pipes."""
    folder = Path(f"/proc/{pid}/fd")
    names = [str((folder / number).readlink()) for number in sorted(os.listdir(folder), key=int)]
    return ["anon_inode:[pidfd]" if name.startswith("pidfd:") else re.sub(r"^pipe:.*", "pipe", name) for name in names]
