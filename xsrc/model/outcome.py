"""What a build came out as, on a ladder of three rungs: at each, what a dependent must be built again for.

`exact` tells all that a dependent or the farm could notice, `interface` what a dependent's own build reads or links
against, `soname` under which names libraries are found. A rung that is "" decides nothing: there only `exact` counts.
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
    """Digests of what a build came out as, a rung each."""

    exact: str = ""
    interface: str = ""
    soname: str = ""

    @classmethod
    def parse(cls, text: str) -> Outcome:
        """Read what `str` gave; raises ValueError for anything else."""
        exact, interface, soname = text.split(" ")
        return cls(exact, interface, soname)

    def __str__(self) -> str:
        return " ".join(self)

    @property
    def exactly(self) -> Outcome:
        """The same for a dependent that nothing less than the exact result will do for."""
        return Outcome(self.exact)


UNKNOWN = Outcome()
"""Of what nobody looked at."""


def same(rung: Rung, saw: Outcome, now: Outcome) -> bool:
    """Whether what was built with `saw` needs not be built again for `now`."""
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
    """In words, in how much two outcomes differ; "" where they do not."""
    if saw.exact == now.exact:
        return ""
    if saw.soname and saw.soname != now.soname:
        return "other sonames"
    if saw.interface and saw.interface != now.interface:
        return "another interface"
    return "another result"
