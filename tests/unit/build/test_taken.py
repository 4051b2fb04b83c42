"""What is left of a plan when caches have some of it."""

from __future__ import annotations

from collections.abc import Container

from tests.unit.build.test_steps import made
from tests.unit.builders import packages
from xsrc.build.request import BuildRequest
from xsrc.build.steps import Built, plan_build
from xsrc.build.taken import without_taken
from xsrc.core.phase import Phase

TREE = packages(
    top={"depends": ["lib>=0"], "hostmakedepends": ["tool"]},
    lib={"hostmakedepends": ["tool", "other"]},
    tool={"hostmakedepends": ["other"]},
    other={},
)


def left(offered: Container[str], request: BuildRequest) -> tuple[list[str], list[str]]:
    """What is still built, and what was asked for, in order."""
    plan, asked = plan_build(made(TREE, "top"), request.names, Built(), to=request.to, force=request.force), list[str]()

    def take(name: str) -> bool:
        asked.append(name)
        return name in offered

    return [step.name for step in without_taken(plan, request, lambda step: take(step.name)).todo], sorted(asked)


TOP = BuildRequest(("top",))


def test_what_is_taken_needs_only_what_it_needs_to_run() -> None:
    assert left({"top", "lib", "tool", "other"}, TOP) == ([], ["lib", "top"])
    assert left({"top"}, TOP) == (["other", "tool", "lib"], ["lib", "other", "tool", "top"])
    assert left({"lib", "tool"}, TOP) == (["top"], ["lib", "tool", "top"])
    assert left((), TOP)[0] == ["other", "tool", "top", "lib"]


def test_what_is_to_be_built_here_is_not_taken() -> None:
    everything = {"top", "lib", "tool", "other"}
    for request in (
        BuildRequest(("top",), force=True),
        BuildRequest(("top",), reproduce=True),
        BuildRequest(("top",), to=Phase.BUILD),
    ):
        todo, asked = left(everything, request)
        assert (todo, "top" in asked, "tool" in asked) == (["top"], False, True), request
