"""Refuses paths that no package may have, and says how to move them."""

from __future__ import annotations

from collections.abc import Mapping

from xsrc.build.tidy.draft import Spot
from xsrc.store.manifest import Kind

RULE = "misplaced"
"""The key of `[lint] ignore` for the reason why a package may have such paths."""

_RUNTIME = "it exists while the system runs; the program makes what it needs there when it starts"
_PEOPLE = "it belongs to the users of the root"
_PLACES = {
    "usr/man": "pages are below /usr/share/man: pass --mandir=/usr/share/man to configure, or mandir= to make",
    "usr/info": "manuals are in /usr/share/info: pass --infodir=/usr/share/info to configure, or infodir= to make",
    "usr/doc": "documents are below /usr/share/doc: pass --docdir=/usr/share/doc/NAME to configure, or docdir= to make",
    "usr/local": "it belongs to the users of the root: pass --prefix=/usr to configure, or PREFIX=/usr to make",
    "usr/etc": "configuration is below /etc: pass --sysconfdir=/etc to configure, or sysconfdir= to make",
    "usr/var": "data that change are below /var: pass --localstatedir=/var to configure, or localstatedir= to make",
    **dict.fromkeys(("tmp", "run", "proc", "dev", "sys", "var/run", "var/lock", "var/tmp"), _RUNTIME),
    **dict.fromkeys(("home", "root", "media", "mnt"), _PEOPLE),
}


def misplaced(tree: Mapping[str, Spot]) -> list[str]:
    """A line for each place that has files and must not, with the first of them."""
    lines = []
    for place in _PLACES:
        inside = sorted(path for path in tree if path == place or path.startswith(f"{place}/"))
        if not (paths := [path for path in inside if tree[path].kind is not Kind.DIR] or inside):
            continue
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        lines.append(f"/{paths[0]}{more}: no package has files in /{place}: {_PLACES[place]}")
    return lines
