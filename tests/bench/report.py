"""Figures as a table for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

from tests.bench.measure import Figure

_LINE = "{:<22} {:>10} {:>10} {:>7} {:>15} {:>20}  {}"
HEAD = _LINE.format("name", "ours", "theirs", "ratio", "quartiles", "wanted", "verdict").rstrip()


def amount(value: float | None, unit: str) -> str:
    """A figure in a unit that suits it.

    >>> amount(0.0042, "s"), amount(12.34, "s"), amount(41.2, "MiB"), amount(None, "s")
    ('4.20 ms', '12.34 s', '41 MiB', '-')
    """
    if value is None:
        return "-"
    if unit != "s":
        return f"{value:.0f} {unit}"
    return f"{value * 1000:.2f} ms" if value < 0.1 else f"{value:.2f} s"


def verdict(figure: Figure) -> str:
    """`ok`, `MISSED`, or what kept the row from being judged."""
    if figure.ok is None:
        return figure.note or "printed only"
    return "ok" if figure.ok else "MISSED"


def line(figure: Figure) -> str:
    """One row of the table."""
    spread = "{:.2f}..{:.2f}".format(*figure.spread) if figure.spread else "-"
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else "-"
    note = f"  ({figure.note})" if figure.note and figure.ok is not None else ""
    return _LINE.format(
        figure.name,
        amount(figure.ours, figure.unit),
        amount(figure.theirs, figure.unit),
        ratio,
        spread,
        figure.wanted or "-",
        verdict(figure) + note,
    )


def count(figures: Iterable[Figure]) -> dict[str, int]:
    """How many rows ended how."""
    result = {"ok": 0, "missed": 0, "not run": 0, "failed": 0, "printed only": 0}
    for figure in figures:
        if figure.ok is not None:
            result["ok" if figure.ok else "missed"] += 1
        else:
            result[next((word for word in ("not run", "failed") if figure.note.startswith(word)), "printed only")] += 1
    return result


def summary(figures: Iterable[Figure]) -> str:
    """The last line."""
    return ", ".join(f"{number} {word}" for word, number in count(figures).items() if number)


def dumps(figures: Iterable[Figure]) -> str:
    """The rows as JSON, each with its verdict."""
    rows = list(figures)
    return json.dumps(
        {"rows": [dataclasses.asdict(row) | {"verdict": verdict(row)} for row in rows], "count": count(rows)}, indent=2
    )
