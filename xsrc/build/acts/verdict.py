"""Looks into the log of a finished phase for what its exit code does not say."""

from __future__ import annotations

from pathlib import Path

from xsrc.build.job import Job
from xsrc.build.verdict import flags_lost, ran_nothing
from xsrc.core.phase import Phase
from xsrc.unix.files import opened

NO_TEST = 'no test ran: name the tests by make_check_target, or give the reason by make_check = "…"'
_MOST = 8 << 20
"""Bytes of a log that are looked at; one that is longer tells of more than nothing."""


def no_test_ran(job: Job, log: Path) -> bool:
    """Whether the suite of a build style ran no test; a template's own do_check is believed. Raises OSError."""
    style = job.ground.styles[job.package.build_style]
    if all(script.name != f"{style.name}-{Phase.CHECK}" for script in job.scripts.get(Phase.CHECK, ())):
        return False
    text = _text(log)
    return len(text) < _MOST and ran_nothing(text, style.tests)


def unused_flags(job: Job, log: Path) -> str:
    """A line about the flags that no shown call of a compiler has; "" for none. Raises OSError."""
    if not (lost := flags_lost(_text(log), job.env)):
        return ""
    words = " and ".join(f"{name} ({job.env[name]})" for name in lost)
    return f"no call of a compiler in the log of its build has {words}; a do_build can pass $CFLAGS to make"


def _text(log: Path) -> str:
    with opened(log) as file:
        return file.read(_MOST).decode(errors="replace")
