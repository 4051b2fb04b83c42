"""Random trees packed by tar, bsdtar and zip, unpacked by xsrc and by the tools themselves: the results are equal."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from xsrc.core.settings import Limits
from xsrc.sources.disk import archives
from xsrc.sources.disk.distdir import OpenFile

ENV = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
TOP = "top-1"
PHASES = (Phase.explicit, Phase.generate)
"""A tree that fails is shown as it is: each smaller one would cost four processes more."""


def tool(name: str) -> None:
    if shutil.which(name, path=ENV["PATH"]) is None:
        pytest.skip(f"no {name} on this machine: helpers/setup --test installs it")


def run(*argv: str | bytes | Path, at: Path, data: bytes | None = None) -> None:
    done = subprocess.run(argv, cwd=at, env=ENV, input=data, capture_output=True, check=False)
    assert done.returncode == 0, (argv, done.stderr)


@dataclass(frozen=True)
class Plan:
    """A tree to make: bodies of files, texts of symbolic links, and hard links to one of either, all by path."""

    bodies: Mapping[bytes, tuple[bytes, int, int]]
    """Content, mode, time."""
    texts: Mapping[bytes, bytes] = field(default_factory=dict)
    hard: Mapping[bytes, int] = field(default_factory=dict)

    def make(self, at: Path) -> None:
        """Make the tree; what a name or link would hide is left out."""
        made: list[Path] = []
        for name in (*self.bodies, *self.texts, *self.hard):
            path = at / TOP / os.fsdecode(name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if name in self.bodies:
                    body, mode, time = self.bodies[name]
                    with path.open("xb") as file:
                        file.write(body * (5000 if body == b"long" else 1))
                        if body == b"hole":
                            file.truncate(1 << 20)
                    path.chmod(mode)
                    os.utime(path, (time, time))
                elif name in self.texts:
                    path.symlink_to(os.fsdecode(self.texts[name]))
                else:
                    os.link(made[self.hard[name] % len(made)], path, follow_symlinks=False)
                made.append(path)
            except OSError:
                continue


def names(parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.lists(parts.filter(lambda part: part not in (b".", b"..")), min_size=1, max_size=4).map(b"/".join)


def plans(parts: st.SearchStrategy[bytes], times: st.SearchStrategy[int], hard: bool = True) -> st.SearchStrategy[Plan]:
    bodies = st.one_of(st.binary(max_size=100), st.just(b"hole"), st.just(b"long"))
    files = st.tuples(bodies, st.sampled_from([0o644, 0o755, 0o400, 0o711, 0o4755]), times)
    return st.builds(
        Plan,
        st.dictionaries(names(parts), files, min_size=1, max_size=5),
        st.dictionaries(
            names(parts), st.sampled_from([b"a", b"../x", b"/etc/passwd", b"l" * 150, b"\xfc"]), max_size=3
        ),
        st.dictionaries(names(parts), st.integers(0, 9), max_size=3 * hard),
    )


ANY = st.one_of(
    st.sampled_from(
        [b"a", b"A", b"b", b"d", b"n" * 120, b"\xff\xfe", "größe".encode(), b"x\\y", b" ", b"-rf", b"a\nb"]
    ),
    st.binary(min_size=1, max_size=6).filter(lambda name: not set(name) & {0, ord("/")}),
)
TEXT = st.one_of(
    st.sampled_from([b"a", b"A", b"b", b"d", b"n" * 120, "größe".encode(), "日本".encode(), b"x y", b"it's"]),
    st.text("abcäñЖ漢.-_+~", min_size=1, max_size=6).map(str.encode),
)
TIMES = st.sampled_from([0, 1, 315_532_799, 1_600_000_001, 2**31 - 1, 2**31, 2**32 + 5, 9_999_999_999])
DOS_TIMES = st.sampled_from([315_532_801, 1_600_000_001, 1_600_000_002, 2**31 - 1])


def seen(at: Path) -> dict[str, object]:
    """A tree: kinds, contents, whether a file may be executed, times of files, and which names are one file."""
    found: dict[str, object] = {}
    nodes: dict[int, list[str]] = {}
    for folder, folders, files in os.walk(at):
        for name in (*folders, *files):
            path = Path(folder, name)
            status, below = path.lstat(), str(path.relative_to(at))
            if stat.S_ISDIR(status.st_mode):
                found[below] = None
                continue
            if stat.S_ISLNK(status.st_mode):
                found[below] = str(path.readlink())
            else:
                found[below] = path.read_bytes(), bool(status.st_mode & 0o111), int(status.st_mtime)
            nodes.setdefault(status.st_ino, []).append(below)
    found["/"] = sorted(sorted(group) for group in nodes.values() if len(group) > 1)
    return found


def ours(archive: Path, to: Path) -> list[str]:
    """Unpack as a build does; what is said meanwhile."""
    out, said = io.BytesIO(), list[str]()
    with archive.open("rb") as file:
        archives.repack(OpenFile(archive.name, file), out, Limits(), strip=0, say=said.append)
    to.mkdir()
    run("tar", "--no-same-owner", "-xf", "-", at=to, data=out.getvalue())
    return said


def tar(*words: str) -> tuple[str, ...]:
    return ("tar", "-cf", "ARCHIVE", *words, "top-1")


GNU_WAY, BSD_WAY = ("tar", "--no-same-owner", "-xf", "ARCHIVE"), ("bsdtar", "--no-same-owner", "-xf", "ARCHIVE")
PACKED = {
    "gnu": (tar("--format=gnu"), GNU_WAY),
    "oldgnu-sparse": (tar("--format=oldgnu", "--sparse"), GNU_WAY),
    "pax": (tar("--format=pax"), GNU_WAY),
    "pax-sparse-0.0": (tar("--format=pax", "--sparse", "--sparse-version=0.0"), GNU_WAY),
    "pax-sparse-0.1": (tar("--format=pax", "--sparse", "--sparse-version=0.1"), GNU_WAY),
    "pax-sparse-1.0": (tar("--format=pax", "--sparse"), GNU_WAY),
    "volume-label": (tar("--format=gnu", "--label=Backup of today"), GNU_WAY),
    "volume-label-pax": (tar("--format=pax", "--label=Backup of today"), GNU_WAY),
    "incremental": (tar("--format=gnu", "--listed-incremental=ARCHIVE.list"), GNU_WAY),
    "gz": (tar("-z"), GNU_WAY),
    "bz2": (tar("-j"), GNU_WAY),
    "xz": (tar("-J"), GNU_WAY),
    "lzma": (tar("--lzma"), GNU_WAY),
    "zst": (tar("--zstd"), GNU_WAY),
    "lz": (tar("--lzip"), GNU_WAY),
    "bsd-pax": (("bsdtar", *tar("--format=pax")[1:]), BSD_WAY),
    "bsd-gnu": (("bsdtar", *tar("--format=gnutar")[1:]), BSD_WAY),
}
NEEDED = {"bz2": "bzip2", "xz": "xz", "lzma": "xz", "zst": "zstd", "lz": "lzip"}


def equal(plan: Plan, pack: tuple[str, ...], unpack: tuple[str, ...]) -> None:
    with TemporaryDirectory() as folder:
        at = Path(folder)
        (at / "theirs").mkdir()
        plan.make(at)
        run(*(word.replace("ARCHIVE", str(at / "archive")) for word in pack), at=at)
        run(*(word.replace("ARCHIVE", str(at / "archive")) for word in unpack), at=at / "theirs")
        ours(at / "archive", at / "ours")
        assert seen(at / "ours") == seen(at / "theirs")


@pytest.mark.parametrize("case", PACKED)
def test_a_tar(case: str) -> None:
    pack, unpack = PACKED[case]
    for name in (pack[0], NEEDED.get(case, "tar")):
        tool(name)

    @settings(max_examples=6, phases=PHASES)
    @given(plans(ANY, TIMES))
    def any_tree(plan: Plan) -> None:
        equal(plan, pack, unpack)

    any_tree()


ZIPPED = {
    "zip": ("zip", "-qry", "ARCHIVE.zip", "top-1"),
    "bsdtar": ("bsdtar", "-caf", "ARCHIVE.zip", "top-1"),
}


@pytest.mark.parametrize("case", ZIPPED)
def test_a_zip(case: str) -> None:
    """Info-ZIP writes names in UTF-8 without saying so: https://github.com/python/cpython/issues/86094"""
    for name in (case, "unzip"):
        tool(name)

    @settings(max_examples=8, phases=PHASES)
    @given(plans(TEXT, DOS_TIMES, hard=False))
    def any_tree(plan: Plan) -> None:
        with TemporaryDirectory() as folder:
            at = Path(folder)
            (at / "theirs").mkdir()
            plan.make(at)
            run(*(word.replace("ARCHIVE", str(at / "archive")) for word in ZIPPED[case]), at=at)
            run("unzip", "-qq", "-o", at / "archive.zip", at=at / "theirs")
            ours(at / "archive.zip", at / "ours")
            assert seen(at / "ours") == seen(at / "theirs")

    any_tree()
