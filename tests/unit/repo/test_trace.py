"""What a trace says, and what is none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from xsrc.core.pkgver import PkgVer
from xsrc.repo.signed import SIGNATURE
from xsrc.repo.trace import Piece, Trace, aside, place, unfit

KEY = "1" * 64
MAIN, SUB = PkgVer("a", "1.0", 1), PkgVer("a-devel", "1.0", 1)
TRACE = Trace(
    KEY,
    "debian-bookworm",
    (Piece(MAIN, "2" * 64, "3" * 64, 10, 20), Piece(SUB, "4" * 64, "5" * 64, 1, 2)),
    "me@here",
    1.5,
    1 << 20,
)


def test_a_trace_is_read_as_it_was_written() -> None:
    assert Trace.parse(TRACE.render()) == TRACE
    signed = replace(TRACE, signature=SIGNATURE + b"abc\n")
    assert Trace.parse(signed.render()) == signed
    assert (TRACE.size, TRACE.pkgver, place(KEY)) == (11, MAIN, f"trace/{KEY}.json")
    assert TRACE.pieces[0].path == f"file/{'3' * 64}.tar.zst"


def changed(**more: object) -> bytes:
    return (json.dumps({**json.loads(TRACE.text), **more}, indent=2) + "\n").encode()


def row(**more: object) -> dict[str, object]:
    return {**TRACE.pieces[0].table(), **more}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"[" * 100_000,
        TRACE.text[:-2],
        TRACE.text.replace(b'"format"', b'"key": "x",\n  "format"'),
        TRACE.text + b" ",
        b"\xff",
        changed(format=2),
        changed(key="../../etc/passwd"),
        changed(key=None),
        changed(seconds=float("nan")),
        changed(seconds=-1),
        changed(peak=True),
        changed(builder="a\nb"),
        changed(builder="a" * 1000),
        changed(packages=[]),
        changed(packages=[row(), row()]),
        changed(packages=[row(sha256="/" * 64)]),
        changed(packages=[row(size=1 << 60)]),
        changed(packages=[row(size="1")]),
        changed(packages=[row(pkgver="../a-1_1")]),
        changed(packages=[{}]),
        changed(more=1),
    ],
)
def test_what_is_no_trace_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no trace"):
        Trace.parse(data)


def test_equal_results_have_one_digest_whoever_built_them() -> None:
    other = replace(TRACE, builder="you@there", seconds=9, pieces=TRACE.pieces[::-1])
    assert other.digest == TRACE.digest
    piece = replace(TRACE.pieces[1], tree="6" * 64)
    differing = replace(TRACE, pieces=(TRACE.pieces[0], piece))
    assert differing.digest != TRACE.digest
    assert aside(differing) == f"trace/{KEY}.json.other-{differing.digest}"


def test_a_trace_of_something_else_does_not_fit() -> None:
    assert unfit(TRACE, KEY, (SUB, MAIN)) == ""
    assert "another key" in unfit(TRACE, "7" * 64, (SUB, MAIN))
    assert "other packages" in unfit(TRACE, KEY, (MAIN,))
