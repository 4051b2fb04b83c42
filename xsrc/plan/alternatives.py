"""Who gives the links of each group of alternatives: the provider that was chosen, else the one of highest priority."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from xsrc.model.farm import Class, Member, Placed


def offers(members: Iterable[Member]) -> dict[str, dict[str, int]]:
    """By group, the names of packages that offer it, each with its priority; the one that gives it first."""
    found: dict[str, dict[str, int]] = {}
    for member in members:
        for one in member.rules.alternatives:
            prices = found.setdefault(one.group, {})
            prices[member.name] = max(one.priority, prices.get(member.name, one.priority))
    return {group: dict(sorted(found[group].items(), key=lambda item: (-item[1], item[0]))) for group in sorted(found)}


def providers(members: Iterable[Member], choices: Mapping[str, str]) -> dict[str, str]:
    """By group, the name of the package that gives it; a choice that is not stowed counts for nothing."""
    found = offers(members)
    return {
        group: chosen if (chosen := choices.get(group)) in names else next(iter(names))
        for group, names in found.items()
    }


def links_of(members: Iterable[Member], choices: Mapping[str, str]) -> dict[str, Placed]:
    """The links of all groups, by path; where groups disagree the first by name has its way."""
    ruled = [member for member in members if member.rules.alternatives]
    chosen = providers(ruled, choices)
    result: dict[str, Placed] = {}
    for member in sorted(ruled, key=lambda member: member.name):
        for one in member.rules.alternatives:
            if chosen[one.group] == member.name:
                path = one.link.lstrip("/")
                result.setdefault(path, Placed(path, member.owner, Class.SHIPPED, _text(one.link, one.target)))
    return result


def _text(link: str, target: str) -> str:
    """The text of a link that reads the same from the host and from inside.

    >>> _text("/usr/bin/sh", "/usr/bin/dash"), _text("/usr/bin/vi", "vim"), _text("/bin/sh", "/usr/bin/dash")
    ('dash', 'vim', '../usr/bin/dash')
    """
    if not target.startswith("/"):
        return target
    return posixpath.relpath(target, posixpath.dirname(link))
