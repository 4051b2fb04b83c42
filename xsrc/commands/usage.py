"""Says in one line what is wrong with the switches of a command line, and which switch or value may be meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from plumbum import cli
from plumbum.cli.switches import (
    MissingArgument,
    SwitchCombinationError,
    SwitchError,
    UnknownSwitch,
)

from xsrc.core.errors import UsageError
from xsrc.core.schema import nearest

_SWITCH = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")


class Refused(ValueError):
    """A value that a switch does not take: the switch, what it takes, the value, and those that it takes."""

    def __init__(self, switch: str, want: str, value: str, known: Iterable[str]) -> None:
        super().__init__(switch, want, value)
        self.switch, self.want, self.value, self.known = switch, want, value, tuple(known)


def dashed(name: str) -> str:
    """A switch as it is written: `-n`, `--dry-run`."""
    return name if name.startswith("-") else f"{'-' if len(name) == 1 else '--'}{name}"


def refuse_value(name: str, kind: Callable[[str], Any], value: str) -> Refused:
    """The error for a value of a switch that only takes certain ones."""
    if isinstance(kind, cli.Set):
        known = tuple(str(one) for one in kind.values)
        return Refused(dashed(name), f"one of {', '.join(known)}", value, known)
    if isinstance(kind, cli.Range):
        return Refused(dashed(name), f"a number from {kind.start} to {kind.end}", value, ())
    return Refused(dashed(name), "another value", value, ())


def explain(app: cli.Application, error: SwitchError | Refused, words: Sequence[str]) -> UsageError:
    """The error of plumbum in one line, with the nearest switch or value; `words` are those that were read."""
    verb = str(app.PROGNAME).removeprefix("xsrc").strip()
    lead, ask = (f"{verb}: ", f"xsrc help {verb}") if verb else ("", "xsrc help")
    if isinstance(error, Refused):
        message = f"{lead}{error.switch}: want {error.want}, got {error.value!r}"
        return UsageError(message, hint=nearest(error.value, error.known) or ask)
    named = _SWITCH.findall(str(error))
    first = named[0] if named else "a flag"
    if isinstance(error, UnknownSwitch):
        unknown = first if named else str(error).rpartition(" ")[2]
        return UsageError(f"{lead}no flag {unknown}", hint=_near(app, unknown, words) or ask)
    if isinstance(error, MissingArgument):
        takes = app._switches_by_name[first.lstrip("-")].argname
        return UsageError(f"{lead}{first} wants a value: {first} {takes}", hint=ask)
    if isinstance(error, SwitchCombinationError):
        others = [dashed(name) for name in re.findall(r"'([^']+)'", str(error))]
        together = len(named) == 1  # plumbum names a missing switch without its dashes
        how = "goes only with" if together else "does not go with"
        return UsageError(f"{lead}{first} {how} {' and '.join(others)}", hint=ask)
    alone = any(word.startswith(f"{first}=") for word in words) and not app._switches_by_name[first[2:]].argtype
    return UsageError(f"{lead}{first} {'takes no value' if alone else 'is given twice'}", hint=ask)


def _near(app: cli.Application, unknown: str, words: Sequence[str]) -> str | None:
    """What may be meant by an unknown switch: one that is written almost so, or one of the verb that follows."""
    verb = next((word for word in words if word in app._subcommands), None)
    if verb is not None:
        return f"flags of a command follow it: xsrc {verb} {unknown}"
    return nearest(unknown, [dashed(name) for name in app._switches_by_name]) if len(unknown) > 2 else None
