"""Compares the paths that a template names with those that its packages have."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from xsrc.core.globs import exact
from xsrc.core.schema import Problem, shown
from xsrc.core.spans import KeyPath
from xsrc.store.digest import joined
from xsrc.tree.package import Package

_MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders at the top of a root that lead below /usr."""


def absent(package: Package, parts: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Paths that a template names and that are not in the package which gets them; `parts` are the paths of each."""
    main = parts[package.name]
    for index, one in enumerate(package.raw.get("alternatives", [])):
        target = _usual(joined(one["link"].lstrip("/"), one["target"]))
        if target not in main:
            where = ("alternatives", index, "target")
            yield _missing(where, f"/{target}", package.name, parts)
    for index, path in enumerate(package.raw.get("shells", [])):
        if _usual(path.strip("/")) not in main:
            yield _missing(("shells", index), path, package.name, parts)
    every = {path for paths in parts.values() for path in paths}
    for index, path in enumerate(package.conf_files):
        if path.strip("/") not in every:
            yield _missing(("conf_files", index), path, package.name, parts)
    for part in package.subpackages:
        for index, path in enumerate(part.conf_files):
            if path.strip("/") not in parts[part.name]:
                yield _missing(("subpackages", part.name, "conf_files", index), path, part.name, parts)
    for key in ("hardlink", "copy", "ignore"):
        for index, glob in enumerate(getattr(package.stow, key)):
            wanted = exact(glob)
            if not glob.startswith("?") and not any(wanted.fullmatch(path) for path in every):
                path_of = ("stow", key, index)
                hint = "a ? in front of a glob lets it match nothing"
                yield path_of, f'{shown(path_of)}: "{glob}": it matches nothing that is installed', hint


def _missing(where: KeyPath, path: str, name: str, parts: Mapping[str, Collection[str]]) -> Problem:
    """The problem of a path that a package does not have."""
    holders = [other for other, paths in parts.items() if _usual(path.strip("/")) in paths]
    hint = (
        f"it is in {holders[0]}: leave it to {name} by except" if holders else f"xsrc log {name} install shows what is"
    )
    return where, f"{shown(where)}: {path} is not in {name}", hint


def _usual(path: str) -> str:
    """A path as packages have it: /bin and the like are below /usr."""
    return f"usr/{path}" if path.partition("/")[0] in _MERGED else path
