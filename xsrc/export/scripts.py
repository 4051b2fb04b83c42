"""The scripts of a binary package: what its format cannot declare; pure.

They are run in the root, which may be the current directory only, so every path is relative. They are POSIX sh.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from xsrc.core.numbers import number_of
from xsrc.store.manifest import Entry, Kind, Manifest, Props
from xsrc.store.rules import Owned, Rules

_INSTALL = r"""
# ACTION NAME VERSION UPDATE
[ "$1" = post ] || exit 0
umask 022
number() { # FILE NAME: the number of an account or a group
	[ "$2" != root ] || { echo 0; return 0; }
	[ -f "$1" ] || return 1
	while IFS=: read -r name _ id _; do
		[ "$name" != "$2" ] || { echo "$id"; return 0; }
	done <"$1"
	return 1
}
taken() { # FILE NUMBER
	[ -f "$1" ] || return 1
	while IFS=: read -r _ _ id _; do
		[ "$id" != "$2" ] || return 0
	done <"$1"
	return 1
}
add() { # FILE LINE: once
	[ -d "${1%/*}" ] || mkdir -p "${1%/*}"
	[ -f "$1" ] || : >"$1"
	while IFS= read -r line; do
		[ "$line" != "$2" ] || return 0
	done <"$1"
	[ "$line" != "$2" ] || return 0
	[ -z "$line" ] || echo >>"$1" # the last line had no end
	printf '%s\n' "$2" >>"$1"
}
""".strip()

_ACCOUNTS = r"""
group() { # NAME NUMBER
	number etc/group "$1" >/dev/null && return 0
	free=$2
	while taken etc/group "$free" || taken etc/passwd "$free"; do free=$((free + 1)); done
	add etc/group "$1:x:$free:"
}
account() { # NAME NUMBER DESCRIPTION HOME SHELL
	group "$1" "$2"
	number etc/passwd "$1" >/dev/null && return 0
	gid=$(number etc/group "$1")
	uid=$gid
	while taken etc/passwd "$uid"; do uid=$((uid + 1)); done
	add etc/passwd "$1:x:$uid:$gid:$3:$4:$5"
	[ ! -f etc/shadow ] || number etc/shadow "$1" >/dev/null || add etc/shadow "$1:!:::::::"
}
member() { # GROUP NUMBER NAME
	group "$1" "$2"
	cp -p etc/group etc/.group.new
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		"$1":*)
			members=${line##*:}
			case ",$members," in
			*",$3,"*) ;;
			,,) line=$line$3 ;;
			*) line=$line,$3 ;;
			esac
			;;
		esac
		printf '%s\n' "$line"
	done <etc/group >etc/.group.new
	mv -f etc/.group.new etc/group
}
""".strip()

_PLACES = r"""
folder() { # PATH MODE USER GROUP
	mkdir -p "$1"
	give "$@"
}
give() { # PATH MODE USER GROUP [CAPABILITIES]
	if [ "$(id -u)" = 0 ]; then
		uid=$(number etc/passwd "$3") || { echo "$1: there is no account $3" >&2; exit 1; }
		gid=$(number etc/group "$4") || { echo "$1: there is no group $4" >&2; exit 1; }
		chown -h "$uid:$gid" "$1"
	fi
	chmod "$2" "$1"
	if [ -n "${5-}" ] && ! setcap "$5" "$1"; then
		echo "$1: as root, run: setcap $5 /${1#./}" >&2
	fi
}
""".strip()

_REMOVE = r"""
# ACTION NAME VERSION UPDATE
[ "$1" = post ] && [ "$4" = no ] || exit 0
umask 022
shell() { # PATH: no longer a shell
	[ -f etc/shells ] || return 0
	cp -p etc/shells etc/.shells.new
	while IFS= read -r line || [ -n "$line" ]; do
		[ "$line" = "$1" ] || printf '%s\n' "$line"
	done <etc/shells >etc/.shells.new
	mv -f etc/.shells.new etc/shells
}
""".strip()

SET_IDS = 0o6000


def install(props: Props, manifest: Manifest) -> bytes:
    """The INSTALL script of a package; empty if its format says everything."""
    accounts = list(_accounts(props.rules))
    places = list(_places(props.rules, manifest))
    shells = [shlex.join(("add", "etc/shells", path)) for path in props.rules.shells]
    if not (accounts or places or shells):
        return b""
    texts = [_INSTALL, *([_ACCOUNTS] if accounts else []), *([_PLACES] if places else [])]
    return _script([*texts, *accounts, *places, *shells])


def remove(props: Props) -> bytes:
    """The REMOVE script of a package. Accounts stay: files of theirs may be anywhere, and numbers are used again."""
    shells = [shlex.join(("shell", path)) for path in props.rules.shells]
    return _script([_REMOVE, *shells]) if shells else b""


def _script(parts: list[str]) -> bytes:
    return "\n".join(["#!/bin/sh", "set -eu", *parts, ""]).encode()


def _accounts(rules: Rules) -> Iterator[str]:
    for one in rules.accounts:
        number = str(number_of(one.name))
        yield shlex.join(("account", one.name, number, one.desc or one.name, one.home, one.shell))
        for group in one.groups:
            yield shlex.join(("member", group, str(number_of(group)), one.name))


def _places(rules: Rules, manifest: Manifest) -> Iterator[str]:
    """Directories that the archive cannot hold as they are, parents first; then files with an owner of their own."""
    owners = {one.path[1:]: one for one in owned(rules)}
    parents = {entry.path.rpartition("/")[0] for entry in manifest.entries}
    for entry in manifest.entries:
        one = owners.get(entry.path, Owned(f"/{entry.path}"))
        usual = entry.mode == 0o755 and entry.path in parents
        if entry.kind is Kind.DIR and (entry.path in owners or not usual):
            yield _line("folder", entry, one)
        elif entry.kind is Kind.FILE and entry.path in owners:
            yield _line("give", entry, one)


def _line(verb: str, entry: Entry, one: Owned) -> str:
    user, group = one.owner.split(":")
    more = (one.capabilities,) if one.capabilities else ()
    return shlex.join((verb, f"./{entry.path}", f"{entry.mode:04o}", user, group, *more))


def owned(rules: Rules) -> Iterator[Owned]:
    """All paths whose owner a template gives."""
    for one in rules.make_dirs:
        user, _, group = one.owner.partition(":")
        yield Owned(one.path, f"{user}:{group or user}")
    yield from rules.owned


def archived_mode(entry: Entry, owners: frozenset[str]) -> int:
    """The mode of a file in the archive: INSTALL gives set-id bits with the owner, never to a file of root before."""
    return entry.mode & ~SET_IDS if entry.path in owners else entry.mode
