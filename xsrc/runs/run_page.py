"""The page of a run: its states, its expected end, a chart of its workers, and one table of all packages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from xsrc.runs.forecast import remaining
from xsrc.runs.run import Expected, JobRecord, Run, State, Tally
from xsrc.runs.svg import gantt, progress
from xsrc.runs.text import ORDER, anchor, document, duration, escape, moment, reference, size, style

_MANY = 1000
"""Number of jobs from which the page of a running run reloads less often."""
_COLUMNS = ("package", "version", "state", "phase", "seconds", "peak memory", "reason", "log")


def run_page(
    run: Run,
    earlier: Sequence[Tally],
    expected: Mapping[str, Expected],
    now: float,
    *,
    logs: Mapping[str, Sequence[str]],
    to_logs: str,
    known: Collection[str] = (),
    pages: Collection[int] = (),
) -> str:
    """A run as a page; `earlier` are the other runs.

    `logs` has the phases that left a log, by pkgver. `to_logs` is the relative path from the page to their folder.
    `known` are the packages that have a page, `pages` the numbers of the runs that have one.
    """
    tally = Tally.of(run)
    title = f"run {run.number}: xsrc {run.command}"
    table = _table(run, tally, logs, to_logs, frozenset(known), now)
    body = (
        f"<header>\n<h1>xsrc {escape(run.command)}</h1>\n{_summary(run, tally, expected, now)}</header>\n<main>\n"
        f"{_lanes(run, now)}{table}{_earlier(earlier, pages)}</main>\n"
    )
    if run.state.over:
        return document(f"{run.state} – {title}", body)
    wait = 10 if len(run.jobs) < _MANY else 60
    done = sum(count for state, count in tally.counts.items() if state.over)
    head = f'<meta name="xsrc-refresh" content="{wait}">\n'
    head += f'<noscript><meta http-equiv="refresh" content="{wait}"></noscript>\n'
    return document(f"{done} of {len(run.jobs)} – {title}", body, head=head)


def run_file(number: int) -> str:
    """The name of a run's page."""
    return f"run-{number}.html"


def _summary(run: Run, tally: Tally, expected: Mapping[str, Expected], now: float) -> str:
    last = run.ended if run.ended is not None else now
    elapsed = max(last - run.began, 0)
    worked = sum((j.ended if j.ended is not None else last) - j.began for j in run.jobs if j.began is not None)
    facts = [("run", f"{run.number}"), ("state", _state(run.state)), ("began", moment(run.began))]
    if run.ended is not None:
        facts.append(("ended", moment(run.ended)))
    elif not run.state.over:
        left = remaining(run, expected, now)
        word = "not known yet" if left is None else f"{moment(now + left)}, in {duration(left)}"
        facts += [("as of", moment(now)), ("expected end", word)]
    facts += [("elapsed", duration(elapsed)), ("workers", f"{run.workers}")]
    if elapsed > 0 and worked > 0:
        facts.append(("busy on average", f"{worked / elapsed:.1f}"))
    if peak := max((job.peak for job in run.jobs), default=0):
        facts.append(("largest job", size(peak)))
    items = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts)
    return f'{progress(tally.counts)}<dl class="facts">{items}</dl>\n'


def _state(state: State) -> str:
    return f'<span class="state {style(state)}">{state}</span>'


def _lanes(run: Run, now: float) -> str:
    drawn = gantt(run.jobs, run.began, run.ended if run.ended is not None else now)
    return (
        f'<section aria-labelledby="lanes">\n<h2 id="lanes">Jobs over time</h2>\n{drawn}</section>\n' if drawn else ""
    )


def _table(
    run: Run, tally: Tally, logs: Mapping[str, Sequence[str]], to_logs: str, known: frozenset[str], now: float
) -> str:
    chips = "".join(
        f'<li data-state="{state}"><span class="state {style(state)}">{state}</span> <b>{tally.counts[state]}</b></li>'
        for state in ORDER
        if tally.counts.get(state)
    )
    last = run.ended if run.ended is not None else now
    rank = {state: number for number, state in enumerate(ORDER)}
    names = {job.name for job in run.jobs}
    rows = "\n".join(
        _row(job, names, logs.get(job.pkgver, ()), to_logs, known, last)
        for job in sorted(run.jobs, key=lambda job: (rank[job.state], job.name))
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    return (
        '<section aria-labelledby="packages">\n<h2 id="packages">Packages</h2>\n<div id="tools">'
        '<label class="search" hidden>Search <input id="search" type="search" autocomplete="off" spellcheck="false" '
        'placeholder="name, version, reason, error"></label>'
        f'<ul class="chips" aria-label="States">{chips}</ul>'
        f'<output id="count" aria-live="polite">{len(run.jobs)} packages</output></div>\n'
        f'<table id="jobs">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</section>\n'
    )


def _row(job: JobRecord, names: set[str], logs: Sequence[str], to_logs: str, known: frozenset[str], now: float) -> str:
    name, state = escape(job.name), job.state
    version = job.pkgver[len(job.name) + 1 :] if job.pkgver.startswith(job.name + "-") else job.pkgver
    linked = f'<a href="package/{reference(job.name)}.html">{name}</a>' if job.name in known else name
    took = max(now - job.began, 0) if state is State.RUNNING and job.began is not None else job.took
    hover = f' title="{duration(took)}"' if took >= 60 else ""
    seconds = f'<td class="n" data-v="{took:.2f}"{hover}>{took:.1f}' if took else '<td class="n">'
    peak = f'<td class="n" data-v="{job.peak}">{size(job.peak)}' if job.peak else '<td class="n">'
    return (
        f'<tr id="p-{name}" data-state="{state}"><th scope="row">{linked}<td class="v">{escape(version)}'
        f'<td><span class="state {style(state)}">{state}</span><td>{escape(job.phase)}{seconds}{peak}'
        f"<td>{_reason(job, names)}<td>{_logs(job, logs, to_logs)}"
    )


def _reason(job: JobRecord, names: set[str]) -> str:
    said = []
    if job.because:
        other = escape(job.because)
        said.append(
            f'because of <a href="{anchor(job.because)}">{other}</a>' if job.because in names else f"because of {other}"
        )
    if job.error:
        said.append(f'<span class="error">{escape(job.error)}</span>')
    if job.reason:
        said.append(f'<span class="why">{escape(job.reason)}</span>')
    return " ".join(said)


def _logs(job: JobRecord, logs: Sequence[str], to_logs: str) -> str:
    """Links to the logs of the phases that ran, in their order."""
    if not logs or job.began is None:
        return ""
    ran = [phase for phase in logs if phase in job.seconds or phase == job.phase]
    folder = f"{to_logs}/{reference(job.pkgver)}"
    return " ".join(f'<a href="{folder}/{reference(phase)}.log">{escape(phase)}</a>' for phase in ran)


def _earlier(runs: Sequence[Tally], pages: Collection[int]) -> str:
    if not runs:
        return ""
    rows = []
    for run in runs:
        words = ", ".join(f"{run.counts[state]} {state}" for state in ORDER if run.counts.get(state))
        number = f'<a href="{run_file(run.number)}">{run.number}</a>' if run.number in pages else f"{run.number}"
        took = duration(run.ended - run.began) if run.ended is not None else ""
        rows.append(
            f'<tr><th scope="row">{number}<td>{moment(run.began)}<td>xsrc {escape(run.command)}<td>{_state(run.state)}'
            f'<td class="n">{took}<td class="n">{run.workers}<td>{words}\n'
        )
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("run", "began", "command", "state", "elapsed", "workers", "packages")
    )
    return (
        '<section aria-labelledby="runs">\n<h2 id="runs">Other runs</h2>\n<div class="wide" tabindex="0" role="group" '
        f'aria-label="Other runs"><table class="runs">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{"".join(rows)}'
        "</tbody>\n</table></div>\n</section>\n"
    )
