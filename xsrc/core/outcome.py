"""The result of a build, as digests on a ladder of three rungs: a change on a rung makes a dependent build again.

`exact` covers everything that a dependent or the farm could notice. `interface` covers what a dependent's own build
reads or links against. `soname` covers the names of libraries. If a rung is "", only `exact` counts.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Rung(enum.StrEnum):
    """How much of a dependency may differ before its dependents are built again, least first."""

    EXACT = "exact"
    INTERFACE = "interface"
    SONAME = "soname"


class Outcome(NamedTuple):
    """Digests of the result of a build, one for each rung."""

    exact: str = ""
    interface: str = ""
    soname: str = ""

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Read the output of `str`. Raises ValueError for anything else."""
        exact, interface, soname = text.split(" ")
        return cls(exact, interface, soname)

    def __str__(self) -> str:
        return " ".join(self)

    @property
    def exactly(self) -> Outcome:
        """The same for a dependent that needs the exact result."""
        return Outcome(self.exact)


UNKNOWN = Outcome()
"""The outcome of a build that nobody looked at."""


def same(rung: Rung, saw: Outcome, now: Outcome) -> bool:
    """Whether a package that was built with `saw` is still up to date with `now`."""
    if saw.exact == now.exact:
        return True
    match rung:
        case Rung.EXACT:
            return False
        case Rung.INTERFACE:
            return bool(saw.interface) and saw.interface == now.interface
        case Rung.SONAME:
            return bool(saw.soname) and saw.soname == now.soname


def difference(saw: Outcome, now: Outcome) -> str:
    """Say in words how two outcomes differ; "" if they do not."""
    if saw.exact == now.exact:
        return ""
    if saw.soname and saw.soname != now.soname:
        return "other sonames"
    if saw.interface and saw.interface != now.interface:
        return "another interface"
    return "another result"
