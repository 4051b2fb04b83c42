"""Runs each program of attacks/ as an ordinary user against both modes; it prints SAFE, RISK or ERROR."""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.security.conftest import race_seconds
from tests.security.kit import builds
from tests.security.kit.box import Box, Done, file, folder, run_as
from tests.security.kit.people import Person, as_person, as_root
from tests.security.kit.plans import sandboxes
from tests.security.kit.scratch import scratch
from tests.security.kit.stage import NEEDS_ROOT
from xsrc.build.disk import work
from xsrc.core.layout import WorkDir

ATTACKS = sorted(path.stem for path in (builds.SECURITY / "attacks").glob("*.py") if path.stem != "lib")
COVERED = {"over_mount", "rename_over_mount"}
"""Those for which root covers a part of a folder of the attacker's."""
ALONE = COVERED | {"forged_su_hard_link", "setuid_left_behind"}
"""What an ordinary user cannot set up alone."""


@contextlib.contextmanager
def world(box: Box, attack: str) -> Iterator[Path]:
    """The file that tells an attack where it is and what it may use."""
    setuid = box.stage.libexec / f"linked-{box.place.name}"
    facts = {
        "mode": box.helper.mode,
        "mount": str(box.helper.mount),
        "chroot": str(box.helper.chroot),
        "flag": box.helper.flag,
        "options": ["-T", "16", *box.options()],
        "root": str(box.root),
        "place": str(box.place),
        "kit": str(box.stage.kit),
        "tree": str(builds.TREE),
        "seconds": race_seconds() / 4,
        "covered": as_root(),
        "setuid": str(setuid) if as_root() else "",
    }
    if attack == "forged_su_hard_link" and as_root():
        folder(setuid, box.person)
        builds.put(box.stage.kit / "ids", setuid / "suid", 0o4755)
        builds.put(box.stage.kit / "ids", box.root / "suid", 0o4755)
    if attack in COVERED:
        folder(box.place / "covered", box.person)
        folder(box.place / "covered/inner", box.person)
        file(box.place / "covered/inner/secret", box.person, "hidden")
    if attack == "setuid_left_behind":
        made = WorkDir(box.place / "hostile-1.0")
        as_person(box.person, lambda: work.renew(made))
        facts["workdir"] = str(made.path)
    if attack == "sockets_in_sight":
        sandbox = sandboxes(box)["install"]
        argv = sandbox.argv(box.helper.mount, ("/usr/bin/python3", "-I", "-S"), userns=box.helper.userns)
        facts |= {"xsrc": argv, "home": str(box.place / "home")}
    told = file(box.place / "world.json", box.person, json.dumps(facts))
    try:
        yield told
    finally:
        shutil.rmtree(setuid, ignore_errors=True)


def judge(done: Done) -> None:
    answer, _, why = done.out.strip().rpartition("\n")[2].partition("\t")
    assert answer == "SAFE", f"{answer} {why}\n{done}"


@pytest.mark.parametrize("attack", ATTACKS)
def test_attack(box: Box, attack: str) -> None:
    if attack in ALONE and not as_root():
        pytest.skip(NEEDS_ROOT)
    if attack == "core_handler" and resource.getrlimit(resource.RLIMIT_CORE)[1] == 0:
        pytest.skip("the hard limit of core files is 0 here already; nobody but root can raise it")
    python = sys.executable if attack == "planted_links" else "/usr/bin/python3"
    with world(box, attack) as told:
        words = [python, str(box.stage.kit / "attacks" / f"{attack}.py"), str(told)]
        if attack in COVERED:
            with scratch('mount -t tmpfs tmpfs "$1"', box.place / "covered/inner") as space:
                done = space.run(box, words)
        elif attack == "setuid_left_behind":
            assert box.stage.e is not None
            done = step(box.person, [*words, "1"])
            assert done.out.startswith("SAFE"), str(done)
            done = step(box.stage.e, [*words, "2"])
        else:
            done = step(box.person, words)
    judge(done)


def step(person: Person, words: list[str]) -> Done:
    return run_as(person, words, env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"})


def test_every_known_attack_has_a_program() -> None:
    """What issue 3 names; a file that is renamed away must not lower the score unseen."""
    wanted = {
        *("forged_su", "forged_su_hard_link", "forged_passwd_over_host", "host_proc", "proc_pid_root"),
        *("inherited_descriptors", "directory_as_stdin", "terminal_input", "keyring", "over_mount"),
        *("swap_root", "swap_destination", "swap_source", "swap_layer", "helper_executable", "trace_helpers"),
        *("vsock", "crypto_key_oracle", "keys_listed", "process_as_layer", "rename_over_mount", "forged_refusal"),
        *("inode_flood", "setid_in_stowed_root", "core_handler"),
        *("nested_user_namespace", "sockets_in_sight", "abstract_socket", "setuid_left_behind", "planted_links"),
    }
    assert wanted <= set(ATTACKS)
