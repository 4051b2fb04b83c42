"""The rules of a package for the stowed root, beside its files; a table in props.plist and in the farm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from xsrc.core.paths import Unsound, covers_ours, line_fault, rooted, target_fault


@dataclass(frozen=True)
class Account:
    """A system account, merged into etc/passwd and etc/group."""

    name: str
    home: str = "/var/empty"
    shell: str = "/usr/sbin/nologin"
    desc: str = ""
    groups: tuple[str, ...] = ()
    """Further groups that it belongs to."""

    def __post_init__(self) -> None:
        for text in (self.name, self.home, self.shell, self.desc, *self.groups):
            if why := line_fault(text):
                raise Unsound(f"account {self.name!a}: {text!a}: {why}")
        for path in (self.home, self.shell):
            if path != "/":
                rooted(path)


@dataclass(frozen=True)
class Directory:
    """A directory that exists although it is empty."""

    path: str
    """Absolute."""
    mode: str = "0755"
    """Octal."""
    owner: str = "root:root"
    """USER:GROUP; the farm has one owner, and only remembers this."""

    def __post_init__(self) -> None:
        rooted(self.path)

    @classmethod
    def of(cls, said: str | Mapping[str, str]) -> Directory:
        """Read an entry of `make_dirs`: a table, a path, or `PATH MODE USER GROUP`.

        >>> Directory.of("/var/lib/x 0700 www www")
        Directory(path='/var/lib/x', mode='0700', owner='www:www')
        """
        if not isinstance(said, str):
            return cls(**said)
        path, *rest = said.split(" ")
        return cls(path, rest[0], ":".join(rest[1:])) if rest else cls(path)


OWNER = r"[a-z_][a-z0-9_-]*:[a-z_][a-z0-9_-]*"
CAPABILITIES = r"cap_[a-z_]+(?:,cap_[a-z_]+)*[=+][eip]+"
"""Capabilities of a file, as setcap(8) takes them."""


@dataclass(frozen=True)
class Owned:
    """A path whose owner or capabilities no ordinary user can give; a package gives them when it is installed."""

    path: str
    """Absolute."""
    owner: str = "root:root"
    """USER:GROUP."""
    capabilities: str = ""

    def __post_init__(self) -> None:
        rooted(self.path)
        if re.fullmatch(OWNER, self.owner) is None or re.fullmatch(f"(?:{CAPABILITIES})?", self.capabilities) is None:
            raise Unsound(f"{self.path}: want USER:GROUP, got {self.owner!a} {self.capabilities!a}")


@dataclass(frozen=True)
class Alternative:
    """A link that several packages offer and one of them provides."""

    group: str
    link: str
    """Absolute path of the link."""
    target: str
    """Absolute, or relative to the folder of the link."""
    priority: int = 0

    def __post_init__(self) -> None:
        if covers_ours(rooted(self.link)[1:]):
            raise Unsound(f"alternative {self.group!a}: {self.link} is a place of xsrc itself")
        if why := target_fault(self.link[1:], self.target):
            raise Unsound(f"alternative {self.group!a}: {self.link} -> {self.target!a}: {why}")
        if not isinstance(self.group, str) or not isinstance(self.priority, int):
            raise Unsound(f"alternative {self.group!a}: want a word and a number, got priority {self.priority!a}")


@dataclass(frozen=True)
class Rules:
    """All rules of a template that the farm follows."""

    conf_files: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    hardlink: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    protect: bool = False
    accounts: tuple[Account, ...] = ()
    make_dirs: tuple[Directory, ...] = ()
    owned: tuple[Owned, ...] = ()
    shells: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    triggers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in (*self.conf_files, *self.shells):
            rooted(path)
        for shell in self.shells:
            if why := line_fault(shell):
                raise Unsound(f"shell {shell!a}: {why}")

    @property
    def public(self) -> bool:
        """Whether they reach beyond the package's own paths."""
        return bool(
            self.provides
            or self.conflicts
            or self.replaces
            or self.protect
            or self.accounts
            or self.shells
            or self.alternatives
            or self.triggers
        )

    def table(self) -> dict[str, Any]:
        """What is set, as JSON and property lists can hold it."""
        return {f.name: plain for f in fields(self) if (plain := _plain(getattr(self, f.name)))}

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Rules:
        """Read the output of `table`. Raises ValueError, TypeError, KeyError or AttributeError for anything else."""
        given: dict[str, Any] = {name: _texts(name, table[name]) for name in _WORDS if name in table}
        return cls(
            **given,
            protect=bool(table.get("protect", False)),
            accounts=tuple(Account(**{**a, "groups": tuple(a.get("groups", ()))}) for a in table.get("accounts", ())),
            make_dirs=tuple(Directory(**d) for d in table.get("make_dirs", ())),
            owned=tuple(Owned(**one) for one in table.get("owned", ())),
            alternatives=tuple(Alternative(**a) for a in table.get("alternatives", ())),
        )


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = tuple(value)
    if isinstance(value, str) or not all(isinstance(text, str) for text in texts):
        raise Unsound(f"{name}: want a list of texts")
    return texts


NO_RULES = Rules()

_WORDS = (
    "conf_files",
    "provides",
    "conflicts",
    "replaces",
    "hardlink",
    "copy",
    "ignore",
    "shells",
    "triggers",
)


def _plain(value: Any) -> Any:
    match value:
        case tuple():
            return [_plain(item) for item in value]
        case Account() | Alternative() | Directory() | Owned():
            return {key: list(item) if isinstance(item, tuple) else item for key, item in asdict(value).items()}
    return value
