"""Subpackages in a plan: what their source makes must all be there, and who saw one is held to that one alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.build.test_steps import made
from tests.unit.builders import a_package
from xsrc.build.job import Job
from xsrc.build.steps import Built, keeps, otherwise, plan_build
from xsrc.core.outcome import Outcome, Rung
from xsrc.tree.graph import build_closure
from xsrc.tree.package import Package

PARTS = {"z-devel": {"preset": "devel"}, "z-libs": {"preset": "libs"}}
OUTPUTS = ("z-devel-0.5.12_1", "z-libs-0.5.12_1", "z-0.5.12_1")


def known(**more: Any) -> dict[str, Package]:
    """A package with two subpackages, and one that needs the first of them."""
    user = a_package("user", makedepends=["z-devel"])
    return {"z": a_package("z", subpackages=PARTS, **more), "user": replace(user, homes={"z-devel": "z"})}


def built(planned: Mapping[str, Job], **changed: str) -> Built:
    """All of it is built; `changed` gives outcomes other than "1"."""
    keys = {**dict.fromkeys(OUTPUTS, planned["z"].key), "user-0.5.12_1": planned["user"].key}
    return Built(
        keys,
        inputs={"z-0.5.12_1": planned["z"].inputs, "user-0.5.12_1": planned["user"].inputs},
        outcomes={f"{name.replace('_', '-')}-0.5.12_1": Outcome(out) for name, out in changed.items()},
        saw={"user-0.5.12_1": {"z-devel": Outcome("1"), "z-libs": Outcome("1")}},
    )


def test_need_of_a_subpackage_is_one_of_its_source() -> None:
    packages = known()
    assert build_closure(packages["user"], packages) == ("z",)
    assert list(made(packages, "user")) == ["z", "user"]


@pytest.mark.parametrize("part", OUTPUTS[:2])
def test_what_lacks_a_part_is_built_again(part: str) -> None:
    planned = made(known())
    there = built(planned)
    assert not plan_build(planned, ("user", "z"), there).todo
    lost = replace(there, keys={text: key for text, key in there.keys.items() if text != part})
    assert [step.reason for step in plan_build(planned, ("z",), lost).todo] == [f"{part} is not there"]
    other = replace(there, keys={**there.keys, part: "another"})
    assert [step.reason for step in plan_build(planned, ("z",), other).todo] == [f"{part} is of another build"]


def test_user_may_be_built_again_until_it_is_known_what_became_of_the_parts_it_saw() -> None:
    before, after = made(known()), made(known(env={"A": "1"}))
    plan = plan_build(after, ("user",), built(before))
    assert [(step.name, step.because) for step in plan.todo] == [("z", ()), ("user", ("z",))]
    versions = {pkgver.name: pkgver for job in after.values() for pkgver in job.package.outputs}
    same, other = ({"z_devel": "1", "z_libs": "1", "z": "2"}, {"z_devel": "2", "z_libs": "1"})
    assert otherwise(after["user"], built(before, **same), Rung.EXACT, versions) is None
    assert otherwise(after["user"], built(before, **other), Rung.EXACT, versions) == "z-devel: another result"


def test_parts_get_the_key_that_their_source_gets() -> None:
    packages = known()
    planned = made(packages)
    there = built(planned)
    old = replace(there, keys={**there.keys, **dict.fromkeys(OUTPUTS, "old")})
    plan = plan_build(planned, ("z",), old)
    assert [(str(pkgver), key) for pkgver, key in keeps(plan, old)] == [(text, planned["z"].key) for text in OUTPUTS]
