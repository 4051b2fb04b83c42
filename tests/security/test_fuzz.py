"""Fuzzing of both command lines, and what the compilers' analyzers and sanitizers say of the sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.security.kit import builds

Recorder = Callable[[str, object], None]
Fuzzers = dict[str, tuple[subprocess.Popen[str], str]]
FUZZ = builds.SECURITY / "fuzz"
SECONDS = float(os.environ.get("XSRC_FUZZ_SECONDS", "20"))
PARSERS = ("xsrc-mount", "xsrc-chroot")
CLANGS = ("clang", *(f"clang-{version}" for version in range(22, 12, -1)))
SANITIZED = "-g -O1 -fno-sanitize-recover=all -fno-omit-frame-pointer"
WARN = "-std=c11 -O2 -Wall -Wextra -Wshadow -Wmissing-prototypes -Wconversion -Wvla -Werror"

_runs: dict[str, int] = {}


def clang() -> str | None:
    return next((path for name in CLANGS if (path := shutil.which(name))), None)


def run(*words: str | Path, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    argv = [str(word) for word in words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds)


def fuzzer(out: Path, number: int) -> tuple[list[str], str]:
    """The program to run, without a corpus, and what it is."""
    common = f"{SANITIZED} -I{builds.HELPERS} -DPROGRAM={number}".split()
    source = str(FUZZ / "parse.c")
    compiler = clang()
    if compiler:
        made = run(compiler, *common, "-fsanitize=fuzzer,address,undefined", "-o", out, source)
        if made.returncode == 0:
            return [
                str(out),
                f"-max_total_time={int(SECONDS / 2)}",
                "-print_final_stats=1",
                "-max_len=8192",
            ], "libFuzzer"
        why = f"{compiler} has no libFuzzer"
    else:
        why = "clang is not installed"
    made = run("gcc", *common, "-DSTANDALONE", "-fsanitize=address,undefined", "-o", out, source)
    assert made.returncode == 0, made.stderr
    return [str(out), str(int(SECONDS / 2))], f"random changes under gcc's ASan and UBSan, {why}"


@pytest.fixture(scope="module")
def fuzzers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzers]:
    """Both at a time, half of the time for each. The kept corpus is only read; what is found is thrown away."""
    started = {}
    for number, program in enumerate(PARSERS, 1):
        place = tmp_path_factory.mktemp(program)
        words, how = fuzzer(place / "fuzz", number)
        (place / "new").mkdir()
        corpus = [FUZZ / "corpus"] if "random" in how else [place / "new", FUZZ / "corpus"]
        argv = [*words, *map(str, corpus)]
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=place)
        started[program] = process, how
    yield started
    for process, _ in started.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("program", PARSERS)
def test_fuzz_of_the_command_line(fuzzers: Fuzzers, program: str, record_property: Recorder) -> None:
    process, how = fuzzers[program]
    _, said = process.communicate(timeout=SECONDS + 120)
    assert process.returncode == 0, said[-4000:]
    found = re.search(r"number_of_executed_units: +(\d+)", said)
    assert found, said[-2000:]
    _runs[program] = int(found[1])
    assert int(found[1]) > 300 * SECONDS
    record_property("figure: fuzz executions without a crash", f"{sum(_runs.values())} ({how})")


@pytest.mark.parametrize("compiler", ["musl-gcc", "gcc", "clang"])
def test_builds_without_a_warning(tmp_path: Path, compiler: str) -> None:
    found = clang() if compiler == "clang" else shutil.which(compiler)
    if not found:
        pytest.skip(f"{compiler} is not installed")
    done = run("make", "-s", "-C", builds.HELPERS, f"OUT={tmp_path}", f"CC={found}")
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == set(builds.PROGRAMS)


@pytest.mark.parametrize("name", builds.SOURCES)
@pytest.mark.parametrize("analyzer", ["gcc", "clang"])
def test_analyzer_is_silent(tmp_path: Path, name: str, analyzer: str) -> None:
    source, out = builds.HELPERS / name, tmp_path / "object.o"
    words: list[str | Path] = [*WARN.split(), '-DLIBEXECDIR="/x"', "-o", out, source]
    if analyzer == "gcc":
        done = run("gcc", "-fanalyzer", "-c", *words)
    elif found := clang():
        done = run(found, "--analyze", "--analyzer-output", "text", *words)
    else:
        pytest.skip("clang is not installed")
    assert (done.returncode, done.stderr) == (0, "")


def test_sources_know_no_holes() -> None:
    """The holes of test_weakened.py are laid from outside; nothing in helpers/ can switch one on."""
    for path in builds.HELPERS.glob("*"):
        if path.suffix in (".c", ".h") or path.name == "Makefile":
            assert "WEAKEN" not in path.read_text().upper(), path
