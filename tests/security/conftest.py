"""Fixtures of the security tests, and the table at the end of the run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.security.kit import stage as stages
from tests.security.kit.again import RESULTS
from tests.security.kit.box import Box, Helper, Stage, folder, make_root
from tests.security.kit.people import as_root, end_all
from tests.security.kit.tally import MODES, Tally

MUST_WORK = "XSRC_MUST_WORK"
"""Set in CI: a test that was not tried fails the run."""

_tally = pytest.StashKey[Tally]()


def race_seconds() -> float:
    """How long each race is run."""
    return float(os.environ.get("XSRC_RACE_SECONDS", "2"))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_tally] = Tally()
    config.pluginmanager.register(_Listener(config.stash[_tally]), "xsrc-security-tally")


class _Listener:
    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "tests/security/" in report.nodeid or report.nodeid.startswith("test_"):
            self.tally.note(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if os.environ.get(MUST_WORK) and self.tally.not_tried and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if given := os.environ.get(RESULTS):
            self.tally.write(Path(given))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    tally = config.stash[_tally]
    if tally.tests and not os.environ.get(RESULTS):
        terminalreporter.section("what SECURITY.md requires of the helpers")
        for line in tally.lines():
            terminalreporter.line(line)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """With capabilities on the files, or plain copies in a user namespace."""
    return str(request.param)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    with stages.stage() as made:
        yield made


@pytest.fixture
def root_only() -> None:
    """For a test that needs a second user or mounts of its own."""
    if not as_root():
        pytest.skip(stages.NEEDS_ROOT)


@pytest.fixture
def helper(stage: Stage, mode: str) -> Helper:
    if mode == "caps" and not as_root():
        pytest.skip(stages.NEEDS_ROOT)
    return stages.helper(stage, mode)


@pytest.fixture
def place(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of P's for one test; whatever P runs ends with the test."""
    number = request.session.stash.setdefault(_count, [0])
    number[0] += 1
    yield folder(stage.base / f"t{number[0]}", stage.p)
    if as_root():
        end_all(stage.p)


@pytest.fixture
def spot(place: Path, stage: Stage) -> Iterator[Path]:
    """A folder of P's that is removed by another program than ours, however deep it became."""
    made = folder(place / "spot", stage.p)
    yield made
    subprocess.run(["chmod", "-R", "u+rwX", made], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", made], check=True)


_count = pytest.StashKey[list[int]]()


@pytest.fixture
def box(stage: Stage, helper: Helper, place: Path) -> Box:
    return Box(stage, helper, place, make_root(place / "root", stage.p), folder(place / "work", stage.p))
