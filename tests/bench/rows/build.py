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
from xsrc.build.acts.ground import ground
from xsrc.build.job import Job, jobs
from xsrc.core.errors import HostError
from xsrc.core.session import Session
from xsrc.farm.acts.masterdir import make_masterdir
from xsrc.sandbox.disk.helpers import find_helpers
from xsrc.sources.disk.distdir import path_of
from xsrc.tree.acts.closure import read_closure
from xsrc.unix.trees import remove_tree

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


def _copy_new(source: str, target: str) -> None:
    """Copy a file that is not there yet: distfiles are read-only."""
    if not Path(target).exists():
        shutil.copy2(source, target)


def a_masterdir(ground: World, name: str) -> Path:
    """A masterdir in which the distfile of dash is fetched and nothing is built."""
    for program in ("cc", "make", "tar", "strip"):
        if not find(program):
            raise Missing(f"no {program}")
    masterdir = ground.folder(name) / "masterdir"
    session = ground.session(masterdir)
    try:
        find_helpers(ground.env)
    except HostError as error:
        raise Missing(str(error)) from error
    make_masterdir(session)
    kept, fetched = ground.place / "distfiles", masterdir / "pkg-srcdistdir"
    for folder in (ground.distfiles, kept):
        if folder and folder.is_dir():
            shutil.copytree(folder, fetched, dirs_exist_ok=True, copy_function=_copy_new)
    try:
        timed(ground.xsrc(masterdir, "fetch", "dash"), ground.env, ground.tree)
    except Broken as error:
        raise Missing(f"the distfile of dash cannot be fetched: {str(error).splitlines()[-1]}") from error
    shutil.copytree(fetched, kept, dirs_exist_ok=True, copy_function=_copy_new)
    remove_tree(session.masterdir.builddir)
    session.masterdir.builddir.mkdir()
    return masterdir


def dash(session: Session) -> Job:
    """How xsrc would build dash."""
    packages = read_closure(session, ["dash"]).packages
    planned = jobs(packages, ["dash"], ground(session))
    return planned["dash"]


def by_hand(session: Session, job: Job) -> str:
    """The commands that a person would type: those of xsrc's own scripts, without its checks and its tidying."""
    text = {phase: next(s.text for s in job.scripts[phase] if s.name.endswith(f"-{phase}")) for phase in _PHASES}
    own = "\n".join(line for line in "\n".join(text.values()).splitlines() if not line.startswith("command -v "))
    archive = path_of(job.package.distfiles[0], session.srcdistdir)
    return f"""set -eu
mkdir "$WRKSRC" "$DESTDIR"
tar -xf {shlex.quote(str(archive))} --strip-components=1 -C "$WRKSRC"
cd "$WRKSRC"
{own}
strip "$DESTDIR"/usr/bin/dash
"""


_PHASES = ("configure", "build", "install")


def overhead(ground: World) -> list[Figure]:
    """`xsrc build dash` in a new masterdir with the distfile in it, against the same commands in a plain folder."""
    session = ground.session(a_masterdir(ground, "fetched"))
    fetched = session.masterdir.root
    job = dash(session)
    script = by_hand(session, job)
    numbers = count()

    def ours() -> tuple[float, float]:
        masterdir = ground.folder(f"ours-{next(numbers)}") / "masterdir"
        shutil.copytree(fetched, masterdir, symlinks=True)
        took = spent(ground.xsrc(masterdir, "build", "dash"), ground.env, ground.tree)
        _proven(masterdir / "usr/bin/dash")
        remove_tree(masterdir.parent)
        return took

    def theirs() -> tuple[float, float]:
        folder = ground.folder(f"theirs-{next(numbers)}")
        places = {"WRKSRC": str(folder / "wrksrc"), "DESTDIR": str(folder / "destdir")}
        took = spent(("/bin/sh", "-c", script), {**job.env, **places, "MAKEJOBS": str(session.jobs)}, folder)
        _proven(folder / "destdir/usr/bin/dash")
        remove_tree(folder)
        return took

    sides: list[Side] = [ours, theirs]
    mine, its = interleaved(sides, ground.rounds(7))
    figure = compared("overhead", column(mine), column(its), 1.10, against="the same commands by hand", slack=0.3)
    return [replace(figure, note=f"{figure.note}; processors {median_ratio(column(mine, 1), column(its, 1)):.2f}")]


def _proven(program: Path) -> None:
    if output((str(program), "-c", "echo built"), {}, program.parent) != "built\n":
        raise Broken(f"{program} does not run")


def memory(ground: World) -> list[Figure]:
    """Peak memory of xsrc's own process, without what it starts."""
    masterdir = a_masterdir(ground, "memory")
    note = masterdir.parent / "peak"
    peaks = []
    for _ in range(min(ground.rounds(3), 3)):
        words = ("-m", str(masterdir), "build", "-f", "dash")
        timed((ground.python, "-P", "-c", PEAK, *words), {**ground.env, "PEAK": str(note)}, ground.tree)
        peaks.append(int(note.read_text()) / 1024)
    peak = statistics.median(peaks)
    return [Figure("memory", peak, wanted="<= 80 MiB", ok=peak <= 80, unit="MiB", pairs=len(peaks))]
