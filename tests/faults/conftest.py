"""The line at the end of the run, and what the tests of faults need."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults import inject
from tests.faults.tally import KEY, Tally


def pytest_configure(config: pytest.Config) -> None:
    config.stash[KEY] = Tally()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for line in config.stash[KEY].lines():
        terminalreporter.line(line)


@pytest.fixture
def tally(pytestconfig: pytest.Config) -> Tally:
    return pytestconfig.stash[KEY]


@pytest.fixture
def injector() -> None:
    """For a test that watches system calls."""
    if reason := inject.missing():
        pytest.skip(reason)
