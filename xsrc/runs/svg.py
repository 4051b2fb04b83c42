"""Pictures of runs as inline SVG; every mark has its words, and a class for its colour.

A picture has thousands of marks and little text, so Python puts it together. What comes from outside passes `_safe`; no
other module may call text markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

from markupsafe import Markup, escape

from xsrc.core.ui import counted, seconds
from xsrc.core.visible import visible
from xsrc.runs.run import PARTIAL, JobRecord, State
from xsrc.runs.text import ORDER, anchor, style

WIDTH = 1200.0
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_LETTER = 7.0
"""How wide a letter of a label may be."""
_ROOM = 16
"""The height of the axis."""


def _safe(text: str) -> str:
    """Any text as the text of an element or of an attribute, with what it hides made visible."""
    return str(escape(visible(text)))


def _drawn(text: str) -> Markup:
    return Markup(text)  # noqa: S704 # a picture of this module, in which all that is foreign is safe already


def progress(counts: Mapping[State, int]) -> Markup:
    """One bar, parted by state."""
    total = sum(counts.values()) or 1
    words = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts.get(state))
    parts, x = [], 0.0
    for state in (
        State.BUILT,
        *sorted(PARTIAL),
        State.KEPT,
        State.RUNNING,
        State.FAILED,
        State.INTERRUPTED,
        State.SKIPPED,
        State.WAITING,
    ):
        if count := counts.get(state, 0):
            width = WIDTH * count / total
            parts.append(
                f'<rect class="{style(state)}" x="{x:.1f}" width="{width:.1f}" height="12">'
                f"<title>{count} {state}</title></rect>"
            )
            x += width
    return _drawn(
        f'<svg class="progress" viewBox="0 0 {WIDTH:.0f} 12" preserveAspectRatio="none" role="img" '
        f'aria-label="{words}">{"".join(parts)}</svg>'
    )


def lanes(jobs: Iterable[JobRecord], last: float) -> list[list[tuple[JobRecord, float, float]]]:
    """Jobs that ran, by worker, each with its begin and end: one takes over the lane that was free first."""
    made: list[list[tuple[JobRecord, float, float]]] = []
    busy: list[tuple[float, int]] = []
    free: list[int] = []
    timed = sorted((job.began, job.name, job) for job in jobs if job.began is not None)
    for began, _, job in timed:
        ended = max(job.ended if job.ended is not None else last, began)
        while busy and busy[0][0] <= began:
            heappush(free, heappop(busy)[1])
        if not free:
            heappush(free, len(made))
            made.append([])
        lane = heappop(free)
        made[lane].append((job, began, ended))
        heappush(busy, (ended, lane))
    return made


def ticks(span: float) -> list[float]:
    """Times for an axis of so many seconds, at most nine of them.

    >>> ticks(4), ticks(100)
    ([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0], [0, 20, 40, 60, 80, 100])
    """
    step = next((step for step in _STEPS if span / step <= 8), 86400 * (1 + span // (8 * 86400)))
    return [step * i for i in range(int(span / step + 1e-9) + 1)]


def _axis(span: float, height: float) -> str:
    marks = []
    for at in ticks(span):
        x = WIDTH * at / span
        word = seconds(at) if span < 60 or at else "0"
        side = ' text-anchor="end"' if x > WIDTH - 80 else ""
        marks.append(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y2="{height:.0f}"/>'
            f'<text x="{x + (-3 if side else 3):.1f}" y="{height + 12:.0f}"{side}>{word}</text>'
        )
    return "".join(marks)


def gantt(jobs: Sequence[JobRecord], began: float, last: float) -> Markup:
    """What each worker did when; "" where nothing ran. `last` is when the run ended, or now."""
    rows = lanes(jobs, last)
    if not rows:
        return Markup("")
    span = max(last - began, *(ended - began for row in rows for _, _, ended in row), 0.1)
    height = 20.0 if len(rows) <= 16 else 12.0 if len(rows) <= 64 else 4.0
    total = height * len(rows)
    parts = []
    for number, row in enumerate(rows):
        y = number * height
        thin: dict[State, list[str]] = {}
        for job, start, end in row:
            x, width = WIDTH * (start - began) / span, WIDTH * (end - start) / span
            if width < 1:  # too thin to be pointed at: all of them in one mark
                thin.setdefault(job.state, []).append(f"M{x:.1f} {y + height / 2:.1f}h{max(width, 0.3):.1f}")
                continue
            label = ""
            if height > 8 and len(job.name) * _LETTER + 6 <= width:
                label = f'<text x="{x + 4:.1f}" y="{y + height / 2 + 4:.1f}">{_safe(job.name)}</text>'
            parts.append(
                f'<a href="{_safe(anchor(job.name))}"><rect class="{style(job.state)}" x="{x:.1f}" y="{y + 1:.1f}" '
                f'width="{max(width - 0.6, 0.6):.1f}" height="{height - 2:.0f}">'
                f"<title>{_safe(job.name)}: {job.state}, {seconds(end - start)}</title></rect>{label}</a>"
            )
        for state, paths in thin.items():
            parts.append(f'<path class="{style(state)}" stroke-width="{height - 2:.0f}" d="{"".join(paths)}"/>')
    return _drawn(
        f'<svg class="gantt" viewBox="0 0 {WIDTH:.0f} {total + _ROOM:.0f}" role="img" '
        f'aria-label="{counted(sum(map(len, rows)), "job")} in {counted(len(rows), "lane")} over {seconds(span)}">'
        f"{_axis(span, total)}{''.join(parts)}</svg>"
    )


def plot(builds: Sequence[tuple[int, JobRecord]]) -> Markup:
    """Seconds of each build of a package, oldest first, as bars."""
    high, top = 160.0, max([job.took for _, job in builds] + [0.1])
    step = min((WIDTH - 60) / max(len(builds), 1), 60.0)
    lines = []
    for at in ticks(top):
        y = high - (high - 12) * at / top
        lines.append(
            f'<line class="tick" x2="{WIDTH:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{WIDTH:.0f}" y="{y - 2:.1f}" text-anchor="end">{seconds(at)}</text>'
        )
    bars = []
    for number, (run, job) in enumerate(builds):
        tall = max((high - 12) * job.took / top, 1)
        x = number * step
        bars.append(
            f'<rect class="{style(job.state)}" x="{x + step * 0.1:.1f}" y="{high - tall:.1f}" width="{step * 0.8:.1f}" '
            f'height="{tall:.1f}"><title>run {run}: {job.state}, {seconds(job.took)}</title></rect>'
        )
        if step >= 18:
            mark = " ✗" if job.state is State.FAILED else ""
            bars.append(f'<text x="{x + step / 2:.1f}" y="{high + 12:.0f}" text-anchor="middle">{run}{mark}</text>')
    return _drawn(
        f'<svg class="plot" viewBox="0 0 {WIDTH:.0f} {high + _ROOM:.0f}" role="img" '
        f'aria-label="Seconds of {counted(len(builds), "build")}, by run">{"".join(lines)}{"".join(bars)}</svg>'
    )
