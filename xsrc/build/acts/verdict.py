"""Looks into the log of a finished phase for what its exit code does not say."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from xsrc.build.job import Job
from xsrc.build.verdict import flags_lost, ran_nothing
from xsrc.core.phase import Phase
from xsrc.core.ui import Ui
from xsrc.unix.files import opened

FLAGS = "flags"
"""The key of `[lint] ignore` for the reason why a template compiles with other flags than those of the settings."""
_MOST = 8 << 20
"""Bytes of a log that are looked at; one that is longer tells of more than nothing."""


def judged(job: Job, phase: Phase, log: Path, more: IO[bytes], ui: Ui) -> str:
    """Why a finished phase counts as failed; "" if it does not. Tell of flags, also in the log. Raises OSError."""
    if phase is Phase.CHECK and _no_test_ran(job, _text(log)):
        return 'no test ran: name the tests by make_check_target, or give the reason by make_check = "…"'
    if phase is Phase.BUILD and FLAGS not in job.package.excused and (lost := flags_lost(_text(log), job.env)):
        flags = " and ".join(f"{name} ({job.env[name]})" for name in lost)
        words = f"no call of a compiler in the log of its build has {flags}; a do_build can pass $CFLAGS to make"
        more.write(f"xsrc: {words}\n".encode())
        ui.warn(f"{job.package.pkgver}: {words}")
    return ""


def _no_test_ran(job: Job, text: str) -> bool:
    """Whether the suite of a build style ran no test; a template's own do_check is believed."""
    style = job.ground.styles[job.package.build_style]
    by_style = any(script.name == f"{style.name}-{Phase.CHECK}" for script in job.scripts.get(Phase.CHECK, ()))
    return by_style and len(text) < _MOST and ran_nothing(text, style.tests)


def _text(log: Path) -> str:
    with opened(log) as file:
        return file.read(_MOST).decode(errors="replace")
