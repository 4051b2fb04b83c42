"""The farm at size: names of real packages, 100,000 files to plan, and one small package beside 200,000 links."""

from __future__ import annotations

import gc
import resource
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from tests.bench.measure import Broken, Figure, Missing, Side, column, compared, interleaved, timed
from tests.bench.rows.stow import GNU, bare_loop, in_memory, scratch
from tests.bench.world import World, find
from xsrc.base.acts.choose import chosen_arch
from xsrc.core.pkgver import PkgVer
from xsrc.farm.acts.masterdir import make_masterdir
from xsrc.farm.disk import database as store
from xsrc.farm.place import Member, Records
from xsrc.farm.stow import StowRequest, affected, plan_stow, watched
from xsrc.store.manifest import Entry, Kind, Manifest, Props

LISTS = Path("/var/lib/dpkg/info")
PACKAGES, MOST = 250, 10_000
PLANNED = 100_000
LINKS, SMALL = 200_000, 20
INLINE = 60
"""Bytes of a link's text that ext4 keeps in the inode."""


def farm(world: World) -> list[Figure]:
    """Real names beside GNU stow, then the plan, then the small package."""
    return [*_real(world), _plan(), *_small(world)]


def installed() -> dict[str, list[str]]:
    """The files below /usr of packages of this machine, by name; the smaller packages, as many as there are."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for listing in sorted(LISTS.glob("*.list"), key=lambda path: path.stat().st_size):
        name = listing.stem.partition(":")[0]
        paths = [p[1:] for p in listing.read_text().splitlines() if p.startswith("/usr/") and _is_file(Path(p))]
        if new := [path for path in paths if path not in seen]:
            found[name] = sorted(new)
            seen.update(new)
        if len(seen) > MOST and len(found) >= PACKAGES:
            break
    if len(found) < PACKAGES:
        raise Missing(f"{len(found)} packages with files below /usr are installed; {PACKAGES} are wanted")
    return found


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def record(world: World, masterdir: Path, packages: Iterable[tuple[str, list[str]]], *, files: bool) -> list[str]:
    """A masterdir in which packages are built and none is stowed; gives the texts of all links to be.

    Without `files` there are no destdirs: a link does not ask what it leads to.
    """
    session = world.session(masterdir)
    make_masterdir(session)
    database = store.Farm(session.masterdir.farm)
    texts = []
    for name, paths in packages:
        pkgver = PkgVer(name, "1.0", 1)
        folders = {up for path in paths for up in _above(path)}
        entries = [Entry(path, Kind.FILE, 0o644, 1, "0" * 64) for path in paths]
        entries += [Entry(path, Kind.DIR) for path in folders - set(paths)]
        if files:
            destdir = session.masterdir.destdir(pkgver)
            for folder in sorted(folders):
                (destdir / folder).mkdir(parents=True, exist_ok=True)
            for path in paths:
                (destdir / path).touch()
        database.record(Props(pkgver, chosen_arch(session).name, "0" * 64), Manifest.of(entries))
        texts += ["../" * path.count("/") + f"pkg-destdir/{pkgver}/{path}" for path in paths]
    database.close()
    return texts


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _real(world: World) -> list[Figure]:
    """In memory, where programs are compared; then on disk beside the bare loop: GNU stow waits for the disk there."""
    if find("stow") is None:
        raise Missing("no GNU stow")
    packages = installed()
    figures = []
    if in_memory():
        with scratch() as folder:
            figures = _beside_gnu(world, folder, packages)
    return [*figures, _beside_loop(world, world.folder("farm-real"), packages)]


class _Real:
    """A masterdir with packages of real names, and fresh copies of it in which nothing is stowed."""

    def __init__(self, world: World, folder: Path, packages: dict[str, list[str]], *, files: bool) -> None:
        self.world, self.folder, self.names = world, folder, tuple(packages)
        self.first = folder / "masterdir"
        texts = record(world, self.first, packages.items(), files=files)
        self.links = list(zip((path for paths in packages.values() for path in paths), texts, strict=True))
        self.numbers = count()
        long = 100 * sum(len(text) >= INLINE for text in texts) // len(texts)
        self.about = f"{len(packages)} packages, {len(texts)} files, {long} % of texts over {INLINE} bytes"

    def new(self, name: str) -> Path:
        return self.folder / f"{name}-{next(self.numbers)}"

    def stow(self) -> tuple[Path, float]:
        """Stow everything into a fresh masterdir."""
        session = self.world.session(masterdir := self.new("ours"))
        make_masterdir(session)
        session.masterdir.farm.write_bytes(self.world.session(self.first).masterdir.farm.read_bytes())
        took = timed(self.world.xsrc(masterdir, "stow", *self.names), self.world.env, self.world.tree)
        path, text = self.links[-1]
        if str((masterdir / path).readlink()) != text:
            raise Broken(f"{path} is not the link that it should be")
        return masterdir, took


def _beside_gnu(world: World, folder: Path, packages: dict[str, list[str]]) -> list[Figure]:
    real = _Real(world, folder, packages, files=True)

    def ours() -> tuple[float, ...]:
        masterdir, took = real.stow()
        return took, timed(world.xsrc(masterdir, "unstow", *real.names), world.env, world.tree)

    def theirs() -> tuple[float, ...]:
        target = real.new("target")
        target.mkdir()
        words = [str(PkgVer(name, "1.0", 1)) for name in real.names]
        stow = (str(find("stow")), "--no-folding", "-d", str(real.first / "pkg-destdir"), "-t", str(target))
        return tuple(timed((*stow, action, *words), world.env, world.tree) for action in ("-S", "-D"))

    mine, its = interleaved([ours, theirs], world.rounds(3), warm=0)
    return [
        replace(compared("real, stow", column(mine), column(its), 0.4, against=GNU), note=real.about),
        compared("real, unstow", column(mine, 1), column(its, 1), 0.2, against=GNU),
    ]


def _beside_loop(world: World, folder: Path, packages: dict[str, list[str]]) -> Figure:
    real = _Real(world, folder, packages, files=False)

    def ours() -> tuple[float, ...]:
        return (real.stow()[1],)

    def loop() -> tuple[float, ...]:
        return (bare_loop(real.new("loop"), real.links),)

    mine, bare = interleaved([ours, loop], world.rounds(3), warm=0)
    return compared("real, on disk, loop", column(mine), column(bare), 2.0, against="symlink(2)")


def members(files: int, each: int) -> tuple[Member, ...]:
    """Packages with `each` files of their own, in directories of a hundred."""
    found = []
    for number in range(files // each):
        paths = [f"usr/share/p{number}/d{n // 100}/file-{n}.dat" for n in range(each)]
        folders = {up for path in paths for up in _above(path)}
        entries = [
            *(Entry(path, Kind.FILE, 0o644, 1, "0" * 64) for path in paths),
            *(Entry(p, Kind.DIR) for p in folders),
        ]
        found.append(Member(PkgVer(f"p{number}", "1", 1), tuple(sorted(entries))))
    return tuple(found)


def _plan() -> Figure:
    request = StowRequest(members(PLANNED, 1000))
    gc.disable()  # as xsrc does
    try:
        start = time.process_time()
        watched(affected(request, Records()), request.add)
        plan = plan_stow(request, {})
        took = time.process_time() - start
    finally:
        gc.enable()
    if sum(op.placed.linked for op in plan.ops) != PLANNED:
        raise Broken("the plan has not a link for each file")
    return Figure("plan, 100,000 files", took, wanted="<= 0.50 s", ok=took <= 0.5, note="of a processor")


def _small(world: World) -> list[Figure]:
    folder = world.folder("farm-small")
    full, empty = folder / "full", folder / "empty"
    each = LINKS // 40
    big = [(f"big{n}", [f"usr/share/big{n}/d{i // 100}/f{i}" for i in range(each)]) for n in range(40)]
    small = ("small", [f"usr/lib/small/{n}" for n in range(SMALL)])
    record(world, full, [*big, small], files=False)
    record(world, empty, [small], files=False)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    took = timed(world.xsrc(full, "stow", *(name for name, _ in big)), world.env, world.tree)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    memory = f"peak {peak >> 10} MiB" if peak > before else "its peak is below that of an earlier row"

    def one(masterdir: Path) -> Side:
        def side() -> tuple[float, ...]:
            put = timed(world.xsrc(masterdir, "stow", "small"), world.env, world.tree)
            timed(world.xsrc(masterdir, "unstow", "small"), world.env, world.tree)
            return (put,)

        return side

    beside, alone = interleaved([one(full), one(empty)], world.rounds(10))
    return [
        Figure("stow, 200,000 files", took, note=f"printed only: {memory}"),
        compared("small beside 200,000", column(beside), column(alone), 1.2, against="into an empty root"),
    ]
