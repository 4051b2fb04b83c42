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
        # tar and patch are of the base; scripts of the template have its tools (see `kinds`)
        Phase.EXTRACT: Access(wrksrc=True, depends=(Dep.TOOL,)),
        Phase.PATCH: Access(wrksrc=True, depends=(Dep.TOOL,)),
        Phase.CONFIGURE: Access(wrksrc=True),
        Phase.BUILD: Access(wrksrc=True),
        Phase.CHECK: Access(wrksrc=True, depends=BUILD),
        # `make install` relinks and writes its own records: the sources stay writable beside the destdir
        Phase.INSTALL: Access(wrksrc=True, destdir=True),
    }
)


def kinds(phase: Phase, scripts: Collection[str]) -> tuple[Dep, ...]:
    """The kinds of needs in the root of a phase, by the names of the template's own `scripts`.

    Sources can be looked at without what builds them: to unpack and to patch them takes no package.
    """
    if phase in (Phase.EXTRACT, Phase.PATCH) and not any(
        f"{part}_{phase}" in scripts for part in ("pre", "do", "post")
    ):
        return ()
    return ACCESS[phase].depends


def kinds_up_to(to: Phase, scripts: Collection[str], *, tested: bool = True) -> tuple[Dep, ...]:
    """The kinds of needs in the roots of all phases up to `to`."""
    phases = (phase for phase in ORDER[: to.number + 1] if tested or phase is not Phase.CHECK)
    return tuple(dict.fromkeys(kind for phase in phases for kind in kinds(phase, scripts)))


def remaining(done: Collection[Phase], to: Phase) -> tuple[Phase, ...]:
    """The phases up to `to` that are not done yet."""
    return tuple(phase for phase in ORDER[: to.number + 1] if phase not in done)


def still_done(done: Collection[Phase], was: Mapping[Phase, str], now: Mapping[Phase, str]) -> tuple[Phase, ...]:
    """The finished phases that count for a template which has changed since, by the keys of phases before and now.

    A phase is not repeated on its own remains: none counts unless all up to `build` do.
    """
    ends = [end for end in (Phase.BUILD, Phase.CHECK) if end in done and was.get(end) == now[end]]
    if Phase.BUILD not in ends:
        return ()
    return tuple(phase for phase in done if phase.number <= ends[-1].number)
