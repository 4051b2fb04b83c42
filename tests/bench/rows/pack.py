"""Packing a built package, beside `tar | zstd` at the same level, which neither checks a sum nor describes a file."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.bench.measure import Broken, Figure, Missing, Side, column, compared, interleaved, timed
from tests.bench.world import World, find
from xsrc.base.acts.choose import chosen_arch
from xsrc.core.pkgver import PkgVer
from xsrc.export.disk.write import LEVEL
from xsrc.farm.acts.masterdir import make_masterdir
from xsrc.farm.disk import database as store
from xsrc.store.disk import shelf
from xsrc.store.disk.scan import scan
from xsrc.store.disk.seal import seal
from xsrc.store.manifest import FILES, PROPS, Props

WORDS = [f"word{number}" for number in range(4000)]


def many(top: Path) -> None:
    """10,000 small files of text."""
    dice = random.Random(1)
    for number in range(10_000):
        file = top / f"usr/share/bench/{number // 100}/{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(" ".join(dice.choices(WORDS, k=130)))


def large(top: Path) -> None:
    """One file of 200 MB, half of it text."""
    dice = random.Random(2)
    (top / "usr/lib").mkdir(parents=True)
    with (top / "usr/lib/bench.so").open("wb") as file:
        for _ in range(100):
            file.write(dice.randbytes(1 << 20))
            file.write((" ".join(dice.choices(WORDS, k=130_000))).encode()[: 1 << 20])


def pack(world: World) -> list[Figure]:
    """A package of 10,000 files, and one of 200 MB."""
    if find("zstd") is None:
        raise Missing("no zstd")
    return [_row(world, "pack, 10,000 files", many, 7), _row(world, "pack, 200 MB", large, 3)]


def _row(world: World, name: str, fill: Callable[[Path], None], rounds: int) -> Figure:
    folder = world.folder("pack")
    session = world.session(folder / "masterdir")
    make_masterdir(session)
    props = Props(PkgVer("bench", "1.0", 1), chosen_arch(session).name, "0" * 64, short_desc="Bench")
    destdir = session.masterdir.destdir(props.pkgver)
    destdir.mkdir(parents=True)
    fill(destdir)
    manifest = scan(destdir).manifest
    (destdir / FILES).write_bytes(manifest.render())
    (destdir / PROPS).write_bytes(props.render())
    seal(destdir, 1)
    database = store.Farm(session.masterdir.farm)
    database.record(props, manifest, build=shelf.build_of(destdir))
    database.close()
    plain = folder / "plain.tar.zst"

    def ours() -> tuple[float]:
        took = timed(world.xsrc(session.masterdir.root, "pkg", "bench"), world.env, world.tree)
        if not list(session.masterdir.binpkgs.glob("bench-1.0_1.*.xbps")):
            raise Broken("there is no package")
        return (took,)

    def theirs() -> tuple[float]:
        script = f'tar -C "$1" -cf - . | zstd -q -f -{LEVEL} -o "$2" && sync -d "$2"'
        return (timed(("sh", "-c", script, "sh", str(destdir), str(plain)), world.env, world.tree),)

    sides: list[Side] = [ours, theirs]
    mine, its = interleaved(sides, world.rounds(rounds))
    against = f"tar | zstd -{LEVEL}, on {os.cpu_count()} processors"
    return compared(name, column(mine), column(its), 1.1, against=against)
