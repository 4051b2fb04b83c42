"""The table of what each phase may touch, and what is left to do."""

from __future__ import annotations

import pytest

from xsrc.build.phases import ACCESS, remaining
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


def test_tools_and_libraries_are_there_from_extract_on() -> None:
    assert all({Dep.TOOL, Dep.LIB} <= set(ACCESS[phase].depends) for phase in ORDER[1:])


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
