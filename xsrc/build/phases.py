"""The phases of a build and what each may touch: a table, not conditions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xsrc.core.dep import BUILD, UNTESTED, Dep
from xsrc.core.phase import ORDER, Phase


@dataclass(frozen=True)
class Access:
    """The access of one phase; anything else is forbidden."""

    network: bool = False
    wrksrc: bool = False
    """Whether the sources are writable; every phase after fetch can read them."""
    destdir: bool = False
    """Whether the destdir is present and writable."""
    depends: tuple[Dep, ...] = UNTESTED
    """The kinds of needs whose destdirs are layers of the build root."""


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


def remaining(done: Collection[Phase], to: Phase) -> tuple[Phase, ...]:
    """The phases up to `to` that are not done yet."""
    return tuple(phase for phase in ORDER[: to.number + 1] if phase not in done)
