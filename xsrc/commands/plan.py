"""`xsrc plan` and `xsrc why`: the packages to build and the reasons, down to the changed value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from plumbum import cli

from xsrc.build.acts.decide import present, read_jobs
from xsrc.build.acts.words import plan_lines, plan_table
from xsrc.build.explain import reasons
from xsrc.build.steps import plan_build
from xsrc.commands.verb import WithCutoff, WithJobs, WithJson, WithOptions
from xsrc.commands.words import select
from xsrc.core.session import Session
from xsrc.farm.acts.rest import farm_at_rest
from xsrc.tree.acts.closure import homes_of
from xsrc.tree.options import options_by_name
from xsrc.tree.resolve import refusal

_WIDE = 160
"""Characters of a value that are shown."""


class Plan(WithJson, WithOptions, WithCutoff, WithJobs):
    """Print what would be built, in which order and why, and how long that may take"""

    every = cli.Flag(["--all"], help="all packages of the tree")
    force = cli.Flag(["-f", "--force"], help="as if the named ones had to be built again")

    def go(self, session: Session) -> int:
        session = session.over(jobs=self.jobs, cutoff=self.rung)
        given, patterns = select(session, self.given, "plan", every=self.every)
        names = homes_of(session.tree, given)
        words = self.words
        planned = read_jobs(session, names, options_by_name(names, words))
        # as build does with packages that only a pattern names
        names = tuple(name for name in names if name not in patterns or refusal(planned[name].package) is None)
        with farm_at_rest(session) as farm:
            found = present(session.masterdir, farm, planned)
        plan = plan_build(planned, names, found.built, session.settings.cutoff, force=self.force)
        if self.json:
            session.ui.json(plan_table(session, plan))
            return 0
        for line in plan_lines(session, plan, {}):
            session.ui.output(line)
        return 0


class Why(WithJson, WithOptions, WithCutoff):
    """Say why packages would be built: which parts differ from those of the last build"""

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
        if self.json:
            session.ui.json(found)
            return 0
        for name, reason in found.items():
            pkgver = planned[name].package.pkgver
            session.ui.output(f"{pkgver}: {reason['verdict']}")
            for line in _lines(reason):
                session.ui.output(f"  {line}")
        return 0


def _lines(reason: dict[str, Any]) -> Iterator[str]:
    for change in reason["changed"]:
        was, now = change["was"], change["is"]
        if isinstance(was, list) and isinstance(now, list):
            yield f"{change['what']}:"
            yield from (f"  - {_shown(value)}" for value in was if value not in now)
            yield from (f"  + {_shown(value)}" for value in now if value not in was)
        else:
            yield f"{change['what']}: {_shown(was)} -> {_shown(now)}"
    for name, words in reason["needs"].items():
        yield f"{name}: {words}"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
