"""The figures that were measured with the tests, at the end of the run."""

from __future__ import annotations

from typing import Any

import pytest

FIGURES = "figures"
"""The property of a test that has measured: lines to be shown."""

_lines: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, lines in report.user_properties:
        if name == FIGURES and report.when == "call":
            _lines.extend(lines)  # type: ignore[arg-type]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for line in _lines:
        terminalreporter.line(line)
