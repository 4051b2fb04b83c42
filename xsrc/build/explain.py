"""Explains why a package is built: the differences from its last build."""

from __future__ import annotations

import json
from typing import Any

from xsrc.build.job import Job
from xsrc.build.key import DEPENDS, difference
from xsrc.build.steps import BuildPlan, Built
from xsrc.core.outcome import difference as outcome_difference
from xsrc.core.outcome import same
from xsrc.tree.package import pkgvers


def reasons(job: Job, stored: str | None, plan: BuildPlan, built: Built, planned: dict[str, Job]) -> dict[str, Any]:
    """The differences from the last build of a package: in its own inputs, and in its build root."""
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
    before = json.loads(stored).get(DEPENDS, {}) if stored else {}
    for name, saw in built.saw.get(str(job.package.pkgver), {}).items():
        now = built.outcomes.get(str(versions[name])) if name in versions else None
        if name in steps and steps[name].reason:
            result["needs"][name] = f"is to be built: {steps[name].reason}"
        elif now is not None and saw.exact != now.exact:
            enough = " (which is enough)" if same(plan.rung, saw, now) else ""
            result["needs"][name] = f"{outcome_difference(saw, now)}{enough}"
        elif name in before and before[name] != json.loads(job.preimage)[DEPENDS].get(name):
            result["needs"][name] = "other key, same result (which is enough)"
    return result
