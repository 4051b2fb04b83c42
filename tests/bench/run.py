#!/usr/bin/env python3
"""Measures xsrc against what does the same by other means: run.py [NAME…] [--json FILE] [--pairs N] [--list].

Exits 1 when a ratio is missed, 4 when a row could not be measured at all though the machine has what it needs.
As root it measures as user xbuild (or nobody), in a copy of the tree below /var/tmp.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TREE))

from tests.bench import rows  # noqa: E402
from tests.bench.drop import drop_root  # noqa: E402
from tests.bench.measure import Broken, Figure, Missing  # noqa: E402
from tests.bench.report import HEAD, count, dumps, line, summary  # noqa: E402
from tests.bench.world import World  # noqa: E402
from xsrc.unix.trees import remove_tree  # noqa: E402


def main() -> int:
    """Read the command line and run the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows to run; none: all")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    parser.add_argument("--pairs", metavar="N", type=int, help="pairs of each row, in place of its own number")
    parser.add_argument("--list", action="store_true", help="print what there is, and stop")
    asked = parser.parse_args()
    if asked.list:
        for name, (about, _) in rows.ROWS.items():
            print(f"{name:<10} {about}")
        return 0
    if unknown := [name for name in asked.names if name not in rows.ROWS]:
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(rows.ROWS)}")
    if asked.pairs is not None and asked.pairs < 1:
        parser.error("--pairs: want a number from 1 on")
    if os.getuid() == 0:
        return drop_root(TREE, asked.names, asked.json, asked.pairs)
    return measure(asked.names or list(rows.ROWS), asked.json, asked.pairs)


def measure(names: list[str], file: Path | None, pairs: int | None) -> int:
    """Measure the rows, print each as soon as it is known."""
    place = Path(tempfile.mkdtemp(prefix="xsrc-bench-", dir=os.environ.get("XSRC_BENCH_DIR") or "/var/tmp"))
    distfiles = Path(os.environ.get("XSRC_BENCH_DISTFILES") or TREE / "masterdir/pkg-srcdistdir")
    world = World(TREE, place, sys.executable, distfiles if distfiles.is_dir() else None, pairs)
    figures: list[Figure] = []
    print(HEAD, flush=True)
    try:
        for name in names:
            for figure in run_row(name, world):
                figures.append(figure)
                print(line(figure), flush=True)
        print(summary(figures), flush=True)
        if file:
            file.write_text(dumps(figures) + "\n")
    finally:
        remove_tree(place)
    found = count(figures)
    return 1 if found["missed"] else 4 if found["failed"] else 0


def run_row(name: str, world: World) -> list[Figure]:
    """The figures of one row; what cannot be measured is one figure that says so."""
    try:
        return rows.ROWS[name][1](world)
    except Missing as error:
        return [Figure(name, note=f"not run: {error}")]
    except Broken as error:
        return [Figure(name, note=f"failed: {error}")]


if __name__ == "__main__":
    sys.exit(main())
