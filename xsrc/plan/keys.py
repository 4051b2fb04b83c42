"""Keys of packages: what each is made of itself (its inputs), and with that the keys of all that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from xsrc.model.arch import Dep
from xsrc.model.buildkey import key_of
from xsrc.plan.graph import BUILD, Needs, Node


class Keyed(NamedTuple):
    """The key of a package, and what of others went into it: for each direct need of its build a digest."""

    key: str
    depends: Mapping[str, str]


def keyed(
    ordered: Iterable[tuple[Node, ...]], packages: Mapping[str, Needs], inputs: Callable[[str], str]
) -> dict[str, Keyed]:
    """The keys of all packages of `groups`, in build order; `inputs` gives the digest of a package's own.

    A need counts with its own key and with the keys of all that it needs to run. Packages of a cycle share what the
    others of it are made of.
    """
    result: dict[str, Keyed] = {}
    reach: dict[str, str] = {}
    for group in ordered:
        built = [name for name, usable in group if not usable]
        usable = [name for name, usable in group if usable]
        others = {n: key_of(inputs(n), {}) for n in sorted(built)} if len(group) > 1 else {}
        for name in built:
            depends = {need: reach[need] for need in packages[name].needs(*BUILD) if need in reach} | others
            result[name] = Keyed(key_of(inputs(name), depends), depends)
        if usable:
            parts = {name: result[name].key for name in usable if name in result}
            for name in usable:
                parts |= {need: reach[need] for need in packages[name].needs(Dep.RUN) if need in reach}
            digest = next(iter(parts.values())) if len(parts) == 1 else key_of("", parts)
            reach.update(dict.fromkeys(usable, digest))
    return result
