"""What building through xsrc costs beside the same commands by hand, and how much memory it takes."""

from __future__ import annotations

import shlex
import shutil
import statistics
from dataclasses import replace
from itertools import count
from pathlib import Path

from tests.bench.measure import (
    Broken,
    Figure,
    Missing,
    Side,
    column,
    compared,
    interleaved,
    median_ratio,
    output,
    spent,
    timed,
)
from tests.bench.world import World, find
from xsrc.effects.destdir import remove_tree
from xsrc.effects.distdir import path_of
from xsrc.effects.enter import find_helpers
from xsrc.errors import HostError
from xsrc.plan.jobs import Job, jobs
from xsrc.verbs.context import Context
from xsrc.verbs.world import world

PEAK = """
import os, re, sys
from pathlib import Path
from xsrc.__main__ import main
code = main()
# VmHWM, not ru_maxrss: that one counts what was forked from before exec, and wait4 adds the children's
found = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())
Path(os.environ["PEAK"]).write_text(found[1])
sys.exit(code)
"""


def a_masterdir(world: World, name: str) -> Path:
    """A masterdir in which the distfile of dash is fetched and nothing is built."""
    for program in ("cc", "make", "tar", "strip"):
        if not find(program):
            raise Missing(f"no {program}")
    masterdir = world.folder(name) / "masterdir"
    context = world.context(masterdir)
    try:
        find_helpers(world.env)
    except HostError as error:
        raise Missing(str(error)) from error
    context.make_masterdir()
    kept, fetched = world.place / "distfiles", masterdir / "pkg-srcdistdir"
    for folder in (world.distfiles, kept):
        if folder and folder.is_dir():
            shutil.copytree(folder, fetched, dirs_exist_ok=True)
    try:
        timed(world.xsrc(masterdir, "fetch", "dash"), world.env, world.tree)
    except Broken as error:
        raise Missing(f"the distfile of dash cannot be fetched: {str(error).splitlines()[-1]}") from error
    shutil.copytree(fetched, kept, dirs_exist_ok=True)
    remove_tree(context.masterdir.builddir)
    context.masterdir.builddir.mkdir()
    return masterdir


def dash(context: Context) -> Job:
    """How xsrc would build dash."""
    packages = context.read_closure(["dash"])
    planned = jobs(packages, ["dash"], world(context))
    return planned["dash"]


def by_hand(context: Context, job: Job) -> str:
    """The commands that a person would type: those of xsrc's own scripts, without its checks and its tidying."""
    text = {phase: next(s.text for s in job.scripts[phase] if s.name.endswith(f"-{phase}")) for phase in _PHASES}
    own = "\n".join(line for line in "\n".join(text.values()).splitlines() if not line.startswith("command -v "))
    archive = path_of(job.package.distfiles[0], context.srcdistdir)
    return f"""set -eu
mkdir "$WRKSRC" "$DESTDIR"
tar -xf {shlex.quote(str(archive))} --strip-components=1 -C "$WRKSRC"
cd "$WRKSRC"
{own}
strip "$DESTDIR"/usr/bin/dash
"""


_PHASES = ("configure", "build", "install")


def overhead(world: World) -> list[Figure]:
    """`xsrc build dash` in a new masterdir with the distfile in it, against the same commands in a plain folder."""
    context = world.context(a_masterdir(world, "fetched"))
    fetched = context.masterdir.root
    job = dash(context)
    script = by_hand(context, job)
    numbers = count()

    def ours() -> tuple[float, float]:
        masterdir = world.folder(f"ours-{next(numbers)}") / "masterdir"
        shutil.copytree(fetched, masterdir, symlinks=True)
        took = spent(world.xsrc(masterdir, "build", "dash"), world.env, world.tree)
        _proven(masterdir / "usr/bin/dash")
        remove_tree(masterdir.parent)
        return took

    def theirs() -> tuple[float, float]:
        folder = world.folder(f"theirs-{next(numbers)}")
        places = {"WRKSRC": str(folder / "wrksrc"), "DESTDIR": str(folder / "destdir")}
        took = spent(("/bin/sh", "-c", script), {**job.env, **places, "MAKEJOBS": str(context.jobs)}, folder)
        _proven(folder / "destdir/usr/bin/dash")
        remove_tree(folder)
        return took

    sides: list[Side] = [ours, theirs]
    mine, its = interleaved(sides, world.rounds(7))
    figure = compared("overhead", column(mine), column(its), 1.10, against="the same commands by hand", slack=0.3)
    return [replace(figure, note=f"{figure.note}; processors {median_ratio(column(mine, 1), column(its, 1)):.2f}")]


def _proven(program: Path) -> None:
    if output((str(program), "-c", "echo built"), {}, program.parent) != "built\n":
        raise Broken(f"{program} does not run")


def memory(world: World) -> list[Figure]:
    """Peak memory of xsrc's own process, without what it starts."""
    masterdir = a_masterdir(world, "memory")
    note = masterdir.parent / "peak"
    peaks = []
    for _ in range(min(world.rounds(3), 3)):
        words = ("-m", str(masterdir), "build", "-f", "dash")
        timed((world.python, "-P", "-c", PEAK, *words), {**world.env, "PEAK": str(note)}, world.tree)
        peaks.append(int(note.read_text()) / 1024)
    peak = statistics.median(peaks)
    return [Figure("memory", peak, wanted="<= 80 MiB", ok=peak <= 80, unit="MiB", pairs=len(peaks))]
