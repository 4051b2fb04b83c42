"""Runs the triggers of a change in the stowed root, once each, and adds their files to the change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from xsrc.core.errors import XsrcError
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.core.ui import Ui
from xsrc.farm.acts.change import plan_change
from xsrc.farm.acts.masterdir import stowed_root
from xsrc.farm.disk.database import Farm
from xsrc.farm.disk.made import take
from xsrc.farm.place import Change, Member, Op, made_member
from xsrc.farm.stow import StowRequest
from xsrc.farm.trigger import Trigger, parse_triggers
from xsrc.sandbox.acts.helpers import helpers_of
from xsrc.sandbox.disk.enter import run
from xsrc.sandbox.environment import SCRIPTS
from xsrc.sandbox.roots import OUT, limited
from xsrc.store.disk import scan
from xsrc.store.manifest import Kind
from xsrc.unix.process import LimitReached, Watch
from xsrc.unix.program import trigger_texts
from xsrc.unix.trees import make_folder, remove_tree

_NAMED = 10
"""Paths that a warning names one by one."""
_SECONDS = 3600
"""How long a trigger may run if limits.seconds is not set."""


@cache
def known_triggers() -> dict[str, Trigger]:
    """All triggers, read once."""
    return parse_triggers(trigger_texts())


def fired(add: Iterable[Member], drop: Iterable[Member]) -> tuple[str, ...]:
    """The triggers for the packages that go in or out: by their paths, or by name."""
    members = (*add, *drop)
    asked = {name for member in members for name in member.rules.triggers}
    known = known_triggers()
    return tuple(
        name
        for name, trigger in known.items()
        if name in asked or any(trigger.concerns(member.places) for member in members)
    )


def with_triggers(session: Session, farm: Farm, change: Change) -> tuple[tuple[Op, ...], Change]:
    """Run the triggers of a change whose operations are done; return the operations that follow, and the whole change.

    If a trigger fails, report it and keep the files that it made before. Raises OSError.
    """
    known = known_triggers()
    before = farm.made()
    after = dict(before)
    out = {*change.drop, *(PkgVer.parse(text).name for text in change.add)}
    for name in change.fire:
        made: dict[str, tuple[str, str]] | None = {}
        if name in known and farm.concerns(name, known[name].paths, out, change.add):
            made = _run(session, known[name])
        if made is not None:
            after = {path: made_by for path, made_by in after.items() if made_by[0] != name} | made
    if after == before:
        return (), replace(change, fire=())
    request = StowRequest((made_member(after),), (made_member(before),))
    coming = [m for text in change.add if (m := farm.member(PkgVer.parse(text), change.builds.get(text)))]
    plan = plan_change(session, farm, request, coming, change.drop)
    for conflict in plan.conflicts:
        session.ui.warn(f"{conflict}: nothing that triggers made was put there")
    if plan.conflicts:
        return (), replace(change, fire=())
    changed = {path: after.get(path) for path in {*before, *after} if before.get(path) != after.get(path)}
    return plan.ops, replace(change, ops=(*change.ops, *plan.ops), fire=(), made=changed)


def _run(session: Session, trigger: Trigger) -> dict[str, tuple[str, str]] | None:
    """The files of a trigger, by path; None if it failed."""
    folder = session.masterdir.triggers
    out = folder / "out"
    remove_tree(folder)
    make_folder(folder, 0o700)  # what it makes may be setuid for as long as it runs
    out.mkdir(mode=0o755)
    said: list[bytes] = []
    try:
        sandbox = stowed_root(session, _environment(), "/", out=out)
        limits = session.settings.limits
        argv, watch = limited(("/bin/sh", "-c", trigger.script), limits), Watch.of(limits, _SECONDS)
        code = run(helpers_of(session), sandbox, argv, said.append, watch=watch)
        words = b"".join(said).decode(errors="replace").strip().splitlines()[-5:]
        if code:
            session.ui.warn(f"trigger {trigger.name} failed with exit code {code}: {' | '.join(words)}")
            return None
        scanned = scan.scan(out, limits, f"trigger {trigger.name}")
        left = [e for e in scanned.manifest.entries if e.kind is not Kind.DIR]
        wanted = {e.path: e.sha256 for e in left if e.kind is Kind.FILE and trigger.may_make(e.path)}
        _warn_of(session.ui, trigger, [e.path for e in left if e.path not in wanted])
        take(out, wanted, session.masterdir.made)
        return {path: (trigger.name, sha256) for path, sha256 in wanted.items()}
    except LimitReached as error:
        session.ui.warn(f"trigger {trigger.name} was ended: {error}")
        return None
    except XsrcError as error:
        session.ui.warn(f"trigger {trigger.name} could not run: {error.message}")
        return None
    finally:
        remove_tree(folder)


def _warn_of(ui: Ui, trigger: Trigger, refused: list[str]) -> None:
    """Name the files that a trigger made and does not declare."""
    for path in refused[:_NAMED]:
        declared = ", ".join(trigger.makes)
        ui.warn(f"trigger {trigger.name}: /{path}: left out, for it declares to make files {declared} only")
    if len(refused) > _NAMED:
        ui.warn(f"trigger {trigger.name}: {len(refused) - _NAMED} more such paths")


def _environment() -> dict[str, str]:
    return {**SCRIPTS, "SOURCE_DATE_EPOCH": "0", "OUT": f"/{OUT}"}
