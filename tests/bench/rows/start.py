"""How long xsrc takes when it has little to do, as a multiple of importing plumbum's command line."""

from __future__ import annotations

from tests.bench.measure import Broken, Figure, Side, column, compared, interleaved, output, timed
from tests.bench.rows.build import a_masterdir
from tests.bench.world import World

PLUMBUM = "import plumbum.cli"


def _pairs(world: World, name: str, argv: tuple[str, ...]) -> tuple[Figure, list[float]]:
    def ours() -> tuple[float]:
        return (timed(argv, world.env, world.tree),)

    def theirs() -> tuple[float]:
        return (timed((world.python, "-P", "-c", PLUMBUM), world.env, world.tree),)

    sides: list[Side] = [ours, theirs]
    mine, its = interleaved(sides, world.rounds(31), warm=2)
    return compared(name, column(mine), column(its), 3.0, against=PLUMBUM), column(mine)


def start(world: World) -> list[Figure]:
    """`xsrc --help`."""
    figure, seconds = _pairs(world, "start", world.xsrc(None, "--help"))
    # what a person feels, on this machine: no criterion
    return [figure, Figure("start, best", min(seconds), note="printed only")]


def nothing(world: World) -> list[Figure]:
    """`xsrc build dash` when dash is built and stowed."""
    masterdir = a_masterdir(world, "nothing")
    timed(world.xsrc(masterdir, "build", "dash"), world.env, world.tree)
    again = world.xsrc(masterdir, "build", "-n", "dash")
    if "keep" not in (said := output(again, world.env, world.tree)):
        raise Broken(f"dash is not up to date right after it was built: {said.strip()}")
    return [_pairs(world, "nothing", world.xsrc(masterdir, "build", "dash"))[0]]
