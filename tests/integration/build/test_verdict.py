"""The words of a finished build about its log."""

from __future__ import annotations

import io
from pathlib import Path

from tests.unit.builders import a_job
from xsrc.build.acts.verdict import judged
from xsrc.core.phase import Phase
from xsrc.unix.ui import PlainUi


def of_other_flags(tmp_path: Path, **keys: object) -> tuple[str, str]:
    """A build compiles with other flags than those of the settings: what is printed, and its log."""
    job, log = a_job(build_style="gnu-makefile", **keys), tmp_path / "build.log"
    log.write_text("cc -O1 -c a.c\n")
    err = io.StringIO()
    with log.open("ab") as more:
        assert judged(job, Phase.BUILD, log, more, PlainUi(io.StringIO(), err)) == ""
    return err.getvalue(), log.read_text()


def test_a_template_that_means_other_flags_is_not_warned_of(tmp_path: Path) -> None:
    """A compiler that builds itself, or a tool that is used once, has flags of its own for a reason."""
    assert of_other_flags(tmp_path, lint={"ignore": {"flags": "it is used once"}}) == ("", "cc -O1 -c a.c\n")


def test_a_template_that_loses_flags_is_warned_of(tmp_path: Path) -> None:
    err, log = of_other_flags(tmp_path)
    assert "no call of a compiler in the log of its build has CFLAGS (" in err
    assert log.splitlines()[1].startswith("xsrc: no call of a compiler")
