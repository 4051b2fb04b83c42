"""The base of a session, and the machine types that follow from it."""

from __future__ import annotations

import contextlib
from functools import cache
from pathlib import Path

from xsrc.base.disk.essential import view
from xsrc.base.disk.host import base_at, host_base
from xsrc.core.arch import Arch, Machine
from xsrc.core.base import HOST, Base
from xsrc.core.errors import HostError, UsageError
from xsrc.core.session import Session
from xsrc.unix import machine


def chosen_base(session: Session, *, use: bool = True) -> Base:
    """The base that was chosen by flag, by XSRC_BASE or in the settings; without `use` it can be looked at only.

    Raises UsageError for a missing base and an ambiguous choice, HostError for an unsuitable one, ConflictError while
    another xsrc replaces or removes the base.
    """
    if session.stage is not None:
        return session.stage.base
    wish = _wish(session)
    return this_machine(session, use=use) if wish == HOST else _base(wish, session.bases, session.mark)


def _wish(session: Session) -> str:
    return session.flags.base or session.host.env.get("XSRC_BASE") or session.settings.base


def base_name(session: Session) -> str:
    """The name of the base that was chosen. Raises as `chosen_base` does."""
    return HOST if session.stage is None and _wish(session) == HOST else chosen_base(session).name


def this_machine(session: Session, *, use: bool = True) -> Base:
    """The base `host`. Where there is no masterdir yet, it can be looked at, not used. Raises HostError.

    Without `use` nothing is written for it: a command that reads may have no right to.
    """
    return _host(session.masterdir.bases, use and session.masterdir.farm.exists(), session.mark)


@cache
def _host(folder: Path, made: bool, mark: object) -> Base:
    return host_base(machine.arch(), view(folder, make=made))


@cache
def _base(wish: str, bases: Path, mark: object) -> Base:
    here = machine.arch()
    # what only some commands ask for is imported where it is asked for: each such module costs every other one's start
    # 1 to 3 ms
    from xsrc.base.disk import shelf

    record = shelf.choose(wish, bases)
    if record.machine != here.machine:
        raise HostError(f"{record.name} is a base for {record.arch}, this machine is {here.name}")
    folder = bases / record.name
    shelf.hold(folder)
    return base_at(folder, record.name, Arch.named(record.arch), {"tree": record.digest})


def exists(session: Session, name: str) -> bool:
    """Whether there is a base of this name; if so, tell the user."""
    from xsrc.base.disk import shelf

    record = next((record for record in shelf.every(session.bases) if record.name == name), None)
    if record is not None:
        session.ui.note(f"{record.summary}: there already (-f makes it again)")
    return record is not None


def chosen_arch(session: Session) -> Arch:
    """The machine type to build for: that of the base, or of this machine if there is no base yet.

    Raises HostError for an unknown type of this machine, and ConflictError as `chosen_base` does.
    """
    if session.stage is not None:
        return session.stage.arch
    if _wish(session) == HOST:
        return machine.arch()
    with contextlib.suppress(HostError, UsageError):  # a command that needs the base reports it
        return chosen_base(session).arch
    return machine.arch()


def chosen_machine(session: Session) -> Machine:
    """The machine types to build for and on; tools of a cross build are for the machine that runs them.

    Raises HostError and ConflictError as `chosen_arch` does.
    """
    arch = chosen_arch(session)
    if session.stage is None:
        return Machine(arch, arch)
    return Machine(arch, session.stage.base.arch, session.stage.number)
