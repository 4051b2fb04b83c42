"""helpers/setup, as an ordinary user who may not become root; and the locks of the Python packages that it installs."""

from __future__ import annotations

import re
import shutil
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.e2e.conftest import launcher
from tests.e2e.kit.land import CHECKOUT, HELPERS, Land, copy_checkout


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


@pytest.fixture
def other(land: Land) -> Path:
    """A second checkout of P's, not set up."""
    clone = land.folder("other") / "clone"
    copy_checkout(clone)
    return land.own(clone)


def test_a_package_with_another_checksum_is_not_installed(land: Land, other: Path) -> None:
    lock = other / "helpers/plain.lock"
    lock.write_text(re.sub(r"(toml==.*\n.*sha256:).{64}", r"\g<1>" + "0" * 64, lock.read_text()))
    done = land.run("helpers/setup", "--no-root", cwd=other)
    done.ended(1, "setup: FAILED: pip could not install", "THESE PACKAGES DO NOT MATCH THE HASHES")
    assert not list(other.glob(".venv/lib/python*/site-packages/toml"))
    assert not (other / ".venv/.setup").exists(), "it would be taken for whole"


def test_the_callers_python_settings_choose_no_code(land: Land, other: Path) -> None:
    evil = land.folder("evil")
    mark = evil / "mark"
    for name in ("sitecustomize", "usercustomize", "pip", "venv", "setuptools", "flit_core", "plumbum"):
        (evil / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write({name!r})\n")
    land.own(evil)
    shutil.copytree(evil, other, dirs_exist_ok=True)  # what stands in the current directory is not imported either
    land.own(other)
    land.run("helpers/setup", "--no-root", cwd=other, env={"PYTHONPATH": str(evil), "PYTHONSTARTUP": str(evil)}).ok()
    assert land.run(launcher(land), "list", cwd=other, env={"PYTHONPATH": str(evil)}).ok().out == ""
    assert not mark.exists(), mark.read_text()


LOCKS = ("build", "plain", "test")


def locked(name: str) -> dict[str, str]:
    """The packages of a lock and their versions; each has a checksum."""
    text = (CHECKOUT / f"helpers/{name}.lock").read_text()
    row = r"([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
    assert re.sub(row, "", text).startswith("# Written by helpers/setup --lock")
    assert len(re.sub(row, "", text).splitlines()) == 1, "want nothing but versions with checksums"
    return {found[1]: found[2] for found in re.finditer(row, text)}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_address(name: str) -> None:
    assert locked(name)
    assert "//" not in (CHECKOUT / f"helpers/{name}.lock").read_text()


def test_locks_have_what_pyproject_asks_for() -> None:
    """After a change of its dependencies run helpers/setup --lock."""
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    plain, test = settings["project"]["dependencies"], settings["project"]["optional-dependencies"]["test"]
    for lock, wanted in (("build", settings["build-system"]["requires"]), ("plain", plain), ("test", plain + test)):
        versions = locked(lock)
        for need in map(Requirement, wanted):
            found = versions.get(canonicalize_name(need.name))
            assert found is not None, f"helpers/{lock}.lock has no {need}"
            assert need.specifier.contains(found), f"helpers/{lock}.lock: want {need}, found {found}"


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_have_what_their_packages_need(lock: str) -> None:
    versions = locked(lock)
    for name, version in versions.items():
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            pytest.fail(f"{name} is not installed: run helpers/setup --test")
        assert package.version == version, f"{name}: run helpers/setup --test"
        for need in map(Requirement, package.requires or ()):
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonicalize_name(need.name) in versions, f"{name} needs {need}"


def test_the_same_package_has_one_version_in_all_locks() -> None:
    assert locked("plain").items() <= locked("test").items()
