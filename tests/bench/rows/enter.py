"""What it costs to run a command in a sandbox, beside bwrap doing the same: every namespace, the same mounts."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Broken, Figure, Missing, Side, column, compared, interleaved, timed
from tests.bench.world import World, find
from xsrc.base.disk.essential import View, view
from xsrc.base.disk.host import host_base
from xsrc.core.base import Base
from xsrc.core.errors import HostError
from xsrc.sandbox.disk.enter import command
from xsrc.sandbox.disk.helpers import Helpers, find_helpers
from xsrc.sandbox.sandbox import Bind, Overlay, Sandbox
from xsrc.unix.machine import arch

BATCH = 10
"""Entries that make one figure: a single one is too short for a noisy machine."""

DO_NOTHING = ("/usr/bin/true",)


def enter(world: World) -> list[Figure]:
    """Two rows for each mode: with binds on both sides, and an overlay with and without the layer that hides."""
    bwrap = _bwrap()
    figures = []
    for mode in ("caps", "userns"):
        name = f"enter {mode}"
        try:
            helpers = find_helpers({**world.env, "XSRC_ISOLATION": mode})
        except HostError as error:
            figures.append(Figure(name, note=f"not run: {error}"))
            continue
        whole = host_base(arch(), View(whole="bwrap shows all of it"))
        sandbox = _sandbox(world.folder("enter"), whole, overlay=False)
        figures.append(_compare(world, name, helpers, sandbox, bwrap))
        figures.append(_hidden(world, f"{name}, hidden", helpers, whole))
    return figures


def _hidden(world: World, name: str, helpers: Helpers, whole: Base) -> Figure:
    """A build root as it is, against one that shows all of this machine."""
    shown = view(world.folder("bases"), make=True)
    if shown.whole:
        return Figure(name, note=f"not run: {shown.whole}")
    bases = (host_base(arch(), shown), whole)
    roots = [_sandbox(world.folder(f"enter-{base.whole[:5]}"), base, overlay=True) for base in bases]
    mine, its = interleaved(
        [_batch(world, command(helpers, root, DO_NOTHING).argv) for root in roots], world.rounds(25)
    )
    return compared(name, column(mine), column(its), 1.1, against="all shown")


def _bwrap() -> str:
    bwrap = find("bwrap")
    if bwrap is None:
        raise Missing("no bwrap")
    probe = subprocess.run([bwrap, "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True)
    if probe.returncode:
        raise Missing(f"bwrap cannot enter a sandbox here: {probe.stderr.strip()}")
    return bwrap


def _sandbox(folder: Path, base: Base, *, overlay: bool) -> Sandbox:
    """The root of a configure phase: the skeleton over a base, the sources writable."""
    root, sources = folder / "root", folder / "wrksrc"
    sources.mkdir()
    for inside in ("usr", "etc", "tmp", "dev", "proc", "sys", "pkg-builddir/dash-0.5.12", *base.layers, *base.binds):
        (root / inside).mkdir(parents=True, exist_ok=True)
    for link in ("bin", "sbin", "lib", "lib64"):
        (root / link).symlink_to(f"usr/{link}")
    shutil.copyfile("/etc/passwd", root / "etc/passwd")
    mounts: list[Bind | Overlay] = []
    for inside in sorted(base.layers):
        layers = base.layers[inside]
        mounts.append(Overlay((root / inside, *layers), inside) if overlay else Bind(layers[0], inside))
    mounts += [Bind(source, inside) for inside, source in sorted(base.binds.items())]
    mounts.append(Bind(sources, "pkg-builddir/dash-0.5.12", writable=True))
    env = {"PATH": "/usr/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/tmp"}
    return Sandbox(root, tuple(mounts), env, "/pkg-builddir/dash-0.5.12")


def bwrap_argv(bwrap: str, sandbox: Sandbox) -> tuple[str, ...]:
    """The command line of bwrap for the same sandbox.

    bwrap has no new sysfs: a bind of the machine's is the nearest to it.
    """
    words = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--hostname", "xsrc", "--cap-drop", "ALL"]
    words += ["--ro-bind", str(sandbox.root), "/"]
    for mount in sandbox.mounts:
        if isinstance(mount, Bind):
            words += ["--bind" if mount.writable else "--ro-bind", str(mount.source), f"/{mount.inside}"]
    words += ["--proc", "/proc", "--ro-bind", "/sys", "/sys", "--dev", "/dev", "--tmpfs", "/dev/shm", "--tmpfs", "/tmp"]
    for name, value in sorted(sandbox.env.items()):
        words += ["--setenv", name, value]
    return (*words, "--chdir", sandbox.directory, "--", *DO_NOTHING)


def _compare(world: World, name: str, helpers: Helpers, sandbox: Sandbox, bwrap: str) -> Figure:
    ours = _batch(world, command(helpers, sandbox, DO_NOTHING).argv)
    theirs = _batch(world, bwrap_argv(bwrap, sandbox))
    mine, its = interleaved([ours, theirs], world.rounds(25))
    return compared(name, column(mine), column(its), 0.65, against="bwrap")


def _batch(world: World, argv: Sequence[str]) -> Side:
    def run() -> tuple[float]:
        return (sum(timed(argv, {}, world.place) for _ in range(BATCH)) / BATCH,)

    try:
        timed(argv, {}, world.place)
    except Broken as error:
        if "125" in str(error):
            raise Missing(str(error)) from error
        raise
    return run
