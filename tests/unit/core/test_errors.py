"""Errors as a person sees them, and their exit codes."""

from __future__ import annotations

import pytest

from xsrc.core.errors import (
    ArchiveError,
    BuildFailed,
    ChecksumError,
    ConflictError,
    Diagnostic,
    FetchFailed,
    HostError,
    InputError,
    Interrupted,
    SettingsError,
    Span,
    TemplateError,
    UsageError,
    XsrcError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BuildFailed("x"), 1),
        (FetchFailed("x"), 1),
        (ChecksumError("x"), 1),
        (ArchiveError("x"), 1),
        (UsageError("x"), 2),
        (TemplateError([]), 3),
        (SettingsError([]), 3),
        (HostError("x"), 4),
        (ConflictError("x"), 5),
        (Interrupted("x"), 130),
    ],
)
def test_exit_codes(error: XsrcError, code: int) -> None:
    assert error.code == code


def test_an_error_with_detail_and_hint() -> None:
    error = HostError("no room", hint="xsrc gc", detail=["  a", "  b"])
    assert error.render() == ["error: no room", "  a", "  b", "  hint: xsrc gc"]
    assert str(error) == "no room"
    assert UsageError("what?").render() == ["error: what?"]


def test_a_span_in_words() -> None:
    assert str(Span("f", 3, 7)) == "f:3:7"
    assert str(Span("f")) == "f"


@pytest.mark.parametrize(
    ("span", "want"),
    [
        (Span("f", 3, 3, 2, "a bc d"), ["    3 | a bc d", "      |   ^^"]),
        (Span("f", 12345, 1, 1, "x"), ["12345 | x", "      | ^"]),
        (Span("f", 3, 2, 99, "abc"), ["    3 | abc", "      |  ^^"]),
        (Span("f", 3, 4, 1, "abc"), ["    3 | abc", "      |    ^"]),
        (Span("f", 3, 3, 1, "\t\tx"), ["    3 | \t\tx", "      | \t\t^"]),
        (Span("f", 3, 1, 0, "abc"), ["    3 | abc", "      | ^"]),
        (Span("f", 3, 1, 1, ""), []),
        (Span("f"), []),
    ],
)
def test_an_excerpt(span: Span, want: list[str]) -> None:
    assert span.excerpt() == want


def test_a_diagnostic() -> None:
    diagnostic = Diagnostic(Span("f", 1, 5, 1, "a = 1"), "want 2", "write 2", "warning")
    assert diagnostic.render() == ["f:1:5: warning: want 2", "    1 | a = 1", "      |     ^", "  hint: write 2"]


def test_an_input_error_holds_all_diagnostics_in_order() -> None:
    late, early, other = (Diagnostic(span, "x") for span in (Span("b", 2, 1), Span("b", 1, 9), Span("a", 7, 1)))
    error = InputError([late, early, other], hint="look")
    assert error.diagnostics == (other, early, late)
    assert error.message == "3 problems"
    assert InputError([late]).message == "1 problem"
    assert error.render() == ["a:7:1: error: x", "b:1:9: error: x", "b:2:1: error: x", "  hint: look"]
