"""Passwords of addresses are shown by no error of a template or of settings."""

from __future__ import annotations

from xsrc.core.errors import Diagnostic, SettingsError, Span
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
