"""helpers/setup, as an ordinary user who may not become root."""

from __future__ import annotations

from tests.e2e.conftest import launcher
from tests.e2e.kit.land import HELPERS, Land


def test_it_made_all_that_is_needed(land: Land) -> None:
    land.setup.ok()
    assert land.setup.out.splitlines()[-1].startswith("setup: ready")
    venv = land.clone / ".venv"
    assert {path.stat().st_uid for path in (venv, venv / "bin/python", venv / ".setup")} <= {land.user.uid, 0}
    assert venv.stat().st_uid == land.user.uid


def test_it_says_what_builds_will_use(land: Land) -> None:
    if land.modes["caps"] is None:
        assert f"builds use the helpers in {HELPERS}" in land.setup.out or "user namespace" in land.setup.out
    else:
        assert "builds use a user namespace" in land.setup.out


def test_once_more_it_does_nothing(land: Land) -> None:
    again = land.run("helpers/setup", cwd=land.clone).ok()
    assert "making" not in again.out and "installing" not in again.out and "wrote" not in again.out


def test_unknown_argument_and_help(land: Land) -> None:
    land.run("helpers/setup", "--nonsense", cwd=land.clone).ended(2, "unknown argument: --nonsense", "usage:")
    assert "--test" in land.run("helpers/setup", "--help", cwd=land.clone).ok().out


def test_launcher_runs_the_checkout_one_is_in(land: Land) -> None:
    program = launcher(land)
    assert land.run(program, "show", "dash", "version", cwd=land.clone / "templates").ok().out == "0.5.12\n"
    here = land.run(program, "show", "version", cwd=land.clone / "templates/dash").ok()
    assert here.out == "0.5.12\n"


def test_launcher_does_not_run_the_code_of_somebody_else(as_root: Land) -> None:
    assert as_root.stranger is not None
    program = launcher(as_root)
    result = as_root.run(program, "list", cwd=as_root.clone, user=as_root.stranger)
    assert f"{as_root.clone} belongs to another user and is not used" in result.err
    assert "Traceback" not in result.err
