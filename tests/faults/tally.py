"""Counts the points at which commands were cut off, for the line at the end of the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FAULTS, FIGURE = "faults", "figure of faults"
"""Properties of tests: how many faults of a scenario there were and how many were not survived; a line to be shown."""


@dataclass
class Tally:
    """Gathered from the reports of pytest; a test that is tried again replaces its own."""

    faults: dict[str, tuple[int, int]] = field(default_factory=dict)
    figures: dict[str, str] = field(default_factory=dict)

    def note(self, report: Any) -> None:
        """Take the report of one test."""
        for name, value in report.user_properties:
            if name == FAULTS:
                self.faults[report.nodeid] = (value[0], value[1])
            elif name == FIGURE:
                self.figures[report.nodeid] = value

    def lines(self) -> list[str]:
        points = sum(faults for faults, _ in self.faults.values())
        survived = points - sum(lost for _, lost in self.faults.values())
        names = {nodeid.partition("[")[2].rpartition("-")[0] for nodeid in self.faults}
        first = f"faults: {points} points of {len(names)} scenarios, survived {survived}"
        return [*([first] if points else []), *(f"faults: {line}" for line in self.figures.values())]
