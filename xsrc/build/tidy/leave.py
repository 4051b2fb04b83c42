"""Leaves out of a package what every package would ship, what nobody needs, and empty directories."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection

from xsrc.build.tidy.draft import Draft, in_order
from xsrc.store.form import Form
from xsrc.store.manifest import Kind

_SHARED = ("usr/share/info/dir", "usr/lib/charset.alias", "usr/share/locale/locale.alias")
_OWN = ("perllocal.pod", ".packlist")
_STATIC = re.compile(r"(usr/lib/[^/]+)\.a")
_LIBRARIES = re.compile(r"(?:.*/)?lib[^/]*/.*")
"""Below a folder of libraries."""


def leave_out(draft: Draft, keep: Collection[str]) -> None:
    """Plan to remove indexes, libtool archives and static libraries, and the links to them."""
    gone = {}
    for path, spot in sorted(draft.tree.items()):
        static = _STATIC.fullmatch(path)
        if spot.kind is Kind.DIR:
            continue
        if path in _SHARED:
            gone[path] = "it is made for the whole root"
        elif posixpath.basename(path) in _OWN and spot.kind is Kind.FILE:
            gone[path] = "it tells of this build only"
        elif spot.form is Form.LIBTOOL and path.endswith(".la") and "la" not in keep and _LIBRARIES.fullmatch(path):
            gone[path] = Form.LIBTOOL.value
        elif static and "static" not in keep and _exists(draft, f"{static[1]}.so"):
            gone[path] = f"a static library beside /{static[1]}.so"
    todo = dict(gone)
    while todo:
        for path, why in todo.items():
            draft.remove(path, why)
        todo = {path: "what it leads to is removed" for path in draft.links() if draft.leads(path) in todo}


def _exists(draft: Draft, path: str) -> bool:
    """Whether a path leads to something in the package."""
    for _ in range(len(draft.tree)):
        if path not in draft.tree or draft.tree[path].kind is not Kind.LINK:
            break
        path = draft.leads(path)
    return path in draft.tree


def drop_empty(draft: Draft) -> None:
    """Plan to remove every directory that holds nothing but directories; of nested ones the log names the first."""
    full = {""}
    for path, spot in draft.tree.items():
        if spot.kind is not Kind.DIR:
            while path not in full:
                full.add(path)
                path = posixpath.dirname(path)
    for path in reversed(in_order(path for path in draft.tree if path not in full)):
        draft.remove(path, "an empty directory" if posixpath.dirname(path) in full else "")
