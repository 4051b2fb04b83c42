"""Reading templates: what xsrc's loader costs beyond tomllib on the same texts."""

from __future__ import annotations

from pathlib import Path

from tests.bench.measure import Figure, Side, column, compared, interleaved, output
from tests.bench.rows.templates import write_templates
from tests.bench.world import World

COUNT = 2000

# each in a process of its own, so that nothing is kept from the run before; imports are not counted, and of the time
# only that of the processor, which another program on the machine changes least
_OURS = """
import sys, time
from pathlib import Path
from xsrc.effects.tree import load, names
from xsrc.model.layout import Tree
tree = Tree(Path(sys.argv[1]))
start = time.process_time()
read = [load(tree, name) for name in names(tree)]
print(len(read), time.process_time() - start)
"""
_THEIRS = """
import sys, time, tomllib
from pathlib import Path
start = time.process_time()
read = [tomllib.loads(path.read_text()) for path in sorted(Path(sys.argv[1], "templates").glob("*/template.toml"))]
print(len(read), time.process_time() - start)
"""


def cold(world: World) -> list[Figure]:
    """Every template once, nothing kept."""
    tree = world.folder("read")
    (tree / "masterdir-skel").mkdir()
    write_templates(tree / "templates", COUNT)
    sides: list[Side] = [_side(world, text, tree) for text in (_OURS, _THEIRS)]
    mine, its = interleaved(sides, world.rounds(15))
    return [compared("read", column(mine), column(its), 2.0, against="tomllib alone")]


def _side(world: World, text: str, tree: Path) -> Side:
    def run() -> tuple[float]:
        number, seconds = output((world.python, "-P", "-c", text, str(tree)), world.env, tree).split()
        assert int(number) == COUNT
        return (float(seconds),)

    return run
