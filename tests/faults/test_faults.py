"""Whatever goes wrong at whatever system call: the next command finishes or undoes, and no stranger's file is gone."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.drive import KINDS, Report, drive
from tests.faults.scenarios import SCENARIOS
from tests.faults.tally import Tally
from tests.faults.worker import SHARES, together

pytestmark = pytest.mark.usefixtures("injector")

_TEMPORARY = "a hard link put over itself, and a put that fails, leave a temporary name"
_FINISH = "an error of the database when all is done leaves the change begun; an rmdir that fails is not told"
_SWAP = "a destdir is exchanged before that is noted"

KNOWN = {
    **{(name, "kill"): _TEMPORARY for name in ("stow", "restow", "upgrade")},
    **{(name, "full"): _TEMPORARY for name in ("stow", "restow", "upgrade")},
    **{(name, "errno"): _FINISH for name in ("stow", "unstow", "restow", "upgrade")},
    **{(name, "again"): _FINISH for name in ("stow", "unstow", "restow", "upgrade")},
    **{("replace", kind): _SWAP for kind in KINDS},
}
"""Which kinds of fault a scenario does not survive yet, and why; each line goes when that is mended."""


def cases() -> list[object]:
    """Every scenario with every kind of fault."""
    return [
        pytest.param(
            scenario.name,
            kind,
            id=f"{scenario.name}-{kind}",
            marks=[pytest.mark.xfail(strict=True, reason=reason)]
            if (reason := KNOWN.get((scenario.name, kind)))
            else [],
        )
        for scenario in SCENARIOS
        for kind in KINDS
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
    assert report.points > 10, "the command changes nothing"
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
