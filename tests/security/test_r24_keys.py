"""R24: the kernel's keyrings know no namespaces: a build may ask nothing of them, by any ABI."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from tests.security.kit.box import PYTHON, Box, run_as

NAME = "xsrc-security"


def plant(box: Box) -> bool:
    """A key in P's user keyring; whether it can be found outside."""
    outside: list[str | Path] = [PYTHON, "-I", "-S", box.stage.kit / "outside.py"]
    run_as(box.person, [*outside, "add_key", NAME])
    return int(run_as(box.person, [*outside, "find_key", NAME]).out) > 0


def test_r24_native_and_x32(box: Box) -> None:
    plant(box)
    found = box.probe("keys", NAME)
    assert set(found.values()) == {"ENOSYS"}, found


def test_r24_compat(box: Box) -> None:
    if not (box.stage.kit / "int80").exists():
        pytest.skip("only x86_64 has int $0x80")
    plant(box)
    found = box.run("/kit/int80", NAME).json
    assert found["getpid"] == 1, "the compat ABI itself must work, or 32 bit programs would not"
    assert {found[key] for key in ("add_key", "request_key", "keyctl")} == {-errno.ENOSYS}, found


def test_r24_with_fake_root(box: Box) -> None:
    """-0 makes a longer filter; the rows of the keyring are still in it, for both ABIs."""
    assert set(box.probe("keys", NAME, options=("-0",)).values()) == {"ENOSYS"}
    if (box.stage.kit / "int80").exists():
        found = box.run("/kit/int80", NAME, options=("-0",)).json
        assert {found[key] for key in ("add_key", "request_key", "keyctl")} == {-errno.ENOSYS}, found


def test_r24_the_key_is_there(box: Box) -> None:
    """The control: outside, the same user finds the key that the build must not find."""
    if not plant(box):
        pytest.skip("this machine keeps keys from its users (a container's filter?)")
