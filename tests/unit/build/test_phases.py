"""The table of what each phase may touch, and what is left to do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.builders import a_job, packages
from xsrc.build.job import jobs
from xsrc.build.phases import ACCESS, kinds, kinds_up_to, remaining, still_done
from xsrc.core.dep import Dep
from xsrc.core.phase import ORDER, Phase
from xsrc.tree.format import PHASES


def test_phases_in_their_order() -> None:
    assert [str(phase) for phase in ORDER] == ["fetch", *PHASES]
    assert [phase.number for phase in ORDER] == list(range(7))


def test_every_phase_has_its_row() -> None:
    assert set(ACCESS) == set(Phase)


def test_network_in_fetch_only() -> None:
    assert {phase for phase in Phase if ACCESS[phase].network} == {Phase.FETCH}


def test_destdir_in_install_only() -> None:
    assert {phase for phase in Phase if ACCESS[phase].destdir} == {Phase.INSTALL}


def test_fetch_touches_no_sources_and_sees_no_package() -> None:
    assert not ACCESS[Phase.FETCH].wrksrc
    assert ACCESS[Phase.FETCH].depends == ()


def test_what_only_the_tests_need_is_there_for_the_tests_only() -> None:
    assert {phase for phase in Phase if Dep.CHECK in ACCESS[phase].depends} == {Phase.CHECK}


def test_no_phase_sees_what_is_needed_to_run() -> None:
    assert not any(Dep.RUN in access.depends for access in ACCESS.values())


def test_tools_and_libraries_are_there_from_configure_on() -> None:
    assert all({Dep.TOOL, Dep.LIB} <= set(ACCESS[phase].depends) for phase in ORDER[Phase.CONFIGURE.number :])


def test_sources_take_no_package_but_for_scripts_of_the_template() -> None:
    assert kinds_up_to(Phase.PATCH, ()) == ()
    assert kinds_up_to(Phase.PATCH, ("post_extract", "do_build")) == (Dep.TOOL,)
    assert kinds(Phase.EXTRACT, ("post_patch",)) == ()
    assert kinds_up_to(Phase.CONFIGURE, ()) == (Dep.TOOL, Dep.LIB)
    assert set(kinds_up_to(Phase.INSTALL, ())) == {Dep.TOOL, Dep.LIB, Dep.CHECK}
    assert kinds_up_to(Phase.INSTALL, (), tested=False) == (Dep.TOOL, Dep.LIB)


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ACCESS[Phase.BUILD] = ACCESS[Phase.FETCH]  # type: ignore[index]


@pytest.mark.parametrize(
    ("done", "to", "want"),
    [
        ((), Phase.FETCH, (Phase.FETCH,)),
        ((), Phase.PATCH, (Phase.FETCH, Phase.EXTRACT, Phase.PATCH)),
        (ORDER[:2], Phase.PATCH, (Phase.PATCH,)),
        (ORDER[:5], Phase.INSTALL, (Phase.CHECK, Phase.INSTALL)),
        (ORDER[:3], Phase.EXTRACT, ()),
        (ORDER, Phase.INSTALL, ()),
        ((*ORDER[:5], Phase.INSTALL), Phase.INSTALL, (Phase.CHECK,)),
    ],
)
def test_remaining(done: tuple[Phase, ...], to: Phase, want: tuple[Phase, ...]) -> None:
    assert remaining(done, to) == want


def test_what_counts_of_a_build_whose_template_changed() -> None:
    done, was = ORDER[:6], {Phase.BUILD: "b", Phase.CHECK: "c"}
    assert still_done(done, was, was) == done
    assert still_done(ORDER, was, was) == done, "the result is made anew"
    assert still_done(done, was, {**was, Phase.CHECK: "x"}) == ORDER[:5], "the tests run again"
    assert still_done(done, was, {**was, Phase.BUILD: "x"}) == ()
    assert still_done(ORDER[:5], was, was) == ORDER[:5]
    assert still_done(ORDER[:4], was, was) == (), "no phase is repeated on remains of its own"
    assert still_done(done, {}, was) == ()


BASE = {"make_check_args": ["A=1"], "configure_args": ["--a"], "install": {"bin": ["x"]}}
CHANGES: dict[str, tuple[dict[str, Any], set[Phase]]] = {
    "make_check": ({"make_check": "no tests"}, {Phase.CHECK}),
    "check args": ({"make_check_args": ["A=2"]}, {Phase.CHECK}),
    "check script": ({"phases": {"do_check": ":"}}, {Phase.CHECK}),
    "install": ({"install": {"bin": ["y"]}}, set()),
    "install script": ({"phases": {"post_install": ":"}}, set()),
    "subpackages": ({"subpackages": {"dash-doc": {"files": ["usr/share/doc"]}}}, set()),
    "configure": ({"configure_args": ["--b"]}, {Phase.BUILD, Phase.CHECK}),
    "build script": ({"phases": {"post_build": ":"}}, {Phase.BUILD, Phase.CHECK}),
    "flags": ({"flags": {"CFLAGS": "-g"}}, {Phase.BUILD, Phase.CHECK}),
    "prose": ({"short_desc": "Other words"}, set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_keys_of_phases_have_what_a_phase_can_see(change: str) -> None:
    keys, differ = CHANGES[change]
    was, now = a_job(**BASE).phase_keys, a_job(**{**BASE, **keys}).phase_keys
    assert {phase for phase in was if was[phase] != now[phase]} == differ


def test_needs_count_for_the_phases_that_see_them() -> None:
    def keys(version: str, kind: str) -> dict[Phase, str]:
        every = packages(dash={kind: ["m4"]}, m4={"version": version})
        ground = a_job().ground
        return jobs(every, ["dash"], ground)["dash"].phase_keys

    for kind, differ in (
        ("makedepends", {Phase.BUILD, Phase.CHECK}),
        ("checkdepends", {Phase.CHECK}),
        ("depends", set()),
    ):
        was, now = keys("1", kind), keys("2", kind)
        assert {phase for phase in was if was[phase] != now[phase]} == differ
