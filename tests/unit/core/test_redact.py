"""Passwords of addresses are shown by no error of a template or of settings."""

from __future__ import annotations

import time

import pytest

from xsrc.core.errors import Diagnostic, SettingsError, Span
from xsrc.core.redact import masked, redacted
from xsrc.core.settings import Settings

LINE = 'url = "ftp://ben:se%25cret@example.org/a.tar.gz"'


def test_the_excerpt_of_an_error_shows_no_password() -> None:
    got = 'want an http or https address, got "ftp://ben:se%25cret@example.org/a.tar.gz"'
    place, excerpt, carets = Diagnostic(Span("t.toml", 1, 8, 3, LINE), got).render()
    assert not any("cret" in line or "ben" in line for line in (place, excerpt, carets))
    assert excerpt.endswith('"ftp://*************@example.org/a.tar.gz"'), "the carets keep their place"


def test_an_error_of_the_settings_shows_no_password() -> None:
    try:
        Settings().over("config.toml", 'source_mirrors = ["ftp://ben:secret@example.org/"]')
    except SettingsError as error:
        assert "secret" not in "\n".join(error.render())
    else:
        raise AssertionError


@pytest.mark.parametrize(
    "text", ["://" + ":" * 3000 + "a" * 3000, "://" * 100_000, "://a:b/" * 50_000, "://" + "a:" * 500_000]
)
def test_a_line_of_colons_is_read_quickly(text: str) -> None:
    """A template may hold such a line, and xsrc reads it outside of any sandbox."""
    begun = time.monotonic()
    assert redacted(text) == masked(text) == text
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("text", ["http://u:p://q@h/a", "http://u:p@q@h/a", "http://u@h/a", "http://u:p/q@h/a"])
def test_odd_passwords_are_hidden(text: str) -> None:
    assert redacted(text) == "http://h/a"
