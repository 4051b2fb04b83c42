"""What came of one package in a run."""

from __future__ import annotations

from enum import StrEnum


class JobResult(StrEnum):
    """How far a worker came with a package, if nothing failed."""

    PRESENT = "present"
    """Another run had built it meanwhile."""
    PART = "part"
    """It went as far as it was asked to, which is no build."""
    SEALED = "sealed"
    UNTESTED = "untested"
    """Sealed, but its tests did not run."""
