"""`xsrc plan` and `xsrc why`: what would be built and for which reason, down to the value that was changed."""

from __future__ import annotations

import json as reader
from collections.abc import Iterator
from typing import Any

from plumbum import cli

from xsrc.model.buildkey import DEPENDS, difference
from xsrc.model.outcome import Rung, same
from xsrc.model.outcome import difference as outcome_difference
from xsrc.model.package import pkgvers
from xsrc.plan.build import BuildPlan, Built
from xsrc.plan.jobs import Job
from xsrc.plan.resolve import refusal
from xsrc.verbs.context import Context
from xsrc.verbs.deciding import make_plan, read_jobs, what_is_built
from xsrc.verbs.options import options_by_name, split_options
from xsrc.verbs.select import select
from xsrc.verbs.showing import plan_lines, plan_table
from xsrc.verbs.verb import Verb

_WIDE = 160
"""Characters of a value that are shown."""


class Plan(Verb):
    """Print what would be built, in which order and why, and how long that may take"""

    json = cli.Flag(["--json"], help="print JSON")
    every = cli.Flag(["--all"], help="all packages of the tree")
    force = cli.Flag(["-f", "--force"], help="as if the named ones had to be built again")
    cutoff = cli.SwitchAttr(["--cutoff"], cli.Set(*Rung), argname="RUNG", help="as build --cutoff")
    jobs = cli.SwitchAttr(["-j", "--jobs"], cli.Range(1, 4096), argname="N", help="as build -j")
    options = cli.SwitchAttr(["-o", "--options"], str, list=True, argname="OPT", help="options on or ~off")

    def go(self, context: Context) -> int:
        context.override(jobs=self.jobs, cutoff=Rung(str(self.cutoff)) if self.cutoff else None)
        given, patterns = select(context, self.given, "plan", every=self.every)
        names = context.homes(given)
        words = tuple(word for text in self.options for word in split_options(text))
        planned = read_jobs(context, names, options_by_name(names, words))
        # as build does with what only a pattern stands for
        names = tuple(name for name in names if name not in patterns or refusal(planned[name].package) is None)
        with context.farm_to_read() as farm:
            plan = make_plan(context, farm, planned, names, force=self.force, look=True)
        if self.json:
            context.ui.json(plan_table(context, plan))
            return 0
        for line in plan_lines(context, plan, {}):
            context.ui.output(line)
        return 0


class Why(Verb):
    """Say why packages would be built: which parts differ from those of the last build"""

    json = cli.Flag(["--json"], help="print JSON")
    cutoff = cli.SwitchAttr(["--cutoff"], cli.Set(*Rung), argname="RUNG", help="as build --cutoff")
    options = cli.SwitchAttr(["-o", "--options"], str, list=True, argname="OPT", help="options on or ~off")

    def go(self, context: Context) -> int:
        context.override(cutoff=Rung(str(self.cutoff)) if self.cutoff else None)
        names = context.homes(select(context, self.given, "why")[0])
        words = tuple(word for text in self.options for word in split_options(text))
        planned = read_jobs(context, names, options_by_name(names, words))
        with context.farm_to_read() as farm:
            plan = make_plan(context, farm, planned, names, force=False, look=True)
            built = what_is_built(context, farm, planned)
            stored = {name: farm.props(planned[name].package.pkgver) for name in names}
        found = {}
        for name in names:
            props = stored[name]
            found[name] = reasons(planned[name], props.preimage if props else None, plan, built, planned)
        if self.json:
            context.ui.json(found)
            return 0
        for name, reason in found.items():
            pkgver = planned[name].package.pkgver
            context.ui.output(f"{pkgver}: {reason['verdict']}")
            for line in _lines(reason):
                context.ui.output(f"  {line}")
        return 0


def reasons(job: Job, stored: str | None, plan: BuildPlan, built: Built, planned: dict[str, Job]) -> dict[str, Any]:
    """What differs from the last build of a package: of itself, and of what stood in its build root."""
    step = next(step for step in plan.steps if step.name == job.name)
    verdict = "up to date" if step.reason is None else ("may be built: " if step.because else "") + step.reason
    result: dict[str, Any] = {"verdict": verdict, "key": job.key, "changed": [], "needs": {}}
    if stored is None:
        return result
    for path, old, new in difference(stored, job.preimage):
        if not path.startswith(DEPENDS):
            result["changed"].append({"what": path, "was": old, "is": new})
    steps = {part.name: other for other in plan.steps for part in other.job.package.outputs}
    versions = pkgvers(other.package for other in planned.values())
    before = reader.loads(stored).get(DEPENDS, {}) if stored else {}
    for name, saw in built.saw.get(str(job.package.pkgver), {}).items():
        now = built.outcomes.get(str(versions[name])) if name in versions else None
        if name in steps and steps[name].reason:
            result["needs"][name] = f"is to be built: {steps[name].reason}"
        elif now is not None and saw.exact != now.exact:
            enough = " (which is enough)" if same(plan.rung, saw, now) else ""
            result["needs"][name] = f"{outcome_difference(saw, now)}{enough}"
        elif name in before and before[name] != reader.loads(job.preimage)[DEPENDS].get(name):
            result["needs"][name] = "other key, same result (which is enough)"
    return result


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
    text = "nothing" if value is None else reader.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
