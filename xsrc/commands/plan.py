"""`xsrc plan` and `xsrc why`: the packages to build and the reasons, down to the changed value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from plumbum import cli

from xsrc.build.acts.decide import present, read_jobs
from xsrc.build.acts.offers import with_offers
from xsrc.build.acts.words import plan_lines, plan_table
from xsrc.build.disk.work import read_state
from xsrc.build.explain import reasons
from xsrc.build.job import Job
from xsrc.build.phases import remaining, still_done
from xsrc.build.request import BuildRequest
from xsrc.build.steps import plan_build
from xsrc.commands.verb import NAMES, WithBase, WithCaches, WithCutoff, WithJobs, WithJson, WithOptions
from xsrc.commands.words import select
from xsrc.core.layout import Masterdir
from xsrc.core.phase import Phase
from xsrc.core.session import Session
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.tree.acts.closure import homes_of
from xsrc.tree.options import options_by_name
from xsrc.tree.resolve import refusal

_WIDE = 160
"""Characters of a value that are shown."""
_BEFORE = 40
"""Characters that are shown before a difference."""


class Plan(WithJson, WithOptions, WithCutoff, WithCaches, WithJobs, WithBase):
    """Print what would be built, in which order and why, and how long that may take"""

    takes = NAMES
    example = "plan git:main.."
    more = "selectors rebuild"

    every = cli.Flag(["--all"], help="all packages of the tree")
    force = cli.Flag(["-f", "--force"], help="as if the named ones had to be built again")

    def go(self, session: Session) -> int:
        session = session.over(jobs=self.jobs, cutoff=self.rung, caches=self.caches)
        given, patterns = select(session, self.given, "plan", every=self.every)
        names = homes_of(session.tree, given)
        words = self.words
        planned = read_jobs(session, names, options_by_name(names, words))
        # as build does with packages that only a pattern names
        names = tuple(name for name in names if name not in patterns or refusal(planned[name].package) is None)
        with farm_at_rest(session) as farm:
            found = present(session.masterdir, farm, planned)
        plan = plan_build(planned, names, found.built, session.settings.cutoff, force=self.force)
        plan, offers = with_offers(session, BuildRequest(names, force=self.force), plan)
        if self.json:
            session.ui.json(plan_table(session, plan, offers))
            return 0
        for line in plan_lines(session, plan, {}, offers):
            session.ui.output(line)
        return 0


class Why(WithJson, WithOptions, WithCutoff, WithBase):
    """Say why packages would be built: which parts differ from those of the last build"""

    takes = NAMES
    example = "why dash"
    more = "rebuild"

    def go(self, session: Session) -> int:
        session = session.over(cutoff=self.rung)
        names = homes_of(session.tree, select(session, self.given, "why")[0])
        words = self.words
        planned = read_jobs(session, names, options_by_name(names, words))
        with farm_at_rest(session) as farm:
            built = present(session.masterdir, farm, planned).built
            stored = {name: farm.props(planned[name].package.pkgver) for name in names}
        plan = plan_build(planned, names, built, session.settings.cutoff)
        found = {}
        for name in names:
            props = stored[name]
            found[name] = reasons(planned[name], props.preimage if props else None, plan, built, planned)
            found[name]["continues"] = _continues(session.masterdir, planned[name])
        if self.json:
            session.ui.json(found)
            return 0
        for name, reason in found.items():
            pkgver = planned[name].package.pkgver
            session.ui.output(f"{pkgver}: {reason['verdict']}")
            if reason["continues"]:
                session.ui.output(f"  a work directory is there: it continues at {reason['continues']}")
            for line in _lines(reason):
                session.ui.output(f"  {line}")
        return 0


def _continues(masterdir: Masterdir, job: Job) -> str:
    """The phase at which the next build would begin, if a work directory has any that count; else ""."""
    state = read_state(masterdir.work(job.package.pkgver))
    if state is None or state.running:
        return ""
    done = state.done if state.key == job.key else still_done(state.done, state.keys, job.phase_keys)
    todo = remaining(done, Phase.INSTALL)
    return str(todo[0]) if done and todo else ""


def _lines(reason: dict[str, Any]) -> Iterator[str]:
    for change in reason["changed"]:
        was, now = change["was"], change["is"]
        if isinstance(was, list) and isinstance(now, list):
            yield f"{change['what']}:"
            gone, new = [value for value in was if value not in now], [value for value in now if value not in was]
            pairs = [_shown(*pair) if None not in pair else tuple(map(_one, pair)) for pair in zip_longest(gone, new)]
            yield from (f"  - {text}" for _, (text, _) in zip(gone, pairs, strict=False))
            yield from (f"  + {text}" for _, (_, text) in zip(new, pairs, strict=False))
        else:
            yield f"{change['what']}: {' -> '.join(_shown(was, now))}"
    for name, words in reason["needs"].items():
        yield f"{name}: {words}"


def _shown(was: Any, now: Any) -> tuple[str, str]:
    """Two values in words; of long ones, the part where they begin to differ."""
    texts = _text(was), _text(now)
    same = _same(*texts) if max(map(len, texts)) > _WIDE else 0
    before, after = (_cut(text, max(0, same - _BEFORE)) for text in texts)
    return before, after


def _same(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _one(value: Any) -> str:
    return _cut(_text(value), 0)


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _cut(text: str, start: int) -> str:
    end = start + _WIDE
    return f"{'…' if start else ''}{text[start:end]}{'…' if end < len(text) else ''}"
