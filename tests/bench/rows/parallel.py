"""A real run side by side: how near it comes to the shortest that the times of its own jobs allow."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.bench.measure import Broken, Figure, compared, output
from tests.bench.world import World
from tests.e2e.kit.many import Small, history

COUNT, WORKERS, WANTED = 40, 2, 1.15


def parallel(world: World) -> list[Figure]:
    """The first run knows nothing of its packages, those after it have the journal."""
    tree = world.folder("parallel")
    shutil.copytree(world.tree / "masterdir-skel", tree / "masterdir-skel", symlinks=True)
    for small in _packages():
        place = tree / "templates" / small.name
        place.mkdir(parents=True)
        (place / "template.toml").write_text(small.template)
    pairs = [_run(world, tree) for _ in range(world.rounds(3))]
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    return [compared("parallel", ours, theirs, WANTED, against="critical path or work over workers")]


def _run(world: World, tree: Path) -> tuple[float, float]:
    masterdir = tree / "masterdir"
    output(world.xsrc(masterdir, "build", "-f", f"-j{WORKERS}", "--all"), world.env, tree)
    run = history(masterdir)
    if len(run.of("built")) != COUNT:
        raise Broken(f"want {COUNT} packages built, got {len(run.of('built'))} of {len(run.jobs)}")
    return run.ended - run.began, run.shortest()


def _packages() -> list[Small]:
    """Half of their time they wait, half of it they keep a processor busy."""
    chance = random.Random(40)
    smalls: list[Small] = []
    for number in range(COUNT):
        needs = {chance.choice(smalls).name for _ in range(chance.choice((0, 1, 1, 2, 3)))} if smalls else set()
        small = Small(f"p{number:02d}", tuple(sorted(needs)), chance.uniform(0.05, 0.4))
        busy = f"head -c {chance.randrange(10, 120)}000000 /dev/zero | sha256sum\n"
        smalls.append(Small(small.name, small.needs, small.seconds, {"do_build": busy + small.build}))
    return smalls
