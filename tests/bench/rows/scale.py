"""A tree as large as a distribution's: read with nothing kept, read again, with one change, ordered, planned."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from tests.bench.measure import Figure, Side, column, compared, interleaved, output, timed
from tests.bench.rows.build import PEAK
from tests.bench.voidtree import read_void, write_void
from tests.bench.world import World
from xsrc.build.acts.outlines import outlines
from xsrc.tree.acts.closure import index_of
from xsrc.tree.graph import groups, successors

# each in a process of its own, so that nothing is kept from the run before; imports are not counted. Python looks for
# cycles of values in neither, as xsrc does not
_TIMED = """
import gc, sys, time
from pathlib import Path
gc.disable()
{imports}
start, worked = time.perf_counter(), time.process_time()
{work}
print(len(read), time.perf_counter() - start, time.process_time() - worked)
"""
_LOAD = _TIMED.format(
    imports="""
from xsrc.tree.disk.templates import load, names
from xsrc.core.layout import Tree
tree = Tree(Path(sys.argv[1]))
""",
    work="read = [load(tree, name) for name in names(tree)]",
)
_TOMLLIB = _TIMED.format(
    imports="import tomllib",
    work="""
files = sorted(Path(sys.argv[1], "templates").glob("*/template.toml"))
read = [tomllib.loads(file.read_text()) for file in files]
""",
)
_LEAVES = _TIMED.format(
    imports="""
from tests.bench.world import World
from xsrc.build.acts.outlines import outlines
from xsrc.tree.acts.closure import index_of
tree, place = Path(sys.argv[1]), Path(sys.argv[2])
session = World(tree, place, "", None, None).session(place / "masterdir", tree)
""",
    work="""
with index_of(session):
    known = outlines(session)
    read = [known[name] for name in known]
""",
)


def cold(world: World) -> list[Figure]:
    """Every template once, nothing kept."""
    tree = _tree(world)
    sides = [_side(world, text, tree) for text in (_LOAD, _TOMLLIB)]
    mine, its = interleaved(sides, world.rounds(5))
    return [
        compared("read", column(mine), column(its), 2.0, against="tomllib alone"),
        compared("read, processor", column(mine, 1), column(its, 1), 2.0, against="tomllib alone"),
    ]


def again(world: World) -> list[Figure]:
    """What a verb over the whole tree asks of it, with the index; beside the same without; after one change."""
    tree, place = _tree(world), world.folder("again")
    template, numbers = tree / "templates/zlib/template.toml", count(100)
    warm, without = _side(world, _LEAVES, tree, place / "kept"), _side(world, _LEAVES, tree, place / "new")
    for folder in ("kept", "new"):
        (place / folder).mkdir()

    def nothing_kept() -> Sequence[float]:
        shutil.rmtree(place / "new/home", ignore_errors=True)
        return without()

    def changed() -> Sequence[float]:
        text = template.read_text().splitlines()
        at = next(at for at, line in enumerate(text) if line.startswith("revision = "))
        template.write_text("\n".join([*text[:at], f"revision = {next(numbers)}", *text[at + 1 :]]) + "\n")
        return warm()

    mine, its, touched = interleaved([warm, nothing_kept, changed], world.rounds(5))
    return [
        compared("read again", column(mine), column(its), 0.05, against="nothing kept"),
        compared("read again, processor", column(mine, 1), column(its, 1), 0.05, against="nothing kept"),
        _most("one changed", column(touched), 0.3),
        Figure("one changed, processor", statistics.median(column(touched, 1)), note="printed only"),
    ]


def whole(world: World) -> list[Figure]:
    """Order and keys of all; the plan of the package with the longest chain below it; what that takes of memory."""
    tree, masterdir, note = _tree(world), world.folder("whole") / "masterdir", world.place / "peak"
    env = {**world.env, "PEAK": str(note)}
    figures = []
    for name, words, wanted in (
        ("order and keys", ("graph", "--json"), 1.0),
        ("plan of the deepest", ("plan", _deepest(world, masterdir, tree)), 1.0),
    ):
        argv = world.xsrc(masterdir, *words)
        timed(argv, env, tree)
        figures.append(_most(name, [timed(argv, env, tree) for _ in range(world.rounds(5))], wanted))
        timed((world.python, "-P", "-c", PEAK, "-m", str(masterdir), *words), env, tree)
        peak = int(note.read_text()) / 1024
        figures.append(Figure(f"{name}, memory", peak, wanted="<= 300 MiB", ok=peak <= 300, unit="MiB", pairs=1))
    return figures


def _deepest(world: World, masterdir: Path, tree: Path) -> str:
    """The package with the longest chain of packages below it."""
    session = world.session(masterdir, tree)
    depth: dict[tuple[str, bool], int] = {}
    with index_of(session):
        known = outlines(session)
        for group in groups(sorted(known), known):
            below = (depth.get(node, 0) for member in group for node in successors(member, known))
            depth.update(dict.fromkeys(group, 1 + max(below, default=0)))
    return max(depth, key=lambda node: depth[node])[0]


def _most(name: str, seconds: list[float], wanted: float) -> Figure:
    took = statistics.median(seconds)
    return Figure(name, took, wanted=f"<= {wanted:.1f} s", ok=took <= wanted, pairs=len(seconds))


def _tree(world: World) -> Path:
    """The tree, made once; without the needs that close a cycle, for what has one has no order."""
    tree = world.place / "void"
    if not tree.exists():
        tree.mkdir()
        write_void(tree, read_void().ordered())
    return tree


def _side(world: World, text: str, tree: Path, place: Path | None = None) -> Side:
    def run() -> tuple[float, float]:
        words = (world.python, "-P", "-c", text, str(tree), *([str(place)] if place else []))
        number, took, worked = output(words, world.env, tree).split()
        assert int(number) == len(read_void().sources)
        return float(took), float(worked)

    return run
