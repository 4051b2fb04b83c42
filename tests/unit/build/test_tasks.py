"""What a run waits for."""

from __future__ import annotations

from xsrc.build.schedule import Task, direct_needs


def test_of_what_a_task_waits_for_only_the_nearest_is_told() -> None:
    waits = {"a": "", "b": "a", "c": "", "d": "a b c", "e": "a", "top": "a b c d e"}
    told = direct_needs(Task(name, frozenset(needs.split())) for name, needs in waits.items())
    assert told == {"a": (), "b": ("a",), "c": (), "d": ("b", "c"), "e": ("a",), "top": ("d", "e")}
