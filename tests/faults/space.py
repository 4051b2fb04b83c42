"""What workers do on disks that are small, read-only, moved or shared; each function is given a folder of its own."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.faults.inject import GO, Outcome, Point
from tests.faults.scenarios import USERS, built, stowed
from tests.faults.state import State, difference
from tests.faults.worker import become_ordinary, identity
from tests.faults.world import RECOVER, ZERO, Package, World
from xsrc.base.acts.choose import chosen_arch
from xsrc.core.pkgver import PkgVer
from xsrc.farm.acts.masterdir import open_farm
from xsrc.store.manifest import Entry, Kind, Manifest, Props

_CLONE_NEWNS, _MS_RDONLY, _MS_REMOUNT, _MS_REC, _MS_PRIVATE = 0x20000, 1, 32, 0x4000, 1 << 18


# ---- before root is given up: mounts that only this process and its children see


def _libc(call: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, call)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), call)


def _mount(place: Path, options: str, flags: int = 0) -> None:
    uid, gid = identity()
    text = f"uid={uid},gid={gid},mode=755,{options}".encode()
    _libc("mount", b"tmpfs", os.fsencode(place), b"tmpfs", ctypes.c_ulong(flags), text)


def _private() -> None:
    _libc("unshare", _CLONE_NEWNS)
    _libc("mount", b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None)


def on_small_disk(options: str, place: Path) -> None:
    """Mount a tmpfs where the masterdir will be."""
    _private()
    masterdir = World(place).masterdir
    masterdir.mkdir()
    _mount(masterdir, options)


def on_read_only_disk(place: Path) -> None:
    """Mount a tmpfs, prepare a masterdir on it as the ordinary user, and make it read-only."""
    on_small_disk("size=16m", place)
    child = os.fork()
    if child == 0:
        try:
            become_ordinary()
            stowed(World.made(place / "world"))
            (place / "world/masterdir").rename(place / "old")
            subprocess.run(["cp", "-a", f"{place}/old/.", str(place / "masterdir")], check=True)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0, "the masterdir could not be prepared"
    _mount(World(place).masterdir, "size=16m", _MS_REMOUNT | _MS_RDONLY)


# ---- what is done then


@dataclass(frozen=True)
class Tried:
    """One command that was tried with little room: how it ended, and what is unlike the state before."""

    left: int
    code: int
    said: str
    unlike: str


def little_space(place: Path) -> list[Tried]:
    """Stow with more and more pages left, until it succeeds."""
    world = World.made(place)
    built(world)
    ballast = world.masterdir / "tmp/ballast"
    page = os.sysconf("SC_PAGE_SIZE")

    def fill(left: int) -> None:
        free = os.statvfs(world.masterdir).f_bavail * os.statvfs(world.masterdir).f_frsize
        ballast.write_bytes(bytes(max(free - left * page, 0)))

    return _tried(world, fill, lambda: ballast.unlink(missing_ok=True))


def few_inodes(place: Path) -> list[Tried]:
    """Stow with more and more inodes left, until it succeeds."""
    world = World.made(place)
    built(world)
    ballast = world.masterdir / "tmp/ballast"

    def fill(left: int) -> None:
        ballast.mkdir()
        for number in range(os.statvfs(world.masterdir).f_favail - left):
            (ballast / str(number)).touch()

    return _tried(world, fill, lambda: shutil.rmtree(ballast, ignore_errors=True))


def _tried(world: World, fill: object, empty: object) -> list[Tried]:
    assert callable(fill) and callable(empty)
    before = world.look()
    found = []
    for left in range(400):
        fill(left)
        outcome = world.run(("stow", "beta", "gamma"), None)
        empty()
        found.append(Tried(left, outcome.code, outcome.said, difference(before, world.look())))
        if outcome.code == 0:
            break
        world.run(RECOVER, None)
        assert world.look() == before or "begun" in found[-1].unlike, found[-1]
    return found


READING = (("list",), ("files", "alpha"), ("owner", "/usr/lib/alpha/lib.so.1"))


def read_only(place: Path) -> dict[str, tuple[int, str]]:
    """Commands on a read-only masterdir."""
    world = World(place)
    (place / "world/tree").rename(world.tree)
    (place / "world/home").rename(world.home)
    commands = (*READING, ("stow", "zero"), ("unstow", "gamma"), ("restow",))
    return {" ".join(words): _end(world.run(words, None)) for words in commands}


def _end(outcome: Outcome) -> tuple[int, str]:
    return outcome.code, outcome.said


def elsewhere(how: str, place: Path) -> dict[str, State]:
    """A masterdir that was moved, or copied, is looked at, emptied and filled again; the states in between."""
    world, other = World.made(place / "one"), World.made(place / "two")
    stowed(world)
    before = world.look()
    if how == "moved":
        world.masterdir.rename(other.masterdir)
    else:
        subprocess.run(["cp", "-a", str(world.masterdir), str(other.masterdir)], check=True)
        shutil.rmtree(world.masterdir, onerror=lambda *_: None)  # what still leads there leads nowhere
    states = {"before": before, "there": other.look()}
    assert "* alpha-1.0_1" in other.done("list").said
    assert (other.masterdir / "usr/lib/alpha/lib.so.1").read_text() == "library 1.0"
    other.done("unstow", "gamma", "beta", "alpha", "one")
    states["empty"] = other.look()
    for path in USERS:  # a changed conf file outlives its package, and would be in the way
        (other.masterdir / path).unlink()
    other.done("stow", "beta", "gamma", "one")
    return {**states, "full": other.look()}


def second_waits(place: Path) -> dict[str, Any]:
    """One command is held in the middle; another is started, and the first goes on when that one waits."""
    world = World.made(place)
    built(world)
    started: list[tuple[threading.Thread, list[Outcome]]] = []

    def decide(point: Point) -> int:
        if point.call == "symlinkat" and not started:
            second = world.start(("stow", "zero"))
            results: list[Outcome] = []
            thread = threading.Thread(target=lambda: results.append(second.end()))
            thread.start()
            end = time.monotonic() + 30
            while "waiting" not in second.said and time.monotonic() < end:
                time.sleep(0.01)
            started.append((thread, results))
        return GO

    first = world.run(("stow", "beta", "gamma"), decide)
    thread, results = started[0]
    thread.join(60)
    listed = world.done("list")
    return {"first": (first.code, first.said), "second": _end(results[0]), "list": listed.said}


def stranger_since(place: Path) -> dict[str, str]:
    """A command is killed; then somebody makes files where it had not come yet; then the next command comes."""
    world = World.made(place)
    built(world)
    paths = ("usr/lib/alpha/lib.so.1", "usr/lib/alpha/lib.so", "usr/libexec/gamma", "var/lib/alpha")

    def decide(point: Point) -> int:
        return -1 if point.place.startswith("usr/bin/") else GO

    assert world.run(("stow", "beta", "gamma"), decide).killed
    for path in paths:
        world.write(path, "made since by somebody")
    said = world.run(RECOVER, None).said
    found = {path: world.masterdir / path for path in paths}
    texts = {p: f.read_text() if f.is_file() and not f.is_symlink() else "replaced" for p, f in found.items()}
    return {**texts, "said": said}


MANY = 200_000


def many_files(place: Path) -> dict[str, float]:
    """A package of very many files is stowed and unstowed; peaks in MiB and seconds."""
    world = World.made(place)
    world.record(ZERO)
    session = world.session()
    pkgver = PkgVer("many", "1.0", 1)
    paths = [f"usr/share/many/{n // 500}/file-{n}" for n in range(MANY)]
    folders = {up for path in paths[::500] for up in _above(path)}
    entries = [Entry(path, Kind.FILE, 0o644, 1, "0" * 64) for path in paths]
    entries += [Entry(path, Kind.DIR) for path in folders]
    with open_farm(session) as farm:
        farm.record(Props(pkgver, chosen_arch(session).name, "0" * 64), Manifest.of(entries))
    del entries, paths
    figures: dict[str, float] = {}
    for verb in ("stow", "unstow"):
        start = time.monotonic()
        outcome = world.done(verb, "many")
        figures |= {f"{verb}, seconds": time.monotonic() - start, f"{verb}, MiB": outcome.peak / 1024}
        links = sum(len(files) for _, _, files in os.walk(world.masterdir / "usr/share/many"))
        assert links == (MANY if verb == "stow" else 0), links
    return figures


def _above(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def long_names(size: int, place: Path) -> dict[str, Any]:
    """Names of many bytes as links, hard links, copies and conf files, put in, replaced and taken out."""
    world = World.made(place)
    name = "é" * 20 + "n" * (size - 40)
    files = {f"usr/bin/{name}": "#!/bin/sh\n", f"etc/{name}": "conf 1", f"var/lib/{name}/{name}": "copy 1"}
    links = {f"usr/lib/{name}": name}
    rules = {"conf_files": (f"/etc/{name}",), "hardlink": ("usr/bin/*",), "copy": ("var/lib/*",)}
    one = Package("long-1.0_1", files, links, rules=rules)
    two = replace(one, pkgver="long-2.0_1", files={path: text + " 2" for path, text in files.items()})
    world.record(one, two)
    before = world.look()
    world.done("stow", "long@1.0")
    world.write(f"etc/{name}", "mine")
    end = _end(world.run(("stow", "long"), None))
    between = world.look()
    if size <= 251:
        (world.masterdir / f"etc/{name}.new").unlink()
    world.done("unstow", "long")
    (world.masterdir / f"etc/{name}").unlink()
    return {"before": before, "end": end, "between": between, "after": world.look()}
