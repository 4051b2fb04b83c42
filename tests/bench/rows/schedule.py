"""Scheduling: simulated runs of all packages of a distribution against the shortest that any order allows."""

from __future__ import annotations

from dataclasses import replace

from tests.bench.measure import Figure, compared
from tests.bench.simulate import WORKERS, bound, expectations, makespan, times
from tests.bench.world import World

WANTED, FROM = 1.05, 32
"""With what ratio, and from how many workers on."""


def schedule(world: World) -> list[Figure]:
    """Judged with known times; with wrong ones, and with none, printed for where they cost most."""
    truths = [times(seed) for seed in range(world.rounds(3))]
    guesses = [expectations(seed, truth) for seed, truth in enumerate(truths)]
    found: dict[str, list[Figure]] = {}
    for workers in WORKERS:
        bounds = [bound(truth, workers) for truth in truths]
        for kind in guesses[0]:
            if kind == "known" or workers >= FROM:
                ours = [makespan(truth, guess[kind], workers) for truth, guess in zip(truths, guesses, strict=True)]
                name = f"{workers} workers, {kind}"
                found.setdefault(kind, []).append(compared(name, ours, bounds, WANTED, against="critical path or work"))
    judged = [
        figure if workers >= FROM else _told(figure)
        for workers, figure in zip(WORKERS, found.pop("known"), strict=True)
    ]
    return [*judged, *(_told(max(figures, key=lambda figure: figure.ratio or 0.0)) for figures in found.values())]


def _told(figure: Figure) -> Figure:
    return replace(figure, wanted="", ok=None, note="printed only")
