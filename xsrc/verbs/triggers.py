"""Runs the triggers of a change in the stowed root, once each, and makes what they left part of the change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from xsrc.effects import destdir
from xsrc.effects.enter import run
from xsrc.effects.made import take
from xsrc.effects.proc import LimitReached, Watch
from xsrc.effects.store import Farm
from xsrc.effects.tree import trigger_texts
from xsrc.errors import XsrcError
from xsrc.model.farm import Change, Member, Op, made_member
from xsrc.model.manifest import Kind
from xsrc.model.pkgver import PkgVer
from xsrc.model.trigger import Trigger, parse_triggers
from xsrc.plan.root import OUT, limited
from xsrc.plan.stow import Request
from xsrc.verbs.context import Context
from xsrc.verbs.planning import plan_change

_NAMED = 10
"""Paths that a warning names one by one."""
_SECONDS = 3600
"""How long a trigger may run where limits.seconds says nothing."""


@cache
def known_triggers() -> dict[str, Trigger]:
    """The triggers that there are, read once."""
    return parse_triggers(trigger_texts())


def fired(add: Iterable[Member], drop: Iterable[Member]) -> tuple[str, ...]:
    """The triggers that concern what goes in or out, and those that it asks for by name."""
    members = (*add, *drop)
    asked = {name for member in members for name in member.rules.triggers}
    known = known_triggers()
    return tuple(
        name
        for name, trigger in known.items()
        if name in asked or any(trigger.concerns(member.places) for member in members)
    )


def with_triggers(context: Context, farm: Farm, change: Change) -> tuple[tuple[Op, ...], Change]:
    """Run the triggers of a change whose operations are done; the operations that follow, and the whole change.

    A trigger that fails is told of, and what it made before stays. Raises OSError.
    """
    known = known_triggers()
    before = farm.made()
    after = dict(before)
    out = {*change.drop, *(PkgVer.parse(text).name for text in change.add)}
    for name in change.fire:
        made: dict[str, tuple[str, str]] | None = {}
        if name in known and farm.concerns(name, known[name].paths, out, change.add):
            made = _run(context, known[name])
        if made is not None:
            after = {path: made_by for path, made_by in after.items() if made_by[0] != name} | made
    if after == before:
        return (), replace(change, fire=())
    request = Request((made_member(after),), (made_member(before),))
    coming = [m for text in change.add if (m := farm.member(PkgVer.parse(text), change.builds.get(text)))]
    plan = plan_change(context, farm, request, coming, change.drop)
    for conflict in plan.conflicts:
        context.ui.warn(f"{conflict}: nothing that triggers made was put there")
    if plan.conflicts:
        return (), replace(change, fire=())
    changed = {path: after.get(path) for path in {*before, *after} if before.get(path) != after.get(path)}
    return plan.ops, replace(change, ops=(*change.ops, *plan.ops), fire=(), made=changed)


def _run(context: Context, trigger: Trigger) -> dict[str, tuple[str, str]] | None:
    """What a trigger makes, by path; None when it failed."""
    folder = context.masterdir.triggers
    out = folder / "out"
    context.remove(folder)
    folder.mkdir(mode=0o700)  # what it makes may be setuid for as long as it runs
    out.mkdir(mode=0o755)
    said: list[bytes] = []
    try:
        sandbox = context.stowed_root(_environment(), "/", out=out)
        limits = context.settings.limits
        argv, watch = limited(("/bin/sh", "-c", trigger.script), limits), Watch.of(limits, _SECONDS)
        code = run(context.helpers, sandbox, argv, said.append, watch=watch)
        words = b"".join(said).decode(errors="replace").strip().splitlines()[-5:]
        if code:
            context.ui.warn(f"trigger {trigger.name} failed with exit code {code}: {' | '.join(words)}")
            return None
        scanned = destdir.scan(out, limits, f"trigger {trigger.name}")
        left = [e for e in scanned.manifest.entries if e.kind is not Kind.DIR]
        wanted = {e.path: e.sha256 for e in left if e.kind is Kind.FILE and trigger.may_make(e.path)}
        _warn_of(context, trigger, [e.path for e in left if e.path not in wanted])
        take(out, wanted, context.masterdir.made)
        return {path: (trigger.name, sha256) for path, sha256 in wanted.items()}
    except LimitReached as error:
        context.ui.warn(f"trigger {trigger.name} was ended: {error}")
        return None
    except XsrcError as error:
        context.ui.warn(f"trigger {trigger.name} could not run: {error.message}")
        return None
    finally:
        context.remove(folder)


def _warn_of(context: Context, trigger: Trigger, refused: list[str]) -> None:
    """Name what a trigger made and does not declare."""
    for path in refused[:_NAMED]:
        declared = ", ".join(trigger.makes)
        context.ui.warn(f"trigger {trigger.name}: /{path}: left out, for it declares to make files {declared} only")
    if len(refused) > _NAMED:
        context.ui.warn(f"trigger {trigger.name}: {len(refused) - _NAMED} more such paths")


def _environment() -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/usr/sbin:/bin:/sbin",
        "HOME": "/tmp",  # noqa: S108 - the sandbox's own
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": "0",
        "OUT": f"/{OUT}",
    }
