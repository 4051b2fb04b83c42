"""Decides what is left of a plan if some of its packages are taken from elsewhere in place of being built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from xsrc.build.request import BuildRequest
from xsrc.build.steps import BuildPlan, Step
from xsrc.core.phase import Phase
from xsrc.tree.graph import run_closure


def without_taken(plan: BuildPlan, request: BuildRequest, take: Callable[[Step], bool]) -> BuildPlan:
    """The plan without the builds that are not needed any more; `take` takes a package if it can.

    What is taken needs only what it needs to run. So the requested packages come first, and what a build needs only
    after the build itself could not be taken. What a request wants to be built here is not taken.
    """
    steps = {step.name: step for step in plan.steps}
    whole = request.to is Phase.INSTALL
    own = request.names if request.force or request.reproduce or not whole else ()
    packages = {name: step.job.package for name, step in steps.items()}
    reached = dict.fromkeys(run_closure(plan.requested, packages) if whole else plan.requested, False)
    names = [*reached]
    for name in names:  # which grows meanwhile
        step = steps[name]
        if not step.reason:
            continue
        if name not in own and not step.same_key and take(step):
            reached[name] = True
            continue
        further = [need for need in (*step.within, *step.afterwards) if need not in reached]
        reached.update(dict.fromkeys(further, False))
        names += further
    left = (replace(s, reason=None, because=()) if reached.get(s.name) else s for s in plan.steps)
    return replace(plan, steps=tuple(step for step in left if step.name in reached or not step.reason))
