"""The land, its users, a server, and a site for each test that asks for one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.e2e.kit.land import Land, settled
from tests.e2e.kit.server import Server
from tests.e2e.kit.site import Site

# how fast a machine is at the moment is not what is tested
settings.register_profile("any load", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")


def pytest_configure() -> None:
    """Give SIGINT and SIGQUIT their usual effect: a shell's `&` has them ignored, here and in all that is started."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The whole is run side by side, file by file; what is asked for by name is not."""
    return len(os.sched_getaffinity(0)) if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0


PROCESSES = ("e2e", "security", "faults", "browser", "bench")
"""Folders of tests that watch real processes, on a machine that may be busy: one that fails is tried twice more."""
PLACES = ("land", "site", "server")
"""The fixtures of those elsewhere that do so too."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that watch real processes; no other one is tried again."""
    for item in items:
        room = item.path.relative_to(config.rootpath / "tests").parts[0]
        if room in PROCESSES or set(PLACES).intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.flaky(reruns=2))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the fuzzers tried; those of the helpers are in the table of tests/security."""
    passed = terminalreporter.stats.get("passed", ())
    tried = [report for report in passed if "tests/fuzz/" in report.nodeid]
    figures = dict(
        sorted(pair for report in tried for pair in report.user_properties if pair[0].startswith("figure: "))
    )
    if figures:
        terminalreporter.section("what was tried on the host's readers of foreign bytes")
        for name, count in figures.items():
            terminalreporter.line(f"{name.removeprefix('figure: ')}: {count}")
        terminalreporter.line(f"all of them: {sum(map(int, figures.values()))} inputs, {len(figures)} readers")


@pytest.fixture(scope="session")
def land() -> Iterator[Land]:
    """A copy of this checkout below /var/tmp, set up by an ordinary user with `helpers/setup`."""
    with settled() as made:
        made.setup.ok()
        if made.usable:
            pytest.skip(f"nothing can be built here: {made.usable}")
        yield made


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A local HTTP server that fails when it is told to."""
    made = Server()
    yield made
    made.close()


@pytest.fixture(params=["caps", "userns"])
def mode(request: pytest.FixtureRequest, land: Land) -> str:
    """Each mode of isolation in turn."""
    name = str(request.param)
    if reason := land.modes[name]:
        pytest.skip(f"{name}: {reason}")
    return name


@pytest.fixture
def site(land: Land, server: Server, request: pytest.FixtureRequest) -> Site:
    """A tree without templates, and where its masterdir will be; builds use the better mode of this machine."""
    word = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return Site(land, server, land.folder(word))


@pytest.fixture
def site_in_mode(site: Site, mode: str) -> Site:
    """The same in each mode of isolation."""
    site.mode = mode
    return site


@pytest.fixture
def as_root(land: Land) -> Land:
    """The land, where these tests are run by root."""
    if not land.is_root:
        pytest.skip("needs root: a second user, mounts or a look at root's own builds")
    return land
