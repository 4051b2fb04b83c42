"""R33, R34: exit codes, orphans, and the signals that a command starts with."""

from __future__ import annotations

import signal

from tests.security.kit.box import PYTHON, Box, file, run_as
from tests.security.kit.people import popen


def test_r33_exit_codes(box: Box) -> None:
    for code in (0, 1, 7, 100, 124, 125, 126, 127, 128, 255):
        done = box.run(PYTHON, "-I", "-S", "-c", f"import os; os._exit({code})")
        assert (done.code, done.err) == (code, ""), str(done)


def test_r33_signals(box: Box) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP, signal.SIGPIPE, signal.SIGRTMIN):
        default = "" if number == signal.SIGKILL else f"signal.signal({int(number)}, 0); "
        code = f"import os, signal; {default}os.kill(os.getpid(), {int(number)})"
        done = box.run(PYTHON, "-I", "-S", "-c", code)
        assert done.code == 128 + number, str(done)


def test_r33_what_cannot_run(box: Box) -> None:
    file(box.root / "text", box.person, "no program", 0o755)
    file(box.root / "shut", box.person, "#!/usr/bin/python3\n", 0o644)
    file(box.root / "lost", box.person, "#!/usr/bin/none\n", 0o755)
    for path, code in {"/none": 127, "/lost": 127, "/text": 126, "/shut": 126, "/usr": 126, "/text/x": 126}.items():
        done = box.run(path)
        assert done.code == code, str(done)
        assert done.err.startswith("xsrc-chroot: exec: "), str(done)


def test_r33_refusals(box: Box) -> None:
    box.run("/kit/ids", options=("-d", "/none")).refused("working directory: /none: No such file")
    box.run("/kit/ids", options=("-r", "/none", "mnt")).refused("source: /none")


def test_r34_orphans_are_reaped(box: Box) -> None:
    found = box.run(PYTHON, "-I", "-S", "/kit/life.py", "orphans", "100").json
    assert found["pid"] == 2, "the payload is never pid 1"
    assert found["parent"] == 1
    # pid 1, which waits, and the payload itself
    assert sorted(found["states"]) == ["R", "S"], found["states"]


def test_r34_signals_of_a_deaf_caller(box: Box) -> None:
    """Everything blocked and much ignored outside; inside all is as it should be."""
    argv = box.argv("/usr/bin/cat", "/proc/self/status")
    done = run_as(box.person, [PYTHON, "-I", "-S", box.stage.kit / "outside.py", "deaf", *argv])
    found = dict(line.split(":\t", 1) for line in done.out.splitlines())
    for name in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd"):
        assert found[name] == "0" * 16, f"{name} {found[name]}"


def test_r34_deaf_caller_gets_the_exit_code(box: Box) -> None:
    argv = box.argv(PYTHON, "-I", "-S", "-c", "raise SystemExit(9)")
    done = run_as(box.person, [PYTHON, "-I", "-S", box.stage.kit / "outside.py", "deaf", *argv])
    assert done.code == 9, str(done)


def test_r34_few_descriptors(box: Box) -> None:
    """Limits of the caller end in a refusal or a whole build, never in something between or in waiting forever."""
    outcomes = set()
    for number in (4, 6, 8, 10, 12, 16, 24, 64):
        argv = box.argv("/kit/ids")
        process = popen(box.person, ["sh", "-c", f'ulimit -n {number}; exec "$@"', "sh", *argv])
        out, err = process.communicate(timeout=20)
        outcomes.add(process.returncode)
        assert process.returncode in (0, 125), (number, out, err)
        assert (process.returncode == 0) == bool(out), (number, out, err)
    assert outcomes == {0, 125}


def test_r34_umask_of_the_caller(box: Box) -> None:
    """The cell is made with modes of our own."""
    argv = box.argv(PYTHON, "-I", "-S", "-c", "import os; print(oct(os.umask(0)), oct(os.stat('/dev').st_mode))")
    done = run_as(box.person, ["sh", "-c", 'umask 777; exec "$@"', "sh", *argv])
    assert done.out == "0o22 0o40755\n", str(done)
