"""The benchmark itself works: what it prints, writes and returns is well formed. Figures are not judged here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).parent / "run.py"
COLUMNS = {"name", "ours", "theirs", "ratio", "spread", "wanted", "ok", "unit", "pairs", "against", "note", "verdict"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """run.py with its words."""
    return subprocess.run([sys.executable, str(RUN), *words], capture_output=True, text=True, timeout=60)


def test_list_names_every_row() -> None:
    done = run("--list")
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names == [
        "start",
        "nothing",
        "enter",
        "read",
        "again",
        "whole",
        "stow",
        "farm",
        "pack",
        "schedule",
        "parallel",
        "memory",
        "overhead",
    ]


def test_an_unknown_row_is_a_usage_error() -> None:
    done = run("strat")
    assert done.returncode == 2
    assert "no row 'strat'; there are start," in done.stderr
    assert run("--pairs", "0", "start").returncode == 2


def test_figures_are_printed_judged_and_written(tmp_path: Path) -> None:
    closed = [str(up) for up in Path(sys.executable).parents if not up.stat().st_mode & 0o001]
    if os.getuid() == 0 and closed:
        pytest.skip(f"{closed[-1]} is closed to ordinary users, and the benchmark runs as one")
    file = tmp_path / "figures.json"
    done = run("start", "enter", "--pairs", "1", "--json", str(file))
    assert done.stderr == ""
    head, *lines, last = done.stdout.splitlines()
    assert head.split() == ["name", "ours", "theirs", "ratio", "quartiles", "wanted", "verdict"]
    written = json.loads(file.read_text())
    rows = written["rows"]
    assert [line[:22].strip() for line in lines] == [row["name"] for row in rows]
    assert [row["name"] for row in rows][:2] == ["start", "start, best"]
    assert any(row["name"].startswith("enter") for row in rows)
    for row, line in zip(rows, lines, strict=True):
        assert row.keys() == COLUMNS
        assert row["verdict"] in line
        if row["ok"] is not None:
            assert row["ratio"] > 0 and row["pairs"] == 1
            assert row["ok"] == (row["ratio"] <= float(row["wanted"].split()[1]))
            assert row["verdict"] == ("ok" if row["ok"] else "MISSED")
        else:
            assert row["verdict"].startswith(("not run: ", "printed only"))
    assert sum(written["count"].values()) == len(rows)
    assert done.returncode == (1 if any(row["ok"] is False for row in rows) else 0)
    assert last == ", ".join(f"{number} {word}" for word, number in written["count"].items() if number)
