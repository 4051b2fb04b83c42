"""Settings: one file laid over another, and every problem of a file with its place."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from xsrc.core.errors import SettingsError
from xsrc.core.settings import FLAG_NAMES, FLAGS, SITES, Limits, Settings


def test_defaults() -> None:
    settings = Settings()
    assert (settings.base, settings.jobs, settings.masterdir) == ("host", None, None)
    assert settings.sites == SITES
    assert settings.flags == FLAGS


def test_an_empty_file_changes_nothing() -> None:
    assert Settings().over("f", "# nothing\n") == Settings()


def test_scalars_replace() -> None:
    settings = Settings().over("a", 'jobs = 3\nmasterdir = "/a"\ntmp_mib = 64\n').over("b", "jobs = 4\n")
    assert (settings.jobs, settings.masterdir, settings.tmp_mib) == (4, "/a", 64)


def test_tables_are_laid_over() -> None:
    one = '[flags]\nCFLAGS = "-O3"\n[sites]\nDEBIAN_SITE = "http://d/pool"\n[options]\ndash = ["libedit"]\n'
    two = '[sites]\nGNU_SITE = "http://g"\n[options]\ndash = ["~libedit"]\nzlib = ["x"]\n'
    settings = Settings().over("a", one).over("b", two)
    assert settings.flags == {**FLAGS, "CFLAGS": "-O3"}
    assert settings.sites == {**SITES, "DEBIAN_SITE": "http://d/pool", "GNU_SITE": "http://g"}
    assert settings.options == {"dash": ("~libedit",), "zlib": ("x",)}


def test_what_is_never_stowed() -> None:
    checkout = Settings().over(".xsrc.toml", 'nostow = ["usr/share/locale/**", "/usr/share/doc/"]\n', "own")
    assert checkout.nostow == ("usr/share/locale/**", "/usr/share/doc/")
    assert checkout.over("own", "jobs = 1\n").nostow == checkout.nostow
    assert checkout.over("own", "nostow = []\n").nostow == (), "the user's own list replaces that of the checkout"
    for bad in ("../x", "usr//x", "", "/"):
        with pytest.raises(SettingsError, match="1 problem"):
            Settings().over("own", f'nostow = ["{bad}"]\n')


def test_limits_are_laid_over_one_by_one() -> None:
    settings = Settings().over("a", "[limits]\nseconds = 60\nlog_mib = 5\n").over("b", "[limits]\nlog_mib = 0\n")
    assert settings.limits == Limits(seconds=60, log_mib=0)
    with pytest.raises(SettingsError) as caught:
        Settings().over("a", "[limits]\nseconds = -1\nminutes = 1\n")
    assert [d.message for d in caught.value.diagnostics] == [
        "limits.seconds: want a whole number from 0 on, got -1",
        "limits.minutes: unknown key",
    ]


def test_limits_by_default() -> None:
    assert Limits() == Limits(seconds=0, silent_seconds=7200, log_mib=1024, processes=8192, memory_mib=0)
    assert Settings().limits == Limits()


def test_every_limit_can_be_set() -> None:
    for number, field in enumerate(fields(Limits), 3):
        limits = Settings().over("a", f"[limits]\n{field.name} = {number}\n").limits
        assert limits == replace(Limits(), **{field.name: number})


def test_a_file_does_not_change_the_settings_below_it() -> None:
    settings = Settings()
    settings.over("a", '[flags]\nCFLAGS = "-O3"\n')
    assert settings == Settings()
    assert settings.flags["CFLAGS"] == FLAGS["CFLAGS"]


def test_tables_are_frozen() -> None:
    settings = Settings().over("a", '[options]\ndash = ["libedit"]\n')
    for table in (settings.flags, settings.sites, settings.options):
        with pytest.raises(TypeError):
            table["X"] = "y"  # type: ignore[index]


def test_every_problem_with_its_place() -> None:
    text = """\
jobs = 0
bsae = "host"
base = "../x"
srcdistdir = "relative"

[flags]
cflags = "-O2"

[sites]
GNU = "http://x"
GNU_SITE = "gnu"

[options]
dash = ["~~x"]
"""
    with pytest.raises(SettingsError) as caught:
        Settings().over("config.toml", text)
    assert caught.value.code == 3
    assert [f"{d.span}: {d.message}" for d in caught.value.diagnostics] == [
        "config.toml:1:1: jobs: want a whole number from 1 on, got 0",
        "config.toml:2:1: bsae: unknown key",
        'config.toml:3:1: base: want host, or a base such as debian or debian:bookworm, got "../x"',
        'config.toml:4:1: srcdistdir: want an absolute path, got "relative"',
        f'config.toml:7:1: flags.cflags: want one of {", ".join(FLAG_NAMES)}, got "cflags"',
        'config.toml:10:1: sites.GNU: want a name that ends in _SITE, got "GNU"',
        'config.toml:11:1: sites.GNU_SITE: want an address, got "gnu"',
        'config.toml:14:9: options.dash[0]: want an option, ~ in front to switch it off, got "~~x"',
    ]
    assert caught.value.diagnostics[1].hint == "did you mean base?"


def test_caches_are_the_users_own_and_a_server_needs_somebody_to_believe() -> None:
    settings = Settings().over("config.toml", 'caches = ["file:///srv/cache"]')
    assert (settings.caches, settings.allowed_signers) == (("file:///srv/cache",), None)
    text = 'caches = ["file:///srv/cache", "https://example.org/c"]'
    with pytest.raises(SettingsError) as caught:
        Settings().over("config.toml", text)
    (problem,) = caught.value.diagnostics
    assert problem.message == "caches[1]: want allowed_signers too: whom shall xsrc believe?"
    settings = Settings().over("config.toml", f'{text}\nallowed_signers = "/home/me/signers"')
    assert settings.allowed_signers == "/home/me/signers"
    for line in ('caches = ["file:///x"]', 'allowed_signers = "/x"', 'caches = ["ssh://h/c"]', "caches = [1]"):
        with pytest.raises(SettingsError):
            Settings().over(".xsrc.toml", line, own="config.toml")


@pytest.mark.parametrize("mirror", ["mirror", "/srv/mirror", "ftp://h/m", "file://host/m", "https://", "http://a b"])
def test_a_mirror_is_an_address(mirror: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings().over("config.toml", f'source_mirrors = ["{mirror}"]')
    assert "source_mirrors[0]: want an http, https or file address" in caught.value.diagnostics[0].message


def test_mirrors_are_the_users_own() -> None:
    text = 'source_mirrors = ["https://example.org/m", "file:///srv/m"]'
    assert Settings().over("config.toml", text).source_mirrors == ("https://example.org/m", "file:///srv/m")
    with pytest.raises(SettingsError, match="1 problem"):
        Settings().over(".xsrc.toml", text, own="config.toml")


def test_what_is_no_toml() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings().over("config.toml", "jobs =\n")
    assert str(caught.value.diagnostics[0].span) == "config.toml:1:7"


def test_no_address_of_a_distribution_is_built_in() -> None:
    assert "DEBIAN_SITE" not in SITES
    assert all(site.startswith("https://") for site in SITES.values())
