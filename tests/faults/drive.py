"""Cuts a command off at every point, and says after which it does not stand up again."""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.inject import GO, KILL, Outcome, Point
from tests.faults.scenarios import CONTROLS, SCENARIOS, Scenario
from tests.faults.state import State, built_of, difference
from tests.faults.world import RECOVER, World

ERRNOS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EINTR)
CLEAN = (0, 1, 4, 5)
"""Exit codes of a command that knows what it did: done, failed, the machine cannot, refused (STYLE 3.2)."""

KINDS = ("kill", "errno", "full", "again")
"""SIGKILL before the call; the call alone fails; from the call on, everything that allocates fails; and, after the
command was killed once, SIGKILL and a failure at every call of the next command, which finishes or undoes it."""


@dataclass
class Report:
    """What came of the points of one scenario with one kind of fault."""

    points: int = 0
    faults: int = 0
    """More than points where each is tried with several errnos."""
    problems: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        self.points += other.points
        self.faults += other.faults
        self.problems += other.problems


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: at the point of a number, and with `stays` at all later ones that allocate."""

    number: int
    error: int = KILL
    stays: bool = False

    def decide(self, point: Point) -> int:
        if point.number == self.number or (self.stays and point.number > self.number and point.allocates):
            return self.error
        return GO

    def __str__(self) -> str:
        name = "SIGKILL" if self.error == KILL else errno.errorcode[self.error]
        return f"{name} from here on" if self.stays else name


class Trial:
    """A scenario that has been prepared and run once to its end: the states before and after are known."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self.command = scenario.command
        self.again = scenario.again or scenario.command
        self.world = World.made(folder)
        scenario.prepare(self.world)
        self.world.keep()
        self.before = self.world.look()
        self.world.restore()
        self.points = self._whole()
        self.after = self.world.look()
        assert self.before != self.after, f"{scenario.name}: changes nothing"
        assert self._stranger_lost() is None, f"{scenario.name}: {self._stranger_lost()}"
        self.world.run(self.again, None)
        self.twice = self.world.look()

    def _whole(self) -> list[Point]:
        whole = self.world.run(self.command)
        assert whole.code == 0, f"{self.scenario.name}: {whole.code}\n{whole.said}"
        return whole.points

    def resume(self) -> None:
        """From here on what is tried is the command that comes after this one was killed far in."""
        notes = [point.number for point in self.points if point.place.startswith("var/db/")]
        links = [n for n in range(notes[0], notes[-1]) if n not in notes]
        self.world.restore()
        killed = self.world.run(self.command, Fault(links[len(links) * 3 // 4]).decide)
        assert killed.killed, killed.said
        self.world.keep()
        self.command = RECOVER
        self.points = self._whole()

    def faults(self, kind: str, turn: int) -> Iterator[Fault]:
        """The faults of one kind, all of them with XSRC_FAULTS=all.

        Else every point is killed, and fails once with one errno, dealt out in turn; of the dearer kinds every other
        point has its turn, and of what comes after a kill each is either killed or fails.
        """
        everything = os.environ.get("XSRC_FAULTS") == "all"
        for point in self.points:
            mine = everything or (point.number + turn) % 2 == 0
            if kind == "kill" or (kind == "again" and mine):
                yield Fault(point.number)
            if kind == "errno" or (kind == "again" and (everything or not mine)):
                one = ERRNOS[(point.number + turn) % len(ERRNOS)]
                yield from (Fault(point.number, error) for error in (ERRNOS if everything else (one,)))
            if kind == "full" and point.allocates and mine:
                yield Fault(point.number, errno.ENOSPC, stays=True)

    def survives(self, fault: Fault) -> str | None:
        """What is wrong after one fault, or None."""
        self.world.restore()
        outcome = self.world.run(self.command, fault.decide)
        then = "" if self.command == self.scenario.command else ", killed and resumed"
        what = f"{self.scenario.name}{then}: {fault} at {self.points[fault.number - 1]}: "
        problem = self._unlike(outcome, fault) or self._stranger_lost()
        if problem is None and outcome.killed:
            problem = self._torn() or self._cut_off(fault)
        elif problem is None:
            problem = self._refused(outcome, fault)
        return what + problem if problem else None

    def _unlike(self, outcome: Outcome, fault: Fault) -> str | None:
        """Whether the run was not the one of which the points are known, or hung, or met a bug."""
        known = self.points[: fault.number]
        if outcome.points[: fault.number] != known:
            pairs = itertools.zip_longest(outcome.points, known)
            one, two = next((one, two) for one, two in pairs if one != two)
            return f"came to {one} and not to {two}\n{outcome.said}"
        if outcome.hung:
            return "hung, or left a process that runs on"
        if outcome.killed != (fault.error == KILL):
            return f"ended with {outcome.code}"
        if not outcome.killed and (outcome.code not in CLEAN or "Traceback" in outcome.said):
            return f"ended with {outcome.code}\n{outcome.said}"
        return None

    def _refused(self, outcome: Outcome, fault: Fault) -> str | None:
        """After an errno all is done or nothing; only where undoing failed too is it left to the next command."""
        found = self.world.look()
        resumed = self.command == RECOVER
        if self._whole_state(found, after_only=outcome.code == 0 and not resumed):
            return None
        if (fault.stays or resumed) and outcome.code != 0:
            return self._cut_off(fault)
        return f"ended with {outcome.code}, neither before nor after\n{outcome.said}{self._nearest(found)}"

    def _cut_off(self, fault: Fault) -> str | None:
        """The next command, some other one or the same one again, finishes or undoes."""
        again = fault.number % 2 == 0
        following = self.world.run(self.again if again else RECOVER, None)
        if following.code not in ((*CLEAN, 2) if again else (0,)) or "Traceback" in following.said:
            return f"the next command ended with {following.code}\n{following.said}"
        found = self.world.look()
        if self._whole_state(found, after_only=again):
            return self._stranger_lost()
        wanted = "after" if again else "before nor after"
        return f"after the next command not {wanted}\n{following.said}{self._nearest(found)}"

    def _whole_state(self, found: State, *, after_only: bool) -> bool:
        """Whether a state is the one after, or the one before; what repairs or sweeps may come to any in between."""
        if found == self.after or (after_only and found == self.twice):
            return True
        if self.scenario.gradual and not after_only:
            paths = self.before.keys() | found.keys()
            steady = all(found.get(path) in (self.before.get(path), self.after.get(path)) for path in paths)
            return steady and all(f"pkg-destdir/{pkgver}/props.plist" in found for pkgver in built_of(found))
        if after_only or any(found.get(path) != text for path, text in self.before.items()):
            return False
        return all(re.fullmatch(self.scenario.leaves, path) for path in found.keys() - self.before.keys())

    def _torn(self) -> str | None:
        """What stood there before, and does after, is there at every moment as the one or the other."""
        found = self.world.paths()
        for path in self.before.keys() & self.after.keys():
            was, will, now = (_bare(state.get(path, "nothing")) for state in (self.before, self.after, found))
            if not path.startswith("database") and now not in (was, will) and not was.startswith("dir"):
                return f"{path} is {now} for a moment"
        return None

    def _stranger_lost(self) -> str | None:
        for path, text in self.scenario.mine.items():
            # what is adopted stands aside
            files = (self.world.masterdir / path, self.world.masterdir / f"{path}.orig")
            if not any(file.is_file() and not file.is_symlink() and file.read_text() == text for file in files):
                return f"{path}, which is a user's own, is gone or changed"
        return None

    def _nearest(self, found: State) -> str:
        sides = {"before": difference(self.before, found, 400), "after": difference(self.after, found, 400)}
        name = min(sides, key=lambda side: sides[side].count("\n"))
        lines = sides[name].splitlines()
        return "\n".join([f"    beside the state {name}:", *lines[:8], *(["    …"] if len(lines) > 8 else [])])


def _bare(text: str) -> str:
    """What a path is, whatever other names it has."""
    return text.partition(" = ")[0]


def drive(name: str, kind: str, share: int, shares: int, folder: Path) -> Report:
    """Try one share of the faults of a scenario."""
    turn, scenario = next((turn, found) for turn, found in enumerate((*SCENARIOS, *CONTROLS)) if found.name == name)
    trial = Trial(scenario, folder)
    if kind == "again":
        trial.resume()
    faults = list(trial.faults(kind, turn))[share::shares]
    report = Report(len({fault.number for fault in faults}), len(faults))
    for fault in faults:
        if problem := trial.survives(fault):
            report.problems.append(problem)
    return report
