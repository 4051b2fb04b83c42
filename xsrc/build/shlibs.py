"""Finds the packages that a built one needs at run time, by the libraries that its files need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def run_depends(
    declared: Iterable[str], requires: Iterable[str], provides: Iterable[str], closure: Mapping[str, Iterable[str]]
) -> tuple[str, ...]:
    """Names of packages: the declared patterns, then those that provide a needed soname.

    `closure` has the sonames of each package in the build root. A soname that neither they nor the package itself
    provide comes from the base.
    """
    names = list(declared)
    own = set(provides)
    for soname in sorted(set(requires) - own):
        for name in sorted(closure):
            if soname in closure[name]:
                names.append(name)
                break
    return tuple(dict.fromkeys(names))
