"""The page of a package: all its known builds, and how their time has changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from xsrc.runs.run import Expected, JobRecord, State
from xsrc.runs.run_page import run_file
from xsrc.runs.svg import plot
from xsrc.runs.text import anchor, document, duration, escape, moment, reference, size, style

_DRAWN = 60
"""Builds that a plot shows, the newest."""


def package_page(
    name: str,
    builds: Sequence[tuple[int, JobRecord]],
    *,
    logs: Mapping[str, Sequence[str]],
    to_logs: str,
    pages: Collection[int] = (),
) -> str:
    """A package as a page; `builds` are its records with the numbers of their runs, newest first, at least one.

    `logs` has the phases that left a log, by pkgver. `to_logs` is the relative path from the site's folder to theirs.
    `pages` are the numbers of the runs that have a page.
    """
    newest = builds[0][1]
    done = [(job.took, job.peak) for _, job in builds if job.state is State.BUILT]
    facts = [("version", escape(newest.pkgver.removeprefix(f"{name}-"))), ("builds", f"{len(builds)}")]
    if done:
        usual = Expected.of(done)
        facts.append(("usual time", duration(usual.seconds)))
        if usual.peak:
            facts.append(("usual peak memory", size(usual.peak)))
    links = " ".join(
        f'<a href="../{to_logs}/{reference(newest.pkgver)}/{reference(phase)}.log">{escape(phase)}</a>'
        for phase in logs.get(newest.pkgver, ())
    )
    if links:
        facts.append(("logs of the newest build", links))
    items = "".join(f"<div><dt>{what}</dt><dd>{value}</dd></div>" for what, value in facts)
    shown = [(number, job) for number, job in builds if job.seconds or job.took][:_DRAWN]
    picture = f"<h2>Build times by run</h2>\n{plot(shown[::-1])}" if shown else ""
    body = (
        f'<header>\n<p><a href="../index.html">Report</a></p>\n<h1>{escape(name)}</h1>\n'
        f'<dl class="facts">{items}</dl>\n</header>\n'
        f"<main>\n{picture}{_table(name, builds, pages)}</main>\n"
    )
    return document(f"{name}: builds", body, top="../")


def _table(name: str, builds: Sequence[tuple[int, JobRecord]], pages: Collection[int]) -> str:
    phases = list(dict.fromkeys(phase for _, job in builds for phase in job.seconds))
    heads = ("run", "began", "version", "state", *phases, "seconds", "peak memory", "reason")
    rows = []
    for run, job in builds:
        number = f'<a href="../{run_file(run)}{anchor(name)}">{run}</a>' if run in pages else f"{run}"
        times = "".join(
            f'<td class="n">{duration(job.seconds[phase]) if phase in job.seconds else ""}' for phase in phases
        )
        error = f'<span class="error">{escape(job.error)}</span> ' if job.error else ""
        rows.append(
            f'<tr><th scope="row">{number}<td>{moment(job.began) if job.began is not None else ""}'
            f'<td class="v">{escape(job.pkgver.removeprefix(f"{name}-"))}'
            f'<td><span class="state {style(job.state)}">{job.state}</span>{times}'
            f'<td class="n">{duration(job.took)}<td class="n">{size(job.peak) if job.peak else ""}'
            f'<td>{error}<span class="why">{escape(job.reason)}</span>\n'
        )
    columns = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return (
        f'<h2>Builds</h2>\n<div class="wide" tabindex="0" role="group" aria-label="Builds"><table class="builds">\n'
        f"<thead><tr>{columns}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table></div>\n"
    )
