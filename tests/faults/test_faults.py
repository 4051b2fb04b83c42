"""Whatever goes wrong at whatever system call: the next command finishes or undoes, and no stranger's file is gone."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.drive import KINDS, Report, drive
from tests.faults.scenarios import SCENARIOS
from tests.faults.tally import Tally
from tests.faults.worker import SHARES, together

pytestmark = pytest.mark.usefixtures("injector")

_FRESH = "between link and unlink of a file that is put where nothing stood, its temporary name is left for good"
_PART = "a record of a generation that could not be written leaves its part"
_REPAIR = "what a cut off repair was to mend is taken for a stranger's"
_SWEEP = "a build is moved away before the database forgets it"
_ADOPT = "what was to be adopted keeps its second name"

KNOWN = {
    **{(scenario.name, "errno"): _PART for scenario in SCENARIOS},
    **{(name, "again"): _PART for name in ("stow", "replace", "choose", "trigger")},
    **{(name, "kill"): _FRESH for name in ("stow", "upgrade")},
    **{(name, kind): _REPAIR for name in ("restow", "verify") for kind in ("kill", "full")},
    **{("gc", kind): _SWEEP for kind in ("kill", "errno")},
    **{("adopt", kind): _ADOPT for kind in ("kill", "errno", "full")},
}
"""Which kinds of fault a scenario does not survive yet, and why; each line goes when that is mended."""


def cases() -> list[object]:
    """Every scenario with every kind of fault."""
    return [
        pytest.param(
            scenario.name,
            kind,
            id=f"{scenario.name}-{kind}",
            # which faults have their turn after a kill follows from the number of points: it may be none of the known
            marks=[pytest.mark.xfail(strict=kind != "again", reason=reason)] if reason else [],
        )
        for scenario in SCENARIOS
        for kind in KINDS
        for reason in [KNOWN.get((scenario.name, kind))]
    ]


def tried(name: str, kind: str) -> Report:
    """All points of a scenario, tried by several workers."""
    report = Report()
    for part in together([partial(drive, name, kind, share, SHARES) for share in range(SHARES)]):
        report.add(part)
    return report


@pytest.mark.parametrize(("name", "kind"), cases())
def test_every_point(name: str, kind: str, tally: Tally) -> None:
    report = tried(name, kind)
    tally.reports[name, kind] = report
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
