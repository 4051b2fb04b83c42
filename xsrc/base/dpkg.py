"""What dpkg's database says of a machine: the packages that every machine for builds has, and their alternatives."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from xsrc.core.layout import MERGED

PROGRAMS: Mapping[str, str] = MappingProxyType(
    {
        "cc": "gcc",
        "c++": "g++",
        "ld": "binutils",
        "make": "make",
        "patch": "patch",
        "perl": "perl",
        "tar": "tar",
        "bzip2": "bzip2",
        "xz": "xz-utils",
    }
)
"""The programs that builds find in every base beside the essential ones, and Debian's packages of them."""

BUILD_ESSENTIAL = ("build-essential", "dpkg-dev", "libc6-dev", *PROGRAMS.values())
"""What build-essential consists of, also where somebody has installed its parts alone."""

_FIELD = re.compile(
    r"^(Package|Status|Version|Architecture|Essential|Priority|Depends|Pre-Depends|Provides): *(.*)$", re.MULTILINE
)
_WHOLE = frozenset({"installed", "triggers-awaited", "triggers-pending"})
_RANKS = ("required", "important", "standard")


@dataclass(frozen=True)
class Installed:
    """One installed package."""

    version: str
    arch: str
    essential: bool
    rank: int
    """Its priority; the most important is 0."""
    needs: tuple[tuple[str, ...], ...]
    """The names of packages of which it needs one each, the preferred one first."""
    provides: tuple[str, ...]


def installed(status: str) -> dict[str, Installed]:
    """The installed packages of the machine's own architecture, by the text of dpkg's file `status`."""
    stanzas = [dict(_FIELD.findall(text)) for text in status.split("\n\n")]
    stanzas = [found for found in stanzas if found.get("Status", "").rpartition(" ")[2] in _WHOLE]
    native = {"all", *(found.get("Architecture") for found in stanzas if found.get("Package") == "dpkg")}
    return {
        found["Package"]: Installed(
            found.get("Version", ""),
            found["Architecture"],
            found.get("Essential") == "yes",
            _RANKS.index(rank) if (rank := found.get("Priority")) in _RANKS else len(_RANKS),
            (*_relations(found.get("Pre-Depends", "")), *_relations(found.get("Depends", ""))),
            tuple(name for names in _relations(found.get("Provides", "")) for name in names),
        )
        for found in stanzas
        if "Package" in found and found.get("Architecture") in native
    }


def _relations(text: str) -> Iterator[tuple[str, ...]]:
    """The names in a field such as Depends, without versions and architectures."""
    for clause in text.split(","):
        names = (re.split(r"[\s(:\[]", word.strip(), maxsplit=1)[0] for word in clause.split("|"))
        if found := tuple(filter(None, names)):
            yield found


def essential(packages: Mapping[str, Installed]) -> tuple[str, ...]:
    """The packages that are essential or part of build-essential, and all that these need; by name."""
    providers: dict[str, list[str]] = {}
    for name, package in packages.items():
        for provided in package.provides:
            providers.setdefault(provided, []).append(name)

    def chosen(names: Iterable[str]) -> str | None:
        """The package by which a need is met, the same one on every machine where that is possible."""
        for name in names:
            if name in packages:
                return name
        for name in names:
            if name in providers:
                return min(providers[name], key=lambda one: (packages[one].rank, one))
        return None

    todo = [name for name, package in packages.items() if package.essential]
    todo += BUILD_ESSENTIAL
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in packages and name not in found:
            found.add(name)
            todo += filter(None, map(chosen, packages[name].needs))
    return tuple(sorted(found))


def inside(path: str) -> str:
    """The place in a root of a path of this machine: where /usr is merged, and where it is not.

    >>> inside("/bin/sh"), inside("/usr/bin/cc"), inside("/etc/motd")
    ('usr/bin/sh', 'usr/bin/cc', 'etc/motd')
    """
    path = path.lstrip("/")
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


def alternatives(texts: Mapping[str, str], shown: Container[str]) -> dict[str, str]:
    """The targets in /etc/alternatives, by name, by the texts of dpkg's folder `alternatives`.

    Of the choices for a name the best one that is `shown` counts, whatever the user of this machine prefers.
    """
    made: dict[str, str] = {}
    for name, text in sorted(texts.items()):
        head, _, rest = text.partition("\n\n")
        slaves = head.split("\n")[2::2]
        lines, size = rest.split("\n"), 2 + len(slaves)
        choices = [lines[at : at + size] for at in range(0, len(lines), size)]
        usable = [c for c in choices if len(c) == size and re.fullmatch(r"-?\d+", c[1]) and inside(c[0]) in shown]
        if usable:
            best = max(usable, key=lambda choice: (int(choice[1]), choice[0]))
            made[name] = best[0]
            made |= {slave: path for slave, path in zip(slaves, best[2:], strict=True) if inside(path) in shown}
    return {name: path for name, path in made.items() if name not in ("", ".", "..") and "/" not in name}
