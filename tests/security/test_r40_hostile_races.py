"""R40: names that change their meaning between two looks at them, or while a step runs."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.kit.box import Stage
from tests.security.kit.hostile import EPOCH, HYPOTHESIS, STEPS, in_child, make_canary, outcome, state, within
from tests.security.kit.races import exchange
from xsrc.core.errors import BuildFailed
from xsrc.store.disk import scan, seal
from xsrc.unix import trees
from xsrc.unix.walk import Walk

# ---- between one look and the next


def becomes(path: Path, canary: Path, what: str) -> None:
    """Put something else where a name was."""
    path.rename(path.with_name("was"))
    match what:
        case "link":
            path.symlink_to(canary / "kept")
        case "link-to-folder":
            path.symlink_to(canary / "inner")
        case "hard-link":
            os.link(canary / "kept", path)
        case "shut-hard-link":
            os.link(canary / "inner/shut", path)
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "vast":  # the same file, of a size that nobody reads to its end
            path.with_name("was").rename(path)
            path.chmod(0o600)
            os.truncate(path, 1 << 42)


OTHERS = ("link", "link-to-folder", "hard-link", "shut-hard-link", "fifo", "folder", "vast", "nothing")


@pytest.mark.parametrize("mode", [0o644, 0o000])
@pytest.mark.parametrize("what", OTHERS)
def test_r40_a_file_becomes_another_before_it_is_opened(stage: Stage, spot: Path, what: str, mode: int) -> None:
    def law() -> None:
        top, canary = spot / "dest", make_canary(spot / "canary")
        top.mkdir()
        (top / "it").write_text("x")
        (top / "it").chmod(mode)
        before = state(canary)
        with within(5), Walk(top) as at:
            item = next(at.items())
            becomes(top / "it", canary, what)
            with pytest.raises((OSError, BuildFailed)) as caught:
                scan._file(item)
        assert "it" in str(caught.value)
        if what.startswith("link"):
            assert isinstance(caught.value, OSError), "what it leads to was opened"
        assert state(canary) == before

    in_child(stage, law)


@pytest.mark.parametrize("mode", [0o755, 0o000])
@pytest.mark.parametrize("what", [what for what in OTHERS if what not in ("folder", "vast")])
def test_r40_a_folder_becomes_another_before_it_is_entered(stage: Stage, spot: Path, what: str, mode: int) -> None:
    def law() -> None:
        top, canary = spot / "dest", make_canary(spot / "canary")
        (top / "it").mkdir(parents=True)
        (top / "it").chmod(mode)
        before = state(canary)
        with pytest.raises(OSError, match="it") as caught, Walk(top) as at:
            items = at.items()
            next(items)
            becomes(top / "it", canary, what)
            next(items)
        assert caught.value.filename == str(top / "it")
        assert state(canary) == before

    in_child(stage, law)


def test_r40_a_folder_is_moved_while_one_is_in_it(stage: Stage, spot: Path) -> None:
    def law() -> None:
        top = spot / "dest"
        (top / "a/b").mkdir(parents=True)
        (spot / "other").mkdir()
        with pytest.raises(BuildFailed, match=f"'{top}/a/b': it changed"), Walk(top) as at:
            for item in at.items():
                if (item.path, item.name) == ("a/b", "."):
                    (top / "a/b").rename(spot / "other/b")

    in_child(stage, law)


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o4311])
def test_r40_a_shut_file_is_read_and_stays_shut(stage: Stage, spot: Path, mode: int) -> None:
    def law() -> None:
        top = spot / "dest"
        top.mkdir()
        (top / "shut").write_text("x")
        (top / "shut").chmod(mode)
        (entry,) = scan.scan(top).manifest.entries
        assert (entry.mode, entry.sha256) == (mode, hashlib.sha256(b"x").hexdigest())
        assert stat.S_IMODE((top / "shut").stat().st_mode) == mode

    in_child(stage, law)


# ---- races

WIDE = 30
SWAPS = ("folder-link", "folder-hard", "folder-away", "file-link", "file-hard", "file-fifo", "file-folder", "link-hard")
_EXCHANGE = 2


def arena(top: Path, spare: Path, canary: Path, swaps: list[str], wide: int) -> list[tuple[Path, Path]]:
    """A tree with a place for each swap, what waits beside it to come in, and the pairs that are to be exchanged."""
    pairs = []
    spare.mkdir()
    for number, swap in enumerate(swaps):
        here, there = fill(top / f"m{number}", wide) / "it", spare / f"s{number}"
        match swap.partition("-")[0]:
            case "folder":
                fill(here, wide)
            case "file":
                here.write_text("x")
            case "link":
                here.symlink_to("nowhere")
        match swap.partition("-")[2]:
            case "link":
                there.symlink_to(canary / ("inner" if swap == "folder-link" else "kept"))
            case "hard":
                os.link(canary / ("link" if swap == "link-hard" else "kept"), there, follow_symlinks=False)
            case "fifo":
                os.mkfifo(there)
            case "folder":
                there.mkdir()
            case "away":  # the folder around it has the same names as the one that `..` should lead to
                there = canary / f"beside{number}/it"
                there.mkdir()
        pairs.append((here, there))
    return pairs


@contextlib.contextmanager
def swapped(pairs: list[tuple[Path, Path]]) -> Iterator[None]:
    """A process that exchanges the names of each pair without end, and lets each stand for a moment."""
    child = os.fork()
    if child == 0:
        try:
            libc = ctypes.CDLL(None)
            words = [(-100, os.fsencode(one), -100, os.fsencode(other), _EXCHANGE) for one, other in pairs]
            while True:
                for word in words:
                    libc.renameat2(*word)
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("swap", SWAPS)
def test_r40_races(stage: Stage, spot: Path, swap: str) -> None:
    """Names change their meaning while a step runs: it may stop, and what is outside stays as it is."""
    numbers = count()

    @settings(HYPOTHESIS, max_examples=5)
    @given(st.sampled_from(SWAPS), st.sampled_from(["scan", "seal", "remove"]), st.integers(1, WIDE))
    def law(second: str, step: str, wide: int) -> None:
        place = spot / str(next(numbers))
        canary = make_canary(place / "canary")
        for number in range(2):
            fill(canary / f"beside{number}", wide)
        before = seen(canary)
        top = place / "dest"
        for again in range(3):
            spare = place / f"spare{again}"
            with swapped(arena(top, spare, canary, [swap, second], wide)):
                outcome(lambda: STEPS[step](top), top)
            assert seen(canary) == before
            assert outcome(lambda: trees.remove_tree(top), top) == ""
            assert not os.path.lexists(top)
            assert seen(canary) == before
            for number in range(2):
                trees.remove_tree(canary / f"beside{number}/it")

    in_child(stage, law)


def test_r40_a_file_becomes_another_while_it_is_sealed(stage: Stage, spot: Path) -> None:
    """Once, at any time: also after all names were counted, and before they are sealed."""
    numbers = count()

    @settings(HYPOTHESIS, max_examples=10)
    @given(st.integers(0, 8))
    def law(wait: int) -> None:
        place = spot / str(next(numbers))
        canary = make_canary(place / "canary")
        top = fill(place / "dest", 300)
        os.link(canary / "kept", place / "evil")
        before = state(canary)
        late = threading.Timer(wait / 1000, lambda: exchange(top / "z0", place / "evil"))
        late.start()
        said = outcome(lambda: seal.seal(top, EPOCH), top)
        late.join()
        assert state(canary) == before, said
        trees.remove_tree(top)

    in_child(stage, law)


def fill(path: Path, wide: int) -> Path:
    """A folder of files."""
    path.mkdir(parents=True)
    for name in range(wide):
        (path / f"z{name}").write_text("x")
    return path


def seen(canary: Path) -> list[tuple[object, ...]]:
    """The canary without what the race itself moves in and out."""
    return [row for row in state(canary, moving=True) if "/it" not in str(row[0])]


def rewritten(path: Path) -> None:
    """Other bytes of the same length, and the time as it was."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(os.urandom(64))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x" * (1 << 16))


def shorter(path: Path) -> None:
    os.truncate(path, max(0, path.stat().st_size - 4096))


@pytest.mark.parametrize("how", [rewritten, longer, shorter], ids=lambda how: str(how.__name__))
def test_r40_a_file_that_changes_while_it_is_read(stage: Stage, spot: Path, how: Callable[[Path], None]) -> None:
    def law() -> None:
        top = spot / "dest"
        top.mkdir()
        file = top / "log"
        file.write_bytes(b"")
        os.truncate(file, 48 << 20)
        begun = file.stat().st_ctime_ns
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                while file.stat().st_size < 1 << 30:
                    how(file)
            os._exit(0)
        try:
            while file.stat().st_ctime_ns == begun:
                time.sleep(0.001)
            said = outcome(lambda: scan.scan(top), top)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        assert said == "error: '/log': it changed while it was looked at"

    in_child(stage, law)
