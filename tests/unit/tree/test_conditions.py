"""Conditions that no machine and no options can meet are errors of a template."""

from __future__ import annotations

from typing import Any

import pytest

from xsrc.tree.conditions import idle


def told(test: dict[str, Any]) -> list[str]:
    return [message for _, message, _ in idle(test, ("when", 0, "if"))]


@pytest.mark.parametrize(
    "test",
    [
        {"libc": "musl", "arch": "x86_64*"},
        {"stage": [0, 1], "cross": True},
        {"option": ["a", "b"], "not": {"option": "a"}},
        {"not": {"arch": "x86_64"}},
        {"wordsize": 32, "endian": "little"},
    ],
)
def test_a_condition_that_can_hold(test: dict[str, Any]) -> None:
    assert told(test) == []


@pytest.mark.parametrize(
    "test",
    [
        {"libc": "glibc", "arch": "*-musl"},
        {"stage": 4},
        {"option": "a", "not": {"option": "a"}},
        {"wordsize": 16},
        {"wordsize": 32, "arch": ["x86_64", "aarch64"]},
        {"not": {"cross": [True, False]}},
    ],
)
def test_a_condition_that_never_holds(test: dict[str, Any]) -> None:
    assert told(test) == ["when[0].if: no machine, stage and options make this condition hold"]


def test_a_machine_type_that_is_none() -> None:
    assert told({"arch": ["x86_64", "i868"]}) == [
        'when[0].if.arch: want a glob of machine types, got "i868", which means none'
    ]
    assert told({"not": {"arch": "x86-64"}})[0].startswith("when[0].if.not.arch: want a glob of machine types")
