"""Runs for the tests of the report: a small one with every state, and one as large as a whole tree."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from xsrc.runs.run import JobRecord, Run, State

BEGAN = 1_763_725_500.0
EVIL = "<script>alert('x')</script>\"&amp;' --> ]]>"
GTK = "build: exit 2: ninja: error: 'gdk/<x11>.c', needed by \"gdk.so\""


def small(number: int = 7, *, over: bool = True) -> Run:
    """A run of ten packages, some of which could not be built."""
    at = BEGAN + 100000 * number

    def job(name: str, state: State, start: float = 0, took: float = 0, **more: Any) -> JobRecord:
        times = {"fetch": took * 0.05, "configure": took * 0.2, "build": took * 0.6, "install": took * 0.15}
        began, ended = (at + start, at + start + took) if took else (None, None)
        known = JobRecord(name, f"{name}-1.{len(name)}_1", state, "install" if took else "", began, ended)
        return replace(known, seconds=times if took else {}, makejobs=2, **more)

    jobs: tuple[JobRecord, ...] = (
        job("zlib", State.BUILT, 0, 21.5, peak=90 << 20, reason="distfile changed"),
        job("libpng", State.BUILT, 21.5, 40.25, peak=160 << 20, reason="zlib: its outcome changed", needs=("zlib",)),
        job("cmake", State.BUILT, 0, 65, peak=2200 << 20, reason="output missing"),
        job(
            "gtk+3",
            State.FAILED,
            66,
            14,
            peak=700 << 20,
            reason="key changed (configure_args)",
            needs=("libpng",),
            error="build: exit 2: ninja: error: 'gdk/<x11>.c', needed by \"gdk.so\"",
        ),
        job("gimp", State.SKIPPED, because="gtk+3", needs=("gtk+3",), reason="gtk+3: key changed"),
        job("dash", State.KEPT),
        job("bzip2", State.KEPT),
        job("openssl", State.BUILT, 62, 33.1, peak=400 << 20, reason="revision changed from 1 to 2"),
    )
    jobs = tuple(
        replace(j, phase="build", seconds={"fetch": 1.0, "build": 13.0}) if j.name == "gtk+3" else j for j in jobs
    )
    if over:
        return Run(number, at, at + 95.5, "build -k -j2 gimp openssl", 2, State.FAILED, jobs)
    more = (
        replace(
            job("curl", State.RUNNING), began=at + 80, phase="configure", needs=("openssl",), seconds={"fetch": 2.0}
        ),
        job("git", State.WAITING, needs=("curl",)),
    )
    return Run(number, at, None, "build -k -j2 gimp openssl git", 2, State.RUNNING, (*jobs, *more))


def large(count: int = 9635, workers: int = 32) -> Run:
    """A run of a whole tree, with times as builds have them."""
    dice = random.Random(5)
    free = [BEGAN] * workers
    jobs: list[JobRecord] = []
    for i in range(count):
        first = dice.choice(("lib", "python3-", "perl-", "xf86-", "go-", ""))
        name = f"{first}{dice.choice(('audio', 'net', 'png', 'crypt', 'term'))}{i}"
        state = dice.choices((State.BUILT, State.FAILED, State.SKIPPED, State.KEPT), (90, 2, 5, 3))[0]
        record = JobRecord(name, f"{name}-{i % 9}.{i % 37}_1", state, reason="revision changed from 1 to 2")
        if state in (State.BUILT, State.FAILED):
            took = dice.lognormvariate(3.2, 1.3)
            lane = free.index(min(free))
            began, free[lane] = free[lane], free[lane] + took
            times = {
                "fetch": took * 0.05,
                "extract": 0.1,
                "configure": took * 0.2,
                "build": took * 0.6,
                "install": took * 0.15,
            }
            record = replace(
                record, phase="install", began=began, ended=free[lane], seconds=times, peak=int(took * (8 << 20))
            )
        if state is State.FAILED:
            record = replace(record, phase="build", error="exit 2")
        if state is State.SKIPPED:
            record = replace(record, because=dice.choice(jobs).name if jobs else "")
        jobs.append(record)
    return Run(1, BEGAN, max(free), "build --all -k -j32", workers, State.FAILED, tuple(jobs))
