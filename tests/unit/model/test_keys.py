"""The table of keys against the format that is written down: every key is known, in its order, with its type."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.builders import MINIMUM, SHA, a_template, text_of
from xsrc.errors import TemplateError
from xsrc.model.keys import KEYS, NEUTRAL, PHASES, STYLE_LISTS, STYLE_TEXTS
from xsrc.model.template import parse

EVERY: dict[str, Any] = {
    **{key: MINIMUM[key] for key in ("name", "version", "revision", "short_desc")},
    "maintainer": "Jo Doe <jo@example.org>",
    "license": "MIT",
    "homepage": "https://example.org/",
    "changelog": "https://example.org/news",
    "archs": ["!*-musl", "x86_64*"],
    "build_style": "gnu-configure",
    "bootstrap": 1,
    "hostmakedepends": ["pkgconf"],
    "makedepends": ["zlib"],
    "checkdepends": ["perl"],
    "depends": ["foo>=1.2"],
    "provides": ["sh-1_1"],
    "conflicts": ["bash"],
    "replaces": ["ash<2"],
    "build_wrksrc": "src",
    "create_wrksrc": True,
    "configure_script": "./configure",
    "configure_args": ["--a"],
    "make_cmd": "gmake",
    "make_build_args": ["B=1"],
    "make_build_target": "all",
    "make_check_args": ["C=1"],
    "make_check_target": "test",
    "make_install_args": ["I=1"],
    "make_install_target": "install-strip",
    "make_check": "no tests",
    "conf_files": ["/etc/dash.conf"],
    "make_dirs": ["/var/lib/dash", {"path": "/var/a", "mode": "0750", "owner": "root:root"}],
    "system_accounts": ["_dash", {"name": "_b", "home": "/b", "shell": "/c", "desc": "D", "groups": ["g"]}],
    "shells": ["/usr/bin/dash"],
    "alternatives": [{"group": "sh", "link": "/usr/bin/sh", "target": "dash", "priority": 5}],
    "triggers": ["mime"],
    "disable_parallel_build": "races",
    "nostrip": True,
    "broken": "does not link",
    "restricted": True,
    "nocross": "runs itself",
    "vars": {"major": "0"},
    "distfiles": [
        {"url": ["{GNU_SITE}/a"], "sha256": SHA, "name": "a.tgz", "extract": False, "dest": "d", "strip": 2},
        {"git": "https://example.org/a.git", "commit": SHA[:40], "sha256": SHA},
    ],
    "patch": {"strip": 0, "series": ["a.patch"]},
    "env": {"A": "1"},
    "flags": {"CFLAGS": "-g"},
    "options": {
        "libedit": {
            "desc": "Line editing",
            "default": True,
            "configure": {"on": ["--with"], "off": ["--without"]},
            "env": {"E": "1"},
            "hostmakedepends": ["a"],
            "makedepends": ["b"],
            "checkdepends": ["c"],
            "depends": ["d"],
            "conflicts": ["other"],
        },
        "other": {"desc": "Another"},
    },
    "when": [
        {
            "if": {
                "arch": ["x86_64*"],
                "libc": "glibc",
                "wordsize": 64,
                "endian": "little",
                "cross": False,
                "option": ["libedit"],
                "stage": 1,
                "not": {"libc": ["musl"]},
            },
            "env": {"A": "2"},
        }
    ],
    "phases": {f"{part}_{phase}": "true" for phase in PHASES for part in ("pre", "do", "post")},
    "test": "true",
    "install": {
        "license": ["COPYING"],
        "bin": ["dash"],
        "man": ["dash.1"],
        "doc": ["README"],
        "conf": ["files/dash.conf"],
        "completion": ["?dash.bash"],
        "service": ["files/dash"],
        "files": {"a": "usr/share/a"},
        "symlinks": {"usr/bin/sh": "dash"},
        "rename": {"usr/a": "usr/b"},
        "remove": ["usr/lib/*.la"],
        "modes": {"usr/bin/dash": "4755 root:root"},
        "keep": ["la", "static", "empty"],
    },
    "stow": {"hardlink": ["usr/lib/*"], "copy": ["usr/c"], "ignore": ["usr/i"], "protect": True},
    "subpackages": {
        "dash-devel": {
            "short_desc": "Small shell - headers",
            "files": ["usr/include/*"],
            "except": ["usr/include/x"],
            "preset": ["devel", "libs", "doc", "man", "progs"],
            "depends": ["dash"],
            "provides": ["x"],
            "conflicts": ["y"],
            "conf_files": ["/etc/z"],
        }
    },
    "update": {"url": "https://example.org", "pattern": "dash-([0-9.]+)", "ignore": "*rc*", "kind": "gnu"},
    "lint": {"ignore": {"no-check": "as upstream"}},
}


def test_every_key_of_the_format_is_known_in_its_order() -> None:
    assert list(KEYS) == list(EVERY)


def test_a_template_with_every_key_parses() -> None:
    assert a_template(**EVERY).raw == EVERY


@pytest.mark.parametrize("key", sorted(EVERY))
def test_a_wrong_type_is_refused(key: str) -> None:
    # a float is right nowhere
    with pytest.raises(TemplateError) as caught:
        parse("dash", text_of(**{key: 1.5}), "t")
    messages = [d.message for d in caught.value.diagnostics]
    assert any(message.startswith(f"{key}: want ") and message.endswith("got 1.5") for message in messages)


@pytest.mark.parametrize("key", [key for key, value in EVERY.items() if isinstance(value, dict)])
def test_tables_know_their_keys(key: str) -> None:
    if key in ("vars", "env", "flags", "options", "subpackages"):
        wrong: dict[str, Any] = {"no good name!": "x"}
    else:
        wrong = {"zzz": "x"}
    with pytest.raises(TemplateError) as caught:
        parse("dash", text_of(**{key: wrong}), "t")
    assert caught.value.diagnostics[0].message.startswith(f"{key}.{next(iter(wrong))}: ")


@pytest.mark.parametrize("kind", ["gnu", "github", "gitlab", "pypi", "cpan", "debian", "sourceforge"])
def test_update_kinds(kind: str) -> None:
    assert a_template(update={"kind": kind})


@pytest.mark.parametrize(
    "reason", ["make_check", "disable_parallel_build", "nostrip", "broken", "restricted", "nocross"]
)
def test_flags_that_take_a_reason(reason: str) -> None:
    for value in (True, False, "why"):
        assert parse("dash", text_of(**{reason: value}), "t").raw[reason] == value


@pytest.mark.parametrize("flag", ["create_wrksrc"])
def test_flags_that_take_none(flag: str) -> None:
    with pytest.raises(TemplateError):
        parse("dash", text_of(**{flag: "why"}), "t")


@pytest.mark.parametrize("number", ["revision", "bootstrap"])
def test_numbers_do_not_go_below_their_least(number: str) -> None:
    with pytest.raises(TemplateError):
        parse("dash", text_of(**{number: -1}), "t")


def test_when_takes_every_key_but_those_that_are_fixed() -> None:
    fixed = {"name", "version", "revision", "options", "when", "subpackages"}
    changeable = {key: value for key, value in EVERY.items() if key not in fixed}
    a_template(vars={"major": "0"}, when=[{"if": {}, **changeable}])


def test_neutral_keys_are_keys_and_none_of_them_is_read_by_a_build() -> None:
    assert set(NEUTRAL) <= set(KEYS)
    assert all(NEUTRAL.values()), "each with its reason"
    read = {
        *STYLE_TEXTS,
        *STYLE_LISTS,
        "distfiles",
        "phases",
        "env",
        "flags",
        "vars",
        "install",
        "patch",
        "build_style",
    }
    assert not read & set(NEUTRAL)
