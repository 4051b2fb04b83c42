"""The phases of a build."""

from __future__ import annotations

import enum


class Phase(enum.StrEnum):
    """The steps from a template to a sealed destdir, in order; each but the first runs in a build root."""

    FETCH = "fetch"
    EXTRACT = "extract"
    PATCH = "patch"
    CONFIGURE = "configure"
    BUILD = "build"
    CHECK = "check"
    INSTALL = "install"

    @property
    def number(self) -> int:
        return ORDER.index(self)


ORDER = tuple(Phase)
"""All of them, in order."""
