"""Looks up what caches have of a plan; nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from xsrc.build.request import BuildRequest
from xsrc.build.steps import BuildPlan, Step
from xsrc.build.taken import without_taken
from xsrc.core.session import Session

if TYPE_CHECKING:
    from xsrc.repo.acts.caches import Offered


def has_caches(session: Session, plan: BuildPlan) -> bool:
    """Whether caches are asked for what a plan builds; the stages of a base are built."""
    return bool(plan.todo and session.settings.caches) and session.stage is None


def with_offers(session: Session, request: BuildRequest, plan: BuildPlan) -> tuple[BuildPlan, Mapping[str, Offered]]:
    """The plan of what is left to build, and by name what would be fetched. Raises HostError as `Caches` does."""
    if not has_caches(session, plan):
        return plan, {}
    from xsrc.repo.acts.caches import Caches  # most users have no caches

    caches, found = Caches(session), dict[str, "Offered"]()

    def take(step: Step) -> bool:
        offered = next(caches.look(step.job.key, step.job.package.outputs), None)
        if offered is not None:
            found[step.name] = offered
        return offered is not None

    return without_taken(plan, request, take), found
