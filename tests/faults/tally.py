"""Counts the points at which commands were cut off, for the line at the end of the run."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.faults.drive import Report


@dataclass
class Tally:
    """The reports of this run, by scenario and kind of fault; a test that is tried again replaces its own."""

    reports: dict[tuple[str, str], Report] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """Figures of other tests."""

    def lines(self) -> list[str]:
        points = sum(report.faults for report in self.reports.values())
        survived = points - sum(len(report.problems) for report in self.reports.values())
        names = {name for name, _ in self.reports}
        first = f"faults: {points} points of {len(names)} scenarios, survived {survived}"
        return [*([first] if points else []), *(f"faults: {note}" for note in self.notes.values())]


KEY = pytest.StashKey[Tally]()
