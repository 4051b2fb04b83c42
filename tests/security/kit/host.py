"""What the attacks on xsrc itself need: a site in each mode of isolation, and a second user beside its owner."""

from __future__ import annotations

import pytest

from tests.e2e.kit.land import Land
from tests.e2e.kit.people import User

PYTHON = "/usr/bin/python3"


@pytest.fixture(params=["caps", "userns"])
def mode(request: pytest.FixtureRequest, land: Land) -> str:
    """Each mode of isolation, as XSRC_ISOLATION names it."""
    name = str(request.param)
    if reason := land.modes[name]:
        pytest.skip(f"{name}: {reason}")
    return name


@pytest.fixture
def stranger(as_root: Land) -> User:
    """E, a second user."""
    assert as_root.stranger is not None
    return as_root.stranger
