"""What the run showed: the table of requirements, and the figures of attacks, weakened builds and fuzzing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REQUIREMENTS = 54
MODES = ("caps", "plain")
ALONE = {27: "caps"}
"""Requirements that say something about one mode only."""
OF_MODE = {"caps": "with capabilities", "plain": "plain", "userns": "plain"}

HOST = "tests/security/test_host_"
"""Files with attacks on what xsrc does outside of a sandbox."""


KINDS = {"attacks on the sandbox": "stopped", "host-side attacks": "stopped", "weakened builds": "caught"}
"""Of what totals are told, and how a good one ends."""


def kind_of(test: str) -> str | None:
    """Which of KINDS a test is, by its address.

    >>> kind_of("tests/security/test_attacks.py::test_attack[caps-network]")
    'attacks on the sandbox'
    >>> kind_of("tests/security/test_host_trust.py::test_a_tree_of_another")
    'host-side attacks'
    """
    name = test.rpartition("::")[2]
    if name.startswith("test_attack["):
        return "attacks on the sandbox"
    if name.startswith("test_weakened_build_is_caught["):
        return "weakened builds"
    return "host-side attacks" if test.startswith((HOST, HOST.rpartition("/")[2])) else None


@dataclass
class Tally:
    """Gathered from the reports of pytest; "figures" are put in by tests as properties."""

    outcomes: dict[tuple[int, str], list[tuple[str, str]]] = field(default_factory=dict)
    tests: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    """Of tests that failed: what they asserted."""
    figures: dict[str, str] = field(default_factory=dict)
    tried: dict[str, dict[str, str]] = field(default_factory=dict)
    """Outcomes of attacks and of weakened builds, by kind and test; of what was tried."""

    def note(self, report: Any) -> None:
        """Take one report of one step of one test."""
        for key, value in report.user_properties:
            if report.when == "call" and key.startswith("figure: "):
                self.figures[key.removeprefix("figure: ")] = str(value)
        if report.when != "call" and report.outcome == "passed":
            return
        name = report.nodeid.rpartition("::")[2]
        error = report.when != "call" and report.outcome == "failed"
        self.tests[name] = "error" if error else report.outcome
        if (kind := kind_of(report.nodeid)) and report.outcome in ("passed", "failed"):
            self.tried.setdefault(kind, {})[report.nodeid] = report.outcome
        if report.outcome == "failed":
            self.messages[name] = getattr(getattr(report.longrepr, "reprcrash", None), "message", str(report.longrepr))
        found = re.match(r"test_r(\d\d)_\w+(?:\[(.*)\])?", name)
        if not found:
            return
        modes = [mode for mode in MODES if mode in (found[2] or "").split("-")] or list(MODES)
        why = report.longrepr[2].removeprefix("Skipped: ") if report.outcome == "skipped" else name
        for mode in modes:
            self.outcomes.setdefault((int(found[1]), mode), []).append((report.outcome, why))

    def figure(self, kind: str, done: str) -> str:
        """One line of totals, with the modes where the tests have one."""
        seen = self.tried[kind]
        modes: dict[str, list[str]] = {}
        for test, outcome in seen.items():
            words = re.split(r"[\[\]-]", test.rpartition("::")[2])
            for mode in {OF_MODE[word] for word in words if word in OF_MODE}:
                modes.setdefault(mode, []).append(outcome)
        parts = [f"{mode} {outcomes.count('passed')} of {len(outcomes)}" for mode, outcomes in sorted(modes.items())]
        good = list(seen.values()).count("passed")
        return f"{kind}: {len(seen)} tried, {good} {done}" + (f" ({', '.join(parts)})" if parts else "")

    def cell(self, number: int, mode: str) -> str:
        """One field of the table."""
        if ALONE.get(number, mode) != mode:
            return "says nothing of it"
        seen = self.outcomes.get((number, mode), [])
        failed = [why for outcome, why in seen if outcome == "failed"]
        skipped = [why for outcome, why in seen if outcome == "skipped"]
        if failed:
            return f"FAILED: {', '.join(failed)}"
        if len(skipped) == len(seen):
            return f"not tried: {skipped[0] if skipped else 'no test was asked for'}"
        if skipped:
            return f"held ({len(seen) - len(skipped)} of {len(seen)} tests; the rest: {skipped[0]})"
        return f"held ({len(seen)})"

    def counted(self, mode: str) -> str:
        wanted = [n for n in range(1, REQUIREMENTS + 1) if ALONE.get(n, mode) == mode]
        held = sum(self.cell(n, mode).startswith("held") for n in wanted)
        return f"{held} of {len(wanted)}"

    @property
    def not_tried(self) -> bool:
        return "skipped" in self.tests.values()

    def lines(self) -> list[str]:
        table = [f"{'':4} {'with capabilities':40} plain copies"]
        for number in range(1, REQUIREMENTS + 1):
            table.append(f"R{number:02d}  {self.cell(number, 'caps'):40} {self.cell(number, 'plain')}")
        figures = [
            f"requirements held with capabilities: {self.counted('caps')}",
            f"requirements held in plain mode: {self.counted('plain')}",
            *(self.figure(kind, done) for kind, done in KINDS.items() if kind in self.tried),
            *(f"{key}: {value}" for key, value in self.figures.items()),
        ]
        return [*table, "", *figures]

    def write(self, path: Path) -> None:
        """For the run that started this one."""
        path.write_text(json.dumps({test: (how, self.messages.get(test, "")) for test, how in self.tests.items()}))
