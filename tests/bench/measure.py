"""Runs commands to be compared in turn, so that a noisy machine harms all alike, and judges by the median of ratios."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class Missing(Exception):
    """What this machine lacks for a row: the row is not run, which is never a pass."""


class Broken(Exception):
    """A command that was to be measured failed: there is no figure."""


@dataclass(frozen=True)
class Figure:
    """One line of the table; `ok` is None where nothing is judged, and then `note` says why."""

    name: str
    ours: float | None = None
    theirs: float | None = None
    ratio: float | None = None
    spread: tuple[float, float] | None = None
    """First and third quartile of the ratios."""
    wanted: str = ""
    ok: bool | None = None
    unit: str = "s"
    pairs: int = 0
    against: str = ""
    note: str = ""


Side = Callable[[], Sequence[float]]
"""Does one of the things that are compared, once; gives its figures, the first being the first row's, and so on."""


def spent(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> tuple[float, float]:
    """Seconds from the start of a command to its end, and of processors; raises Broken when it fails.

    The second figure holds what the command waited for, on all processors, and is what a busy machine changes least.
    """
    with tempfile.TemporaryFile() as said:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.perf_counter()
        code = subprocess.Popen(
            argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        ).wait()
        took = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if code:
            said.seek(max(0, said.seek(0, os.SEEK_END) - 2000))
            raise Broken(f"{' '.join(argv)[:300]}: exit code {code}: {said.read().decode(errors='replace').strip()}")
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def timed(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> float:
    """Seconds from the start of a command to its end; raises Broken when it fails."""
    return spent(argv, env, cwd)[0]


def output(argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> str:
    """What a command prints; raises Broken when it fails."""
    done = subprocess.run(argv, env=dict(env), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise Broken(f"{' '.join(argv)[:300]}: exit code {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def interleaved(sides: Sequence[Side], rounds: int, warm: int = 1) -> list[list[Sequence[float]]]:
    """Each side's figures of `rounds` rounds; every round begins with another side. Warm rounds are not counted."""
    found: list[list[Sequence[float]]] = [[] for _ in sides]
    for number in range(-warm, rounds):
        for place in range(len(sides)):
            side = (number + place) % len(sides)
            figures = sides[side]()
            if number >= 0:
                found[side].append(figures)
    return found


def column(figures: Sequence[Sequence[float]], number: int = 0) -> list[float]:
    """One figure of each round."""
    return [row[number] for row in figures]


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of pairs."""
    return statistics.median(mine / its for mine, its in zip(ours, theirs, strict=True))


def slowness() -> float:
    """How many times slower this machine is now than one that a figure in seconds is for; 1 for a faster one."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        sum(range(1_000_000))
        for _ in range(1_000_000):
            pass
        taken.append(time.process_time() - start)
    return max(1.0, min(taken) / _USUAL)


def at_usual_speed(work: Callable[[], object], rounds: int = 3) -> float:
    """Processor seconds of the best of several runs, as the machine takes them that a figure in seconds is for."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append((time.process_time() - start) / slowness())
    return min(taken)


_USUAL = 0.036
"""Seconds of the loop on a machine that keeps the figures: the page of a whole tree takes 14 times as long, and has to
take less than half a second there."""


def compared(
    name: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    wanted: float,
    *,
    against: str,
    slack: float = 0.0,
) -> Figure:
    """The figure of pairs: the median of their ratios, or with `slack` of their differences (seconds), decides."""
    ratios = [mine / its for mine, its in zip(ours, theirs, strict=True)]
    ratio = median_ratio(ours, theirs)
    more = statistics.median(mine - its for mine, its in zip(ours, theirs, strict=True))
    return Figure(
        name,
        statistics.median(ours),
        statistics.median(theirs),
        ratio,
        quartiles(ratios),
        f"<= {wanted:.2f}" + (f" or + {slack:.1f} s" if slack else ""),
        ratio <= wanted or (slack > 0 and more <= slack),
        pairs=len(ratios),
        against=against,
        note=f"{more:+.2f} s" if slack else "",
    )


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """First and third quartile; of a single value the value itself."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
