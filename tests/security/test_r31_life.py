"""R31, R32: nothing of a build outlives it, and it outlives no more than it must."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.security.conftest import race_seconds
from tests.security.kit.box import PYTHON, Box, gone, run_as
from tests.security.kit.people import as_root, popen
from tests.security.kit.races import rounds


def token() -> str:
    """A word that marks the processes of one build."""
    return f"xsrc-token-{secrets.token_hex(4)}"


def stubborn(box: Box, word: str) -> list[str]:
    return box.argv(PYTHON, "-I", "-S", "/kit/life.py", "stubborn", word)


def ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_r31_end_of_outer(box: Box, number: signal.Signals) -> None:
    """Children that left the session and ignore every signal go too, within a second."""
    word = token()
    process = popen(box.person, stubborn(box, word))
    ready(process)
    process.send_signal(number)
    assert not gone(word)
    process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)


def test_r31_end_of_the_caller(box: Box) -> None:
    word = token()
    argv = [PYTHON, "-I", "-S", str(box.stage.kit / "outside.py"), "caller", *stubborn(box, word)]
    process = popen(box.person, argv)
    ready(process)
    process.kill()
    assert not gone(word)
    process.communicate()


def test_r31_caller_that_ended_before_the_helper_began(box: Box) -> None:
    """Killed between fork and exec: who adopted the helper is not who started it, and `-P` tells."""
    argv = ["orphan", "told", *box.argv("/bin/echo", "it runs")]
    done = run_as(box.person, [PYTHON, "-I", "-S", box.stage.kit / "outside.py", *argv])
    assert done.out == "", f"something ran\n{done}"
    assert done.err == "xsrc-mount: the caller is gone\n", str(done)


def test_r31_caller_that_is_not_told(box: Box) -> None:
    """Without `-P` that is a shell which started a build in the background: it goes on."""
    argv = ["orphan", "", *box.argv("/bin/echo", "it runs")]
    done = run_as(box.person, [PYTHON, "-I", "-S", box.stage.kit / "outside.py", *argv])
    assert (done.out, done.err) == ("it runs\n", "")


def test_r31_parent_as_told(box: Box) -> None:
    """The right number changes nothing; a wrong one, or none, is refused."""
    right = box.argv("/bin/echo", "it runs", options=["-P", str(os.getpid())])
    assert run_as(box.person, right).out == "it runs\n"
    for word in (str(os.getppid()), "1", "0", "-1", "", "1x", "00000001"):
        done = run_as(box.person, box.argv("/bin/echo", "it runs", options=["-P", word]))
        done.refused("the caller is gone" if word in (str(os.getppid()), "1") else "-P wants the number of a process")


def test_r31_end_of_the_command(box: Box) -> None:
    """Daemons that it leaves behind end with it; its exit code is kept."""
    word = token()
    done = box.run(PYTHON, "-I", "-S", "/kit/life.py", "daemons", word)
    assert done.code == 7, str(done)
    assert not gone(word)


def test_r31_kill_during_the_start(box: Box) -> None:
    """kill -9 of outer after a random time, in and after the start-up: at no moment is anything left alive."""
    word, dice, tried = token(), random.Random(31), 0
    argv = box.argv(PYTHON, "-I", "-S", "/kit/probe.py", "sleep", word)
    for _ in rounds(race_seconds(), 60):
        process = popen(box.person, argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(dice.random() * 0.008)
        process.kill()
        process.wait()
        tried += 1
    assert not gone(word)
    assert tried >= 60


def test_r31_pid_1_cannot_be_hurt_from_inside(box: Box) -> None:
    code = "import os; [os.kill(1, n) for n in (9, 15, 19, 2, 11)]; print('alive')"
    done = box.run(PYTHON, "-I", "-S", "-c", code)
    assert (done.code, done.out) == (0, "alive\n"), str(done)


def test_r31_ignored_signals_stay_ignored(box: Box) -> None:
    """nohup: SIGHUP does not end what was started to ignore it; SIGTERM does."""
    word = token()
    process = popen(box.person, ["nohup", *stubborn(box, word)])
    ready(process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    assert not gone(word)
    process.communicate()
    assert process.returncode == 128 + signal.SIGTERM


def test_r32_end_of_the_starting_thread(box: Box) -> None:
    argv = box.argv(PYTHON, "-I", "-S", "-c", "import time; print('ready', flush=True); time.sleep(0.4); print('done')")
    done = run_as(box.person, [PYTHON, "-I", "-S", box.stage.kit / "outside.py", "thread", *argv])
    assert (done.code, done.out) == (0, "done\n"), str(done)


@pytest.mark.usefixtures("root_only")
def test_r31_nothing_is_left_of_p(box: Box) -> None:
    """After all of that: no process of P's at all."""
    word = token()
    process = popen(box.person, stubborn(box, word))
    ready(process)
    process.kill()
    process.communicate()
    gone(word)
    assert as_root()
    end = time.monotonic() + 1
    left = [""]
    while left and time.monotonic() < end:
        left = [pid for pid in os.listdir("/proc") if pid.isdigit() and _lives(pid, box.person.uid)]
    assert left == []


def _lives(pid: str, uid: int) -> bool:
    """Whether it is the user's; what nobody has waited for yet is dead all the same."""
    try:
        fields = Path("/proc", pid, "status").read_text()
    except OSError:
        return False
    return f"\nUid:\t{uid}\t" in fields and "\nState:\tZ" not in fields
