"""A run: workers build packages side by side, in the order that ends soonest; the journal records each."""

from __future__ import annotations

import signal
import time
from collections import Counter
from dataclasses import replace
from typing import Any, NoReturn

from xsrc.build.acts.builder import build_job
from xsrc.build.acts.decide import again
from xsrc.build.disk.workers import END, End, Event, Send, Workers, memory_free
from xsrc.build.jobresult import JobResult
from xsrc.build.orders import RunOptions, RunResult
from xsrc.build.schedule import Schedule, direct_needs, tasks
from xsrc.build.steps import Step
from xsrc.core.errors import Interrupted, XsrcError
from xsrc.core.phase import Phase
from xsrc.core.session import Session
from xsrc.core.ui import Progress, Row, seconds
from xsrc.farm.acts.masterdir import open_farm
from xsrc.runs.disk.journal import Journal
from xsrc.runs.forecast import remaining
from xsrc.runs.run import REACHED, JobRecord, Run, State
from xsrc.sandbox.acts.helpers import prepare
from xsrc.unix.signals import Signals, caught
from xsrc.unix.ui import WorkerUi

_PATIENCE = 0.25
"""Seconds between two drawings of the table."""
_SELDOM = 5.0
"""Seconds between two writings of the report, at least."""
_SHARE = 0.02
"""The part of its time that a run spends on its report."""


class Runner:
    """The state of a run; begin reading at `go`."""

    def __init__(self, session: Session, todo: tuple[Step, ...], orders: RunOptions) -> None:
        self.session, self.orders, self.ui = session, orders, session.ui
        self.journal = Journal(session.masterdir, session.ui.warn)
        self.steps = {step.name: step for step in todo}
        known = self.journal.expected()
        # what a whole build took says nothing of a part of it
        self.expected = {name: one for name, one in known.items() if orders.goal(name) is Phase.INSTALL}
        waiting = tasks(todo, self.expected, fetch=orders.fetch)
        self.schedule = Schedule(waiting, orders.workers, memory_free())
        self.workers = Workers()
        needs = direct_needs(waiting)
        self.records = {
            step.name: JobRecord(
                step.name,
                str(step.job.package.pkgver),
                State.WAITING,
                reason=step.reason or "",
                needs=needs[step.name],
            )
            for step in todo
        }
        self.details: dict[str, str] = {}
        self.phases: dict[str, float] = {}
        self.ended: dict[str, tuple[str, Any]] = {}
        self.code = 0
        self.stopping = False
        self.signal = 0
        """The signal that ends the run."""
        self.number = 0
        self.begun = 0.0
        self.reported: Run | None = None
        self.next_report = 0.0

    def go(self) -> RunResult:
        """Build all packages; return the exit code of the first failure. Raises Interrupted and HostError."""
        self.begun = time.time()
        if not self.orders.fetch:
            prepare(self.session)
        self.number = self.journal.begin(self.orders.command, self.orders.workers, self.begun, self.records.values())
        self.reported = self.run(State.RUNNING)
        state = State.INTERRUPTED
        with caught() as signals:
            try:
                self.loop(signals)
                if self.cut:  # a worker alone was interrupted
                    raise self.interrupted()
                state = State.FAILED if self.code else REACHED[self.orders.request.to]
            finally:
                self.ui.run(None)
                self.journal.end(self.number, time.time(), state)
                if not self.alone:
                    counts = Counter(record.state for record in self.records.values())
                    words = ", ".join(f"{counts[s]} {s}" for s in State if counts[s])
                    self.ui.note(f"{words} in {seconds(time.time() - self.begun)}")
                self.report(state)
        failed = (State.FAILED, State.SKIPPED, State.WAITING)
        return RunResult(self.code, frozenset(name for name, r in self.records.items() if r.state in failed))

    def loop(self, signals: Signals) -> None:
        """Begin packages and handle reports of workers, until nothing runs any more. Raises Interrupted."""
        while True:
            if number := signals.end():
                self.interrupt(number, signals)
            if signals.pause():
                self.pause()
            if not self.stopping:
                self.admit()
            self.show()
            if not len(self.workers):
                return
            for event in self.workers.events(_PATIENCE):
                self.heed(event)
            if time.monotonic() >= self.next_report:
                self.report(State.RUNNING)

    def run(self, state: State) -> Run:
        """The present state of the run."""
        ended = time.time() if state.over else None
        words, jobs = self.orders.command, tuple(self.records.values())
        return Run(self.number, self.begun, ended, words, self.orders.workers, state, jobs)

    def report(self, state: State) -> None:
        """Update the report; a run of a single package has one only on request."""
        if self.alone or not self.number or self.reported is None:
            return
        from xsrc.runs.acts.report import write_report

        begun, run = time.monotonic(), self.run(state)
        try:
            expected = self.expected if state is State.RUNNING else None
            path = write_report(
                self.session.masterdir, self.journal, run, time.time(), expected=expected, since=self.reported
            )
        except OSError as error:
            self.ui.warn(f"the report cannot be written: {error}")
            self.reported = None
            return
        if state.over:
            self.ui.note(f"report: {path}")
        self.reported = run
        now = time.monotonic()
        self.next_report = now + max(_SELDOM, (now - begun) / _SHARE)

    def admit(self) -> None:
        """Begin ready packages; those that turn out to be up to date make room for more."""
        while begun := self.schedule.begin():
            for name in begun:
                if (error := self.orders.refused.get(name)) is not None:
                    self.failed(name, error.render(), error.message, error.code)
                elif (reason := self.reason(name)) is None:
                    self.keep(name)
                else:
                    self.begin(name, reason)
                if self.stopping:
                    return

    def reason(self, name: str) -> str | None:
        """The reason to build a package, None if it turned out to be up to date."""
        step = self.steps[name]
        return again(self.session, step, self.orders.rung, self.orders.versions) if step.because else step.reason

    def keep(self, name: str) -> None:
        """Keep the build of a package whose needs have the same results as before, under its new key."""
        package, key = self.steps[name].job.package, self.steps[name].job.key
        with open_farm(self.session) as farm:
            farm.note_keys((pkgver, key) for pkgver in package.outputs)
        self.schedule.dropped(name)
        self.note(name, state=State.KEPT, reason="")
        self.ui.note(f"{self.records[name].pkgver}: up to date: what it needs came out the same")

    def begin(self, name: str, reason: str) -> None:
        """Start a worker for a package."""
        share = self.schedule.share()
        step = replace(self.steps[name], reason=reason)
        wish = self.orders.of(step, share, self.number)
        self.note(name, state=State.RUNNING, began=time.time(), reason=reason, makejobs=share)
        self.ui.step(
            self.records[name].pkgver, f"{wish.to if wish.to is not Phase.INSTALL else 'build'} begins ({reason})"
        )

        def work(say: Send) -> None:
            try:
                say("done", build_job(replace(self.session, ui=WorkerUi(say)), step.job, wish))
            except XsrcError as error:
                say("failed", [error.code, error.message, error.render()])

        self.workers.begin(name, work)

    def heed(self, event: Event) -> None:
        """Handle a report of a worker."""
        name, ui = event.task, self.ui
        pkgver = self.records[name].pkgver
        match event.word, event.value:
            case "phase", phase:
                self.phase_ended(name, event.at)
                self.phases[name] = event.at
                self.details.pop(name, None)
                self.note(name, phase=phase)
                if self.session.flags.verbose:
                    ui.step(pkgver, phase)
            case "detail", text:
                self.details[name] = text
            case "note", text:
                ui.note(text)
            case "warn", text:
                ui.warn(text)
            case "error", lines:
                ui.error(lines)
            case "output", text:
                ui.output(text)
            case "stream", text:
                ui.stream(text.encode() if self.alone else _prefixed(self.steps[name].name, text))
            case ((("done" | "failed" | "bug") as word), value):
                self.ended[name] = (word, value)
            case word, value if word == END:
                self.phase_ended(name, event.at)
                self.note(name, peak=value.peak, ended=event.at)
                self.over(name, value)

    def over(self, name: str, end: End) -> None:
        """Handle the end of a worker: report it, and begin or skip others."""
        record = self.records[name]
        match self.ended.pop(name, ("", None)):
            case "done", result:
                state = REACHED[self.orders.goal(name)] if result != JobResult.PRESENT else State.KEPT
                self.note(name, state=state, untested=result == JobResult.UNTESTED)
                if state is State.CHECKED:
                    self.journal.tested(name, record.pkgver)
                self.schedule.finished(name)
                if result != JobResult.PRESENT:
                    self.ui.note(self.success(self.records[name]))
            case "failed", [130, message, _]:
                self.stopping = True
                self.note(name, state=State.INTERRUPTED, error=message)
                self.schedule.failed(name)
            case "failed", [code, message, lines]:
                self.failed(name, lines, message, code)
            case "bug", text:
                lines = [*text.rstrip().splitlines(), "this is a bug of xsrc; please report it with the lines above"]
                self.failed(name, lines, lines[-2], 70)
            case _:
                if end.code == 130 or self.signal:  # interrupted where there was nothing to tell
                    self.stopping = True
                    self.note(name, state=State.INTERRUPTED)
                    self.schedule.failed(name)
                    return
                how = f"signal {-end.code}" if end.code < 0 else f"exit code {end.code}"
                message = f"{record.pkgver}: the process that built it was ended: {how}"
                self.failed(name, [f"error: {message}", f"  hint: xsrc build {name} goes on where it was"], message, 1)

    def failed(self, name: str, lines: list[str], message: str, code: int) -> None:
        """Report that a package could not be built, and which packages are skipped because of it."""
        self.ui.error(lines)
        self.code = self.code or code
        self.note(name, state=State.FAILED, error=message.removeprefix(f"{self.records[name].pkgver}: "))
        for other in self.schedule.failed(name):
            self.note(other, state=State.SKIPPED, because=name)
            if self.orders.keep_going:
                self.ui.note(f"{self.records[other].pkgver}: skipped: {self.records[name].pkgver} failed")
        if not self.orders.keep_going:
            self.stopping = True

    def success(self, record: JobRecord) -> str:
        """The line for a package that is done."""
        words = ", untested" if record.untested else ""
        line = f"{record.pkgver}: {record.state}{words} ({record.reason})"
        at_most = f", {record.peak >> 20} MiB" if record.peak else ""
        return f"{line} in {seconds(record.took)}{at_most} [{len(self.schedule.done)} of {len(self.records)}]"

    @property
    def alone(self) -> bool:
        return len(self.records) == 1

    def phase_ended(self, name: str, at: float) -> None:
        """Record how long a phase took; report it, from one second on, if phases are reported."""
        record = self.records[name]
        if (began := self.phases.pop(name, None)) is None:
            return
        took = max(at - began, 0.0)
        self.records[name] = replace(record, seconds={**record.seconds, record.phase: round(took, 3)})
        ended_badly = name in self.ended and self.ended[name][0] != "done"
        if took >= 1 and self.session.flags.verbose and not ended_badly:
            self.ui.step(record.pkgver, f"{record.phase}: {seconds(took)}")

    def note(self, name: str, **news: Any) -> None:
        """Record a change of a package, in the journal too."""
        self.records[name] = replace(self.records[name], **news)
        self.journal.note(self.number, self.records[name])

    def show(self) -> None:
        """Draw how far it is."""
        rows, now = [], time.time()
        for name in self.schedule.running:
            record = self.records[name]
            began = self.phases.get(name, record.began or now)
            rows.append(Row(record.pkgver, record.phase, began, self.details.get(name, "")))
        counts = Counter(record.state for record in self.records.values())
        left = remaining(self.run(State.RUNNING), self.expected, now)
        states: dict[str, int] = {s: counts[s] for s in State if counts[s]}
        self.ui.run(Progress(tuple(rows), states, len(self.records), left.seconds, left.unknown))

    def pause(self) -> None:
        """Stop with all that runs, until a shell lets it go on; the time does not count."""
        self.ui.run(None)
        began = time.time()
        self.workers.pause()
        lost = time.time() - began
        self.phases = {name: at + lost for name, at in self.phases.items()}

    def interrupt(self, number: int, signals: Signals) -> NoReturn:
        """End every worker, by force on a second signal. Raises Interrupted."""
        self.stopping, self.signal = True, number
        self.workers.interrupt()
        while len(self.workers):
            for event in self.workers.events(_PATIENCE):
                self.heed(event)
            if signals.end():
                self.workers.interrupt(signal.SIGKILL)
            if signals.pause():
                self.pause()
        raise self.interrupted()

    @property
    def cut(self) -> list[JobRecord]:
        """The interrupted packages."""
        return [record for record in self.records.values() if record.state is State.INTERRUPTED]

    def interrupted(self) -> Interrupted:
        """The error for an interrupted run; it says what was ended, and by which signal if not by Ctrl-C."""
        number = self.signal or signal.SIGINT
        cut, code = self.cut, 128 + number
        how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        if len(cut) == 1:
            hint = f"xsrc build {cut[0].name}"
            return Interrupted(f"{cut[0].pkgver}: {how} in {cut[0].phase or 'its start'}", hint=hint, code=code)
        words = ", ".join(f"{record.pkgver} in {record.phase or 'its start'}" for record in cut)
        hint = "the same command goes on where it was"
        return Interrupted(f"{how}: {words or 'nothing was begun'}", hint=hint, code=code)


def _prefixed(name: str, text: str) -> bytes:
    """Output with the name of its package before each line."""
    return "".join(f"{name}| {line}\n" for line in text.splitlines()).encode()
