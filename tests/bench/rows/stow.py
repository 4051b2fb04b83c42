"""Putting 20,000 files of 40 packages into a farm and out of it, beside GNU stow and a bare loop of symlink(2)."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from tests.bench.measure import Broken, Figure, Missing, Side, column, compared, interleaved, median_ratio, timed
from tests.bench.world import World, find
from xsrc.base.acts.choose import chosen_arch
from xsrc.core.pkgver import PkgVer
from xsrc.farm.acts.masterdir import make_masterdir
from xsrc.farm.disk import database as store
from xsrc.store.manifest import Entry, Kind, Manifest, Props
from xsrc.unix.trees import remove_tree

PACKAGES, FILES = 40, 500


MEMORY = Path("/dev/shm")
"""A file system without a disk: there the programs are compared, and not how long a disk makes both of them wait."""

GNU = "GNU stow --no-folding"


@dataclass(frozen=True)
class Farm:
    """A masterdir whose packages are sealed and recorded, and none stowed."""

    masterdir: Path
    files: Sequence[tuple[str, str]]
    """Each path with the text of its link."""

    def gnu(self, action: str, target: Path) -> tuple[str, ...]:
        """The command line of GNU stow for all packages."""
        packages = (str(_pkgver(number)) for number in range(PACKAGES))
        folder = str(self.masterdir / "pkg-destdir")
        return (str(find("stow")), "--no-folding", "-d", folder, "-t", str(target), action, *packages)

    def proven(self, root: Path, *, ours: bool) -> None:
        """Raise Broken when not every file is stowed in a root; the texts of GNU stow's links are its own."""
        for path, text in self.files:
            link = root / path
            if not link.is_symlink() or (ours and str(link.readlink()) != text):
                raise Broken(f"{link} is not the link that it should be")


NAMES = tuple(f"bench{number:02d}" for number in range(PACKAGES))


def stow(world: World) -> list[Figure]:
    """Stowing and unstowing in memory, then stowing on disk; each beside GNU stow and the bare loop."""
    if find("stow") is None:
        raise Missing("no GNU stow")
    if not in_memory():
        return [Figure("stow", note=f"not run: {MEMORY} is too small"), *_on_disk(world)]
    with scratch() as folder:
        figures = _in_memory(world, folder)
    return [*figures, *_on_disk(world)]


def in_memory() -> bool:
    """Whether there is a file system without a disk that is large enough."""
    return os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 1 << 29


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory, gone after the block."""
    folder = Path(tempfile.mkdtemp(prefix="xsrc-bench-", dir=MEMORY))
    try:
        yield folder
    finally:
        remove_tree(folder)


def _in_memory(world: World, folder: Path) -> list[Figure]:
    farm = _farm(world, folder / "masterdir")
    target = folder / "target"
    target.mkdir()

    def ours() -> tuple[float, ...]:
        put = timed(world.xsrc(farm.masterdir, "stow", *NAMES), world.env, world.tree)
        farm.proven(farm.masterdir, ours=True)
        return put, timed(world.xsrc(farm.masterdir, "unstow", *NAMES), world.env, world.tree)

    def theirs() -> tuple[float, ...]:
        put = timed(farm.gnu("-S", target), world.env, world.tree)
        farm.proven(target, ours=False)
        return put, timed(farm.gnu("-D", target), world.env, world.tree)

    def loop() -> tuple[float, ...]:
        took = bare_loop(folder / "loop", farm.files)
        remove_tree(folder / "loop")
        return (took,)

    sides: list[Side] = [ours, theirs, loop]
    timed(world.xsrc(farm.masterdir, "list"), world.env, world.tree)
    mine, its, bare = interleaved(sides, world.rounds(5), warm=0)
    beside = compared("stow, loop", column(mine), column(bare), 2.0, against="symlink(2)")
    return [
        compared("stow", column(mine), column(its), 0.4, against=GNU),
        compared("unstow", column(mine, 1), column(its, 1), 0.2, against=GNU),
        # without a disk the loop takes less time than an interpreter needs to start
        replace(beside, ok=None, wanted="", note="printed only"),
    ]


def _on_disk(world: World) -> list[Figure]:
    """Stowing where masterdirs are. Nothing is removed between rounds.

    ext4 without a journal looks, for each new inode, at every one that was freed in the last minutes
    (recently_deleted in fs/ext4/ialloc.c): it would be the order of the runs that is measured.
    """
    folder = world.folder("stow")
    farm = _farm(world, folder / "masterdir")
    numbers = count()

    def ours() -> tuple[float, ...]:
        masterdir = folder / f"masterdir-{next(numbers)}"
        session = world.session(masterdir)
        make_masterdir(session)
        shutil.copyfile(world.session(farm.masterdir).masterdir.farm, session.masterdir.farm)
        took = timed(world.xsrc(masterdir, "stow", *NAMES), world.env, world.tree)
        farm.proven(masterdir, ours=True)
        return (took,)

    def theirs() -> tuple[float, ...]:
        target = folder / f"target-{next(numbers)}"
        target.mkdir()
        took = timed(farm.gnu("-S", target), world.env, world.tree)
        farm.proven(target, ours=False)
        return (took,)

    def loop() -> tuple[float, ...]:
        return (bare_loop(folder / f"loop-{next(numbers)}", farm.files),)

    sides: list[Side] = [ours, theirs, loop]
    mine, its, bare = interleaved(sides, world.rounds(5), warm=0)
    beside = compared("stow, on disk", column(mine), column(its), 0.4, against=GNU)
    if (floor := median_ratio(column(bare), column(its))) > 0.2:
        # nothing can be much faster than the loop, which then leaves no room for what is wanted
        beside = replace(beside, ok=None, wanted="", note=f"printed only: here symlink(2) alone is at {floor:.2f}")
    return [beside, compared("stow, on disk, loop", column(mine), column(bare), 2.0, against="symlink(2)")]


def bare_loop(root: Path, files: Sequence[tuple[str, str]]) -> float:
    """Seconds for symlink(2) alone: the directories are made before, the texts are known."""
    for directory in sorted({path.rpartition("/")[0] for path, _ in files}):
        (root / directory).mkdir(parents=True, exist_ok=True)
    pairs = [(text, f"{root}/{path}") for path, text in files]
    start = time.perf_counter()
    for text, path in pairs:
        os.symlink(text, path)  # noqa: PTH211 - the call itself is what is measured
    return time.perf_counter() - start


def _pkgver(number: int) -> PkgVer:
    return PkgVer(NAMES[number], "1.0", 1)


def _farm(world: World, masterdir: Path) -> Farm:
    session = world.session(masterdir)
    make_masterdir(session)
    digest = hashlib.sha256(b"x").hexdigest()
    files: list[tuple[str, str]] = []
    database = store.Farm(session.masterdir.farm)
    for number in range(PACKAGES):
        pkgver = _pkgver(number)
        paths = list(_paths(pkgver.name))
        assert len(set(paths)) == FILES
        entries = [Entry(path, Kind.FILE, 0o644, 1, digest) for path in paths]
        entries += [Entry(path, Kind.DIR) for path in {up for path in paths for up in _above(path)}]
        destdir = session.masterdir.destdir(pkgver)
        for entry in sorted(entries):
            if entry.kind is Kind.DIR:
                (destdir / entry.path).mkdir(parents=True, exist_ok=True)
            else:
                (destdir / entry.path).write_text("x")
        database.record(Props(pkgver, chosen_arch(session).name, "0" * 64), Manifest.of(entries))
        files += [(path, "../" * path.count("/") + f"pkg-destdir/{pkgver}/{path}") for path in paths]
    database.close()
    return Farm(masterdir, files)


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _paths(name: str) -> Iterator[str]:
    """500 files in the proportions of a larger real package."""
    yield from (f"usr/bin/{name}-{n}" for n in range(15))
    yield from (f"usr/share/man/man{n % 8 + 1}/{name}-{n}.1" for n in range(25))
    yield from (f"usr/include/{name}/part{n % 4}/{name}_{n}.h" for n in range(60))
    yield from (f"usr/lib/{name}/plugins/{n % 20}/module-{n}.so" for n in range(160))
    yield from (f"usr/share/{name}/data/{n % 12}/table-{n}.dat" for n in range(150))
    yield from (f"usr/share/locale/l{n:02d}/LC_MESSAGES/{name}.mo" for n in range(60))
    yield from (f"usr/share/doc/{name}/page-{n}.html" for n in range(30))
