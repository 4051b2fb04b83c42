"""The line at the end of the run, and what the tests of faults need."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults import inject
from tests.faults.tally import Tally

_tally = Tally()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        _tally.note(report)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in _tally.lines():
        terminalreporter.line(line)


@pytest.fixture
def injector() -> None:
    """For a test that watches system calls."""
    if reason := inject.missing():
        pytest.skip(reason)
