"""The phases of a build and what each may touch: a table, not conditions."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xsrc.model.arch import Dep
from xsrc.plan.graph import BUILD, UNTESTED


class Phase(enum.Enum):
    """The steps from a template to a sealed destdir, in order; each but the first runs in a build root."""

    FETCH = "fetch"
    EXTRACT = "extract"
    PATCH = "patch"
    CONFIGURE = "configure"
    BUILD = "build"
    CHECK = "check"
    INSTALL = "install"

    def __str__(self) -> str:
        return self.value

    @property
    def number(self) -> int:
        return ORDER.index(self)


ORDER = tuple(Phase)


@dataclass(frozen=True)
class Access:
    """What one phase may touch; what is not said here it may not."""

    network: bool = False
    wrksrc: bool = False
    """Whether the sources are writable; they can be read in every phase after fetch."""
    destdir: bool = False
    """Whether the destdir is there, and then writable."""
    depends: tuple[Dep, ...] = UNTESTED
    """Whose destdirs are layers of the build root."""


ACCESS: Mapping[Phase, Access] = MappingProxyType(
    {
        Phase.FETCH: Access(network=True, depends=()),
        Phase.EXTRACT: Access(wrksrc=True),
        Phase.PATCH: Access(wrksrc=True),
        Phase.CONFIGURE: Access(wrksrc=True),
        Phase.BUILD: Access(wrksrc=True),
        Phase.CHECK: Access(wrksrc=True, depends=BUILD),
        # `make install` relinks and writes its own records: the sources stay writable beside the destdir
        Phase.INSTALL: Access(wrksrc=True, destdir=True),
    }
)


def remaining(done: tuple[str, ...], to: Phase) -> tuple[Phase, ...]:
    """The phases up to `to` that are not done yet."""
    return tuple(phase for phase in ORDER[: to.number + 1] if phase.value not in done)
