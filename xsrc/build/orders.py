"""What a run is told to do, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xsrc.build.request import BuildOptions, BuildRequest
from xsrc.build.steps import Step
from xsrc.core.errors import XsrcError
from xsrc.core.outcome import Rung
from xsrc.core.phase import Phase
from xsrc.core.pkgver import PkgVer


@dataclass(frozen=True)
class RunOptions:
    """How to carry a plan out."""

    workers: int
    """How many processes may work at once: packages side by side, and the rest for the make of each."""
    request: BuildRequest
    versions: Mapping[str, PkgVer]
    """The packages of this plan, by name."""
    rung: Rung
    refused: Mapping[str, XsrcError]
    """Packages that must not be built."""
    keep_going: bool = False
    command: str = "build"

    @property
    def fetch(self) -> bool:
        """Whether the run only fetches, so that no package waits for another."""
        return self.request.to is Phase.FETCH

    def goal(self, name: str) -> Phase:
        """The last phase of a package in this run."""
        return self.request.to if name in self.request.names else Phase.INSTALL

    def of(self, step: Step, makejobs: int, run: int) -> BuildOptions:
        """How far to build one package, in the run of this number."""
        name, asked, to = step.name, step.name in self.request.names, self.goal(step.name)
        return BuildOptions(
            planned=self.versions,
            to=to,
            force=self.request.force and asked,
            again=step.same_key or to is not Phase.INSTALL,
            keep=self.request.keep,
            check=self.request.check and not step.job.late,
            options=self.request.options.get(name, ()),
            makejobs=makejobs,
            run=run,
        )


@dataclass(frozen=True)
class RunResult:
    """The result of a run: its exit code, and the packages that are missing because of a failure."""

    code: int = 0
    failed: frozenset[str] = frozenset()
