"""Logs on the disk: what is written is there, every run keeps its own, and one can follow them."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path

import pytest

from xsrc.build.disk.logs import KEPT, Flow, begin_log, followed, forget, newest
from xsrc.core.phase import Phase
from xsrc.unix.files import ending, last_lines
from xsrc.unix.ui import PlainUi


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs/a-1_1"


def put(folder: Path, phase: Phase, run: int, text: bytes) -> None:
    with begin_log(folder / f"{phase}.log", run) as log:
        log.write(text)


def test_a_line_is_on_the_disk_as_soon_as_it_is_written(folder: Path) -> None:
    """https://github.com/commercialhaskell/stackage/issues/75: the log of a killed build was empty."""
    pid = os.fork()
    if pid == 0:
        begin_log(folder / "build.log", 1).write(b"checking whether\n")
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert (folder / "build.log").read_bytes() == b"checking whether\n"


def test_each_run_keeps_its_logs(folder: Path) -> None:
    put(folder, Phase.BUILD, 1, b"one\n")
    put(folder, Phase.CHECK, 1, b"checked\n")
    put(folder, Phase.BUILD, 2, b"two\n")
    assert (folder / "build.log").read_bytes() == b"two\n"
    assert (folder / "build.log").samefile(folder / "2/build.log")
    assert (folder / "1/build.log").read_bytes() == b"one\n"
    forget(folder, [Phase.BUILD])
    assert not (folder / "check.log").exists()
    assert (folder / "1/check.log").read_bytes() == b"checked\n"


def test_the_logs_of_the_last_runs_are_kept(folder: Path) -> None:
    for run in range(1, KEPT + 4):
        put(folder, Phase.BUILD, run, b"")
    assert sorted(int(path.name) for path in folder.iterdir() if path.is_dir()) == list(range(4, KEPT + 4))
    put(folder, Phase.BUILD, 1, b"the history was lost\n")
    assert (folder / "1/build.log").exists()


def test_the_newest_log_is_that_of_the_phase_that_ran_last(folder: Path) -> None:
    assert newest(folder) is None
    put(folder, Phase.INSTALL, 1, b"")
    put(folder, Phase.EXTRACT, 2, b"")
    os.utime(folder / "install.log", (1, 1))
    assert newest(folder) == folder / "extract.log"
    os.utime(folder / "extract.log", (1, 1))
    assert newest(folder) == folder / "install.log", "of two of one moment, that of the later phase"
    assert newest(folder, Phase.CHECK) is None


def test_a_log_that_grows_is_followed_into_the_next_phase(folder: Path) -> None:
    going = True
    out = io.TextIOWrapper(io.BytesIO())

    def work() -> None:
        nonlocal going
        for phase in (Phase.CONFIGURE, Phase.BUILD):
            with begin_log(folder / f"{phase}.log", 1) as log:
                for number in range(3):
                    log.write(f"{phase} {number}\n".encode())
                    time.sleep(0.15)
        going = False

    worker = threading.Thread(target=work)
    worker.start()
    PlainUi(out, io.StringIO()).contents(Flow(followed(lambda: newest(folder), lambda: going)))  # type: ignore[arg-type]
    worker.join()
    said = out.buffer.getvalue().decode()
    assert said == "".join(f"{phase} {number}\n" for phase in ("configure", "build") for number in range(3))


def test_the_error_is_shown_although_progress_was_drawn_after_it(tmp_path: Path) -> None:
    """https://github.com/NixOS/nix/issues/4133: 28 of the last 30 lines were states of one progress line."""
    log = tmp_path / "build.log"
    log.write_bytes(b"error: no such thing\n" + b"".join(b"\r[%d/60000]..." % n for n in range(60000)) + b"\n")
    assert last_lines(ending(log)) == ["error: no such thing", "[59999/60000]..."]
    log.write_bytes(b"a\r\n" + b"x" * (3 << 20))
    assert [len(line) for line in last_lines(ending(log))] == [1, 500]
    log.write_bytes(b"".join(b"%d\x0b\xe2\x80\xa8\n" % n for n in range(100000)))
    assert last_lines(ending(log))[0] == "99970\x0b\u2028", "only a line feed ends a line"
