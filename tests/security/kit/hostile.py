"""Trees that a hostile build might leave: drawn by hypothesis, planted on a real disk, and a canary beside them."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.security.kit.box import Stage
from tests.security.kit.people import as_person
from xsrc.core.errors import XsrcError
from xsrc.store.disk import scan, seal
from xsrc.unix import trees

NAMES = (b"a", b"b", b"usr", b" ", b"-rf", b"...", b"..a", b"new\nline", b"\xff\xfe", b"\xed\xa0\x80", b"x" * 255)
OURS = (b"files.plist", b"props.plist", b".props.plist", b"pkg-destdir")
MODES = (0o755, 0o644, 0o000, 0o100, 0o200, 0o400, 0o600, 0o555, 0o4755, 0o7777)
TARGETS = (
    *(b"..", b"../" * 40, b"a", b"../canary", b"../../canary/kept", b"/", b"/proc/self/root", b"/dev/zero"),
    *(b"/pkg-destdir/x-1_1/usr", b"\xff", b"new\nline", b"t" * 4095, b"."),
)


@dataclass(frozen=True)
class Leaf:
    """What is no directory: a kind, and what it holds or leads to."""

    kind: str
    data: bytes = b""
    mode: int = 0o644


@dataclass(frozen=True)
class Folder:
    """A directory."""

    kids: dict[bytes, Any]
    mode: int = 0o755


def _leaves() -> st.SearchStrategy[Leaf]:
    contents = st.one_of(
        st.binary(max_size=64),
        st.just(b"prefix=/pkg-destdir/x-1_1"),
        st.binary(max_size=200).map(lambda data: b"\x7fELF\x02\x01\x01" + data),
    )
    return st.one_of(
        st.builds(Leaf, st.just("file"), contents, st.sampled_from(MODES)),
        st.builds(Leaf, st.just("link"), st.sampled_from(TARGETS)),
        st.builds(Leaf, st.just("canary"), st.sampled_from((b".", b"inner", b"kept"))),
        st.sampled_from([Leaf(kind) for kind in ("fifo", "device", "again", "hard", "hardlink")]),
    )


def _folders(kids: st.SearchStrategy[Any]) -> st.SearchStrategy[Folder]:
    names = st.one_of(st.sampled_from((*NAMES, *OURS)), st.binary(min_size=1, max_size=8).filter(_is_name))
    return st.builds(Folder, st.dictionaries(names, kids, max_size=4), st.sampled_from(MODES))


def _is_name(name: bytes) -> bool:
    return name not in (b".", b"..") and b"/" not in name and b"\0" not in name


def folders() -> st.SearchStrategy[Folder]:
    """Trees of a few levels; their top can be entered."""
    inner = st.recursive(_leaves(), lambda kids: st.one_of(_leaves(), _folders(kids)), max_leaves=12)
    return _folders(inner).map(lambda top: Folder(top.kids, 0o755))


def plant(top: Path, tree: Folder, canary: Path) -> list[bytes]:
    """Make a tree; gives the paths below its top. `hard` is a second name of the canary's file, `again` of the last."""
    made: list[bytes] = []
    last: list[Path] = []
    shut: list[tuple[Path, int]] = []

    def put(path: Path, node: Leaf | Folder) -> None:
        if isinstance(node, Folder):
            path.mkdir()
            for name, kid in node.kids.items():
                put(path / os.fsdecode(name), kid)
            shut.append((path, node.mode))
        else:
            leaf(path, node, canary, last)
        made.append(os.fsencode(path.relative_to(top)))

    put(top, tree)
    for path, mode in shut:  # each before those around it
        path.chmod(mode)
    return made[:-1]


def leaf(path: Path, node: Leaf, canary: Path, last: list[Path]) -> None:
    match node.kind:
        case "link":
            path.symlink_to(os.fsdecode(node.data))
        case "canary":
            path.symlink_to(canary / os.fsdecode(node.data))
        case "fifo":
            os.mkfifo(path)
        case "device":  # the one that everybody may make, from Linux 5.8 on
            try:
                os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(0, 0))
            except PermissionError:
                os.mkfifo(path)
        case "hard":
            os.link(canary / "kept", path)
        case "hardlink":
            os.link(canary / "link", path, follow_symlinks=False)
        case "again" if last:
            os.link(last[-1], path)
        case _:
            path.write_bytes(node.data)
            path.chmod(node.mode)
            last.append(path)


def make_canary(path: Path) -> Path:
    """What no step may change."""
    (path / "inner").mkdir(parents=True)
    for name, mode in (("kept", 0o666), ("inner/secret", 0o4777), ("inner/shut", 0o000)):
        (path / name).write_text(f"/pkg-destdir/ {name}")
        (path / name).chmod(mode)
    (path / "link").symlink_to("kept")
    (path / "inner").chmod(0o777)
    return path


def state(top: Path, moving: bool = False) -> list[tuple[object, ...]]:
    """All that can be seen of a tree, bit for bit; of one that entries come into and go, without those and times."""
    found: list[tuple[object, ...]] = []
    for path in (top, *sorted(top.rglob("*"))):
        status = path.lstat()
        data: bytes = b""
        if stat.S_ISREG(status.st_mode):
            os.chmod(path, status.st_mode | 0o400) if not status.st_mode & 0o400 else None
            data = path.read_bytes()
            path.chmod(stat.S_IMODE(status.st_mode))
        elif stat.S_ISLNK(status.st_mode):
            data = os.fsencode(path.readlink())
        time = 0 if moving and stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
        found.append((str(path), status.st_ino, status.st_mode, time, data))
    return found


class Stuck(BaseException):
    """A step did not come to its end; no step may catch it."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise Stuck in whatever is done for longer."""

    def ring(_number: int, _frame: object) -> None:
        raise Stuck(f"not at its end after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def chain(top: Path, part: bytes, count: int) -> bytes:
    """`count` directories in each other, made one from the other, and a file in the last; gives its path."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(count):
        os.mkdir(part, dir_fd=here)
        below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("end", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here))
    os.close(here)
    return b"/".join([part] * count + [b"end"])


EPOCH = 1_000_000_000
LIMIT = 30.0
STEPS: dict[str, Callable[[Path], object]] = {
    "scan": scan.scan,
    "seal": lambda path: seal.seal(path, EPOCH),
    "close": trees.close,
    "remove": trees.remove_tree,
}
HYPOTHESIS = settings(suppress_health_check=list(HealthCheck))


def outcome(step: Callable[[], object], top: Path) -> str:
    """What a step said that stopped, or nothing; asserts that it ended, and by no other exception than it may."""
    with within(LIMIT):
        try:
            step()
        except XsrcError as error:
            said = "\n".join(error.render())
        except OSError as error:
            said = str(error)
        else:
            return ""
    assert "/" in said, f"names no path: {said}"
    if not said.startswith(f"error: {top.name}: "):
        assert str(top) in said or "error: '/" in said, f"names no path: {said}"
    return said


def in_child(stage: Stage, law: Callable[[], None]) -> None:
    """Keep a law as P, so that modes mean something, in a process whose end is certain."""

    def bounded() -> None:
        try:
            law()
        except Stuck as error:
            raise AssertionError(str(error)) from error

    as_person(stage.p, bounded)
