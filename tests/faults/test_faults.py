"""Whatever goes wrong at whatever system call: the next command finishes or undoes, and no stranger's file is gone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.faults.drive import KINDS, Report, drive
from tests.faults.scenarios import SCENARIOS
from tests.faults.tally import FAULTS
from tests.faults.worker import SHARES, together

pytestmark = pytest.mark.usefixtures("injector")


def tried(name: str, kind: str) -> Report:
    """All points of a scenario, tried by several workers."""
    report = Report()
    for part in together([partial(drive, name, kind, share, SHARES) for share in range(SHARES)]):
        report.add(part)
    return report


@pytest.mark.parametrize(("name", "kind"), [(scenario.name, kind) for scenario in SCENARIOS for kind in KINDS])
def test_every_point(name: str, kind: str, record_property: Callable[[str, object], None]) -> None:
    report = tried(name, kind)
    record_property(FAULTS, (report.faults, len(report.problems)))
    assert report.points, "the command changes nothing"
    if report.problems:
        shown = "\n".join(report.problems[:10])
        pytest.fail(f"{len(report.problems)} of {report.faults} did not survive:\n{shown}", pytrace=False)


@pytest.mark.parametrize("kind", ["kill", "errno"])
def test_a_careless_command_is_caught(kind: str) -> None:
    """Unlink and then link, noted at the end: hardly a point of it can be survived."""
    report = tried("careless", kind)
    assert len(report.problems) > report.faults / 3
    assert any(
        "neither before nor after" in problem or "not before nor after" in problem for problem in report.problems
    )


def test_a_file_that_is_gone_for_a_moment_is_missed() -> None:
    report = tried("tidy", "kill")
    lost = [problem for problem in report.problems if "usr/share/alpha/mine, which is a user's own, is gone" in problem]
    assert len(lost) > report.faults / 2
