"""The lines of stowed packages in etc/passwd, etc/group and etc/shells.

The stowed packages alone determine them. An account's number follows from its name, so the same set of packages has
the same files on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable

from xsrc.core.numbers import COUNT, FIRST, number_of
from xsrc.farm.place import Member
from xsrc.store.rules import Account


def numbers(names: Iterable[str]) -> dict[str, int]:
    """The uid, and gid, of each account; if two want one number, the second by name gets the next free one."""
    result: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted(set(names)):
        number = number_of(name)
        while number in taken:
            number = FIRST + (number + 1 - FIRST) % COUNT
        taken.add(number)
        result[name] = number
    return result


def merged(members: Iterable[Member]) -> dict[str, str]:
    """By file, the lines of all packages; files without any are left out."""
    ruled = sorted(members, key=lambda member: member.owner)
    accounts: dict[str, Account] = {}
    groups: dict[str, set[str]] = {}
    # of an account that several packages have the first by name has its way; it is in the groups of all
    for account in (account for member in ruled for account in member.rules.accounts):
        accounts.setdefault(account.name, account)
        groups.setdefault(account.name, set())
        for group in account.groups:
            groups.setdefault(group, set()).add(account.name)
    shells = sorted({shell for member in ruled for shell in member.rules.shells})
    number = numbers(groups)
    lines = {
        "etc/group": [f"{name}:x:{number[name]}:{','.join(sorted(groups[name]))}" for name in sorted(groups)],
        "etc/passwd": [
            f"{a.name}:x:{number[a.name]}:{number[a.name]}:{a.desc or a.name}:{a.home}:{a.shell}"
            for a in sorted(accounts.values(), key=lambda account: account.name)
        ],
        "etc/shells": shells,
    }
    return {path: "\n".join(found) for path, found in lines.items() if found}
