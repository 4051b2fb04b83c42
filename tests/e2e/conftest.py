"""The package that this is all about, built once as the README says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.kit.land import Land
from tests.e2e.kit.people import Result

DASH = "dash-0.5.12_1"


@dataclass(frozen=True)
class Dash:
    """dash in the masterdir of P's checkout."""

    land: Land
    built: Result
    again: Result

    @property
    def masterdir(self) -> Path:
        return self.land.clone / "masterdir"

    @property
    def destdir(self) -> Path:
        return self.masterdir / "pkg-destdir" / DASH

    def xsrc(self, *words: str | Path, mode: str | None = None) -> Result:
        return self.land.xsrc(*words, cwd=self.land.clone, mode=mode)


def launcher(land: Land) -> str:
    """The `xsrc` that helpers/setup put on the PATH: below the home where the machine's is missing or another."""
    home = land.user.home
    found = shutil.which("xsrc", path=f"{home}/.local/bin:{home}/bin:/usr/local/bin")
    assert found, f"helpers/setup has put no xsrc on the PATH\n{land.setup}"
    return found


@pytest.fixture(scope="session")
def dash(land: Land) -> Iterator[Dash]:
    """`xsrc build dash` in a fresh checkout, by its launcher, from the real address; and said once more."""
    program = launcher(land)
    built = land.run(program, "build", "-v", "dash", cwd=land.clone)
    yield Dash(land, built, land.run(program, "build", "dash", cwd=land.clone))
