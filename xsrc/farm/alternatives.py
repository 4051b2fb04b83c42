"""Finds the provider of each group of alternatives: the chosen one, else the one of highest priority."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping

from xsrc.core.globs import covers
from xsrc.core.layout import merged_path
from xsrc.farm.place import Class, Member, Placed
from xsrc.store.manifest import Entry, Kind


def offers(members: Iterable[Member]) -> dict[str, dict[str, int]]:
    """By group, the packages that offer it, each with its priority; the provider comes first."""
    found: dict[str, dict[str, int]] = {}
    for member in members:
        for one in member.rules.alternatives:
            prices = found.setdefault(one.group, {})
            prices[member.name] = max(one.priority, prices.get(member.name, one.priority))
    return {group: dict(sorted(found[group].items(), key=lambda item: (-item[1], item[0]))) for group in sorted(found)}


def providers(members: Iterable[Member], choices: Mapping[str, str]) -> dict[str, str]:
    """By group, the name of its provider; a choice that is not stowed does not count."""
    found = offers(members)
    return {
        group: chosen if (chosen := choices.get(group)) in names else next(iter(names))
        for group, names in found.items()
    }


def links_of(members: Iterable[Member], choices: Mapping[str, str]) -> dict[str, Placed]:
    """The links of all groups and their directories, by path; if two groups have one link, the first by name wins."""
    ruled = [member for member in members if member.rules.alternatives]
    chosen = providers(ruled, choices)
    result: dict[str, Placed] = {}
    for member in sorted(ruled, key=lambda member: member.name):
        for one in member.rules.alternatives:
            if chosen[one.group] == member.name:
                link = merged_path(one.link)
                text = _text(link, one.target)
                target = posixpath.normpath(posixpath.join(posixpath.dirname(link), text))
                if member.nostow and any(covers(member.nostow, path[1:]) for path in (link, target)):
                    continue
                result.setdefault(link[1:], Placed(link[1:], member.owner, Class.SHIPPED, text))
                for above in _above(link[1:]):
                    result.setdefault(above, Placed(above, member.owner, Class.DIR))
    return result


def default_entries(members: Iterable[Member]) -> dict[str, list[Entry]]:
    """By pkgver, the links of alternatives that it provides without a choice, and their directories.

    Builds, and bases that are made of packages, use priorities and no choices.
    """
    found: dict[str, list[Entry]] = {}
    for placed in links_of(members, {}).values():
        link = Entry(placed.path, Kind.LINK, 0o777, target=placed.text)
        found.setdefault(placed.owner, []).append(link if placed.linked else Entry(placed.path, Kind.DIR))
    return found


def _above(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _text(link: str, target: str) -> str:
    """The text of a link that reads the same from the host and from inside.

    >>> _text("/usr/bin/sh", "/usr/bin/dash"), _text("/usr/bin/vi", "vim"), _text("/etc/x", "/bin/dash")
    ('dash', 'vim', '../usr/bin/dash')
    """
    if not target.startswith("/"):
        return target
    return posixpath.relpath(merged_path(target), posixpath.dirname(link))
