"""Says why a build ended: how a phase failed, with the end of its log, and what the disk refused."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterable
from pathlib import Path

from xsrc.core.errors import BuildFailed, HostError
from xsrc.core.phase import Phase
from xsrc.core.pkgver import PkgVer
from xsrc.core.settings import Limits
from xsrc.unix.files import ending, last_lines


def phase_failed(
    pkgver: PkgVer, phase: Phase, how: str, log: Path, limits: Limits, options: Iterable[str]
) -> BuildFailed:
    """Return the error for a failed phase, with the end of its log and its possible limit. Raises OSError."""
    tail = last_lines(ending(log))
    for limit, value, signs in (
        ("processes", limits.processes, ("Cannot fork", "fork: Resource temporarily unavailable", "can't fork")),
        ("memory_mib", limits.memory_mib, ("Cannot allocate memory", "memory exhausted", "out of memory")),
    ):
        if value and f"limits.{limit}" not in how and any(sign in line for line in tail for sign in signs):
            how += f" (limits.{limit} = {value})"
    option = "".join(f" -o {shlex.quote(word)}" for word in options)
    return BuildFailed(
        f"{pkgver}: {phase} failed: {how}",
        detail=[*(f"  | {line}" for line in tail), f"  log: {log}"],
        hint=f"xsrc shell{option} {pkgver.name} opens a shell there",
    )


def host_error(error: OSError, path: Path) -> HostError:
    """Return the error for a refusal of the system; it names `path` if the system named none."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "make room, or choose another place with -m DIR" if full else "xsrc doctor"
    return HostError(f"{error.filename or path}: {error.strerror}", hint=hint)
