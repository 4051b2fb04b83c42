"""Lets tests have the modules of the wheel, whatever is first in their search path, and processes its .pth files.

The program of the style that makes the wheel puts this where each Python of the tests looks, and fills in the names.
"""

import site
import sys
from importlib.machinery import ModuleSpec, PathFinder

LIBRARIES: list[str] = []
MODULES: frozenset[str] = frozenset()


class Installed:
    """Finds the modules of the wheel; a namespace that others share is found as ever."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The wheel's module of this name."""
        spec = PathFinder.find_spec(name, LIBRARIES) if path is None and name in MODULES else None
        return spec if spec is not None and spec.origin is not None else None


sys.meta_path.insert(0, Installed)
for folder in LIBRARIES:
    site.addsitedir(folder)
