"""Why packages need each other.

The template key `hostmakedepends` is Void's word for tools that run on the *build* machine; in GNU's words `host` is
the machine that the result runs on. Code says `Dep.TOOL`, `Dep.LIB`, `Dep.CHECK` and `Dep.RUN` instead.
"""

from __future__ import annotations

import enum


class Dep(enum.StrEnum):
    """Why one package needs another; the value is the template's key."""

    TOOL = "hostmakedepends"
    LIB = "makedepends"
    CHECK = "checkdepends"
    RUN = "depends"


UNTESTED = (Dep.TOOL, Dep.LIB)
"""The needs of a build that runs no tests."""
BUILD = (*UNTESTED, Dep.CHECK)
"""The needs of a build."""
