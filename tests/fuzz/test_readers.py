"""Every reader of bytes that somebody else wrote, fuzzed for XSRC_FUZZ_SECONDS each (3 where nothing is said).

An input that was found to be wrong is kept in corpus/TARGET/, so it is tried first from then on. For a longer run with
coverage: python -m tests.fuzz.long TARGET SECONDS.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.kit import disk, values
from tests.fuzz.kit.engine import CORPUS, LIMIT, MEMORY, Target, Touched, fuzz, tried

SECONDS = float(os.environ.get("XSRC_FUZZ_SECONDS", "3"))
TARGETS = {target.name: target for target in (*values.TARGETS, *disk.TARGETS)}


def _seed() -> str:
    """The seed of the changes: the same in every run, unless XSRC_FUZZ_SEED says another, or `random`."""
    seed = os.environ.get("XSRC_FUZZ_SEED", "xsrc")
    return secrets.token_hex(4) if seed == "random" else seed


@pytest.mark.flaky(reruns=0)
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_whatever_is_read(name: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    place, seed = tmp_path / "place", _seed()
    place.mkdir()
    found = fuzz(TARGETS[name], SECONDS, seed, place)
    if found.trouble:
        kept = tmp_path / hashlib.sha256(found.data).hexdigest()[:16]
        kept.write_bytes(found.data)
        pytest.fail(
            f"{name}: {found.trouble}\ninput {found.inputs} of seed {seed}, kept as {kept}: {found.data[:2000]!a}\n"
            f"to try it from now on: cp {kept} {CORPUS / name}/",
            pytrace=False,
        )
    assert found.inputs > 0
    record_property(f"figure: fuzz of {name}, inputs without trouble", found.inputs)


def test_every_corpus_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)


def burn(data: bytes, place: Path) -> None:
    last = time.process_time() + LIMIT + 1
    while data == b"slow" and time.process_time() < last:
        pass


def take(data: bytes, place: Path) -> None:
    _ = bytearray(2 * MEMORY if data == b"much" else 0)


def wander(data: bytes, place: Path) -> None:
    if data == b"out":
        (place.parent / "outside").write_text("x")


def follow(data: bytes, place: Path) -> None:
    (place / "link").unlink(missing_ok=True)
    (place / "link").symlink_to("/var")
    if data == b"out":
        (place / "link/outside").write_text("x")


def fail(data: bytes, place: Path) -> None:
    if data == b"bad":
        raise LookupError("a bug")


def die(data: bytes, place: Path) -> None:
    if data == b"die":
        os.kill(os.getpid(), 11)


@pytest.mark.parametrize(
    ("run", "data", "word"),
    [
        (burn, b"slow", "processor time"),
        (take, b"much", "MemoryError"),
        (wander, b"out", "Touched"),
        (follow, b"out", "Touched"),
        (fail, b"bad", "LookupError"),
        (die, b"die", "a signal"),
    ],
)
def test_the_fuzzer_sees_what_it_looks_for(
    run: Callable[[bytes, Path], object], data: bytes, word: str, tmp_path: Path
) -> None:
    """A reader that breaks a rule with one input, which the fuzzer makes of two others."""
    place = tmp_path / "place"
    place.mkdir()
    found = fuzz(Target("none", run, lambda: [b"", b"x"], (ValueError,), (data,)), 30, "seed", place)
    assert word in found.trouble, found
    assert found.data == data
    assert not (tmp_path / "outside").exists()
    assert not Path("/var/outside").exists()


def test_an_input_that_ends_as_documented_is_no_trouble(tmp_path: Path) -> None:
    def refuse(data: bytes, place: Path) -> None:
        raise ValueError("no")

    assert tried(Target("none", refuse, list, (ValueError,)), b"", tmp_path)[0] == ""
    assert issubclass(Touched, BaseException) and not issubclass(Touched, Exception)
