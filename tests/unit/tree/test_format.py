"""The table of keys against the format that is written down: every key is known, in its order, with its type."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.builders import MINIMUM, SHA, a_template, text_of
from xsrc.core.errors import TemplateError
from xsrc.core.paths import Unsound
from xsrc.store.rules import Account, Alternative, Rules
from xsrc.tree.format import KEYS, NEUTRAL, PHASES, STYLE_LISTS, STYLE_TEXTS
from xsrc.tree.template import parse

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


# ---- paths and texts that could do harm


def refusals(**keys: Any) -> list[str]:
    with pytest.raises(TemplateError) as caught:
        parse("dash", text_of(**keys), "t")
    return [diagnostic.message for diagnostic in caught.value.diagnostics]


HOSTILE = ("../x", "a/../x", "a/./x", "a//x", "", "a\n/../../x", "a\0", "a\tb", ".", "..")
PATHS: dict[str, Any] = {
    "build_wrksrc": lambda path: path,
    "distfiles[0].dest": lambda path: [{**EVERY["distfiles"][0], "dest": path}],
    "distfiles[0].inner": lambda path: [{**EVERY["distfiles"][0], "inner": path}],
    "distfiles[0].name": lambda path: [{**EVERY["distfiles"][0], "name": path}],
    "patch.series[0]": lambda path: {"series": [path]},
    "install.files.a": lambda path: {"files": {"a": path}},
    "install.rename.a": lambda path: {"rename": {"a": path}},
    "install.remove[0]": lambda path: {"remove": [path]},
    "stow.copy[0]": lambda path: {"copy": [path]},
    "subpackages.dash-a.files[0]": lambda path: {"dash-a": {"files": [path]}},
}
ABSOLUTE: dict[str, Any] = {
    "conf_files[0]": lambda path: [path],
    "shells[0]": lambda path: [path],
    "make_dirs[0]": lambda path: [path],
    "make_dirs[0].path": lambda path: [{"path": path}],
    "system_accounts[0].home": lambda path: [{"name": "a", "home": path}],
    "system_accounts[0].shell": lambda path: [{"name": "a", "shell": path}],
    "alternatives[0].link": lambda path: [{"group": "g", "link": path, "target": "x"}],
    "subpackages.dash-a.conf_files[0]": lambda path: {"dash-a": {"files": ["usr"], "conf_files": [path]}},
}


@pytest.mark.parametrize("path", [*HOSTILE, "/x"])
@pytest.mark.parametrize("key", sorted(PATHS))
def test_relative_paths_stay_below_their_root(key: str, path: str) -> None:
    top = key.partition("[")[0].partition(".")[0]
    assert any(message.startswith(f"{key}: want ") for message in refusals(**{top: PATHS[key](path)}))


@pytest.mark.parametrize("path", [*(f"/{path}" for path in HOSTILE if path), "x", "", "/a b/../c"])
@pytest.mark.parametrize("key", sorted(ABSOLUTE))
def test_absolute_paths_stay_below_the_root(key: str, path: str) -> None:
    top = key.partition("[")[0].partition(".")[0]
    assert any(message.startswith(f"{key}: want ") for message in refusals(**{top: ABSOLUTE[key](path)}))


@pytest.mark.parametrize("table", ["symlinks", "rename", "modes"])
@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "a\nb"])
def test_names_of_tables_are_paths_too(table: str, path: str) -> None:
    value = "0644" if table == "modes" else "x"
    assert any("want" in message for message in refusals(install={table: {path: value}}))


def test_globs_of_sources_may_lead_up_for_a_sandbox_holds_them() -> None:
    a_template(install={"license": ["../COPYING", "?./x/*"], "files": {"../a": "usr/share/a/"}})


@pytest.mark.parametrize(
    "table",
    [
        *({"license": ["doc/**/COPYING"]}, {"bin": ["?**/x"]}, {"files": {"a/**": "usr/share/a"}}),
        *({"remove": ["usr/**"]}, {"rename": {"?usr/**/y": "usr/y"}}, {"modes": {"usr/**": "0644"}}),
    ],
)
def test_two_stars_are_refused_where_a_shell_would_read_them_as_one(table: dict[str, Any]) -> None:
    said = refusals(install=table)
    assert any(message.endswith("to the shell that reads it, ** is no more than *") for message in said), said


def test_two_stars_are_right_elsewhere() -> None:
    a_template(stow={"copy": ["usr/**/a"], "ignore": ["usr/x/**"]}, subpackages={"dash-a": {"files": ["usr/**/b"]}})


@pytest.mark.parametrize("name", ["masterdir-skel", "accounts", "triggers"])
def test_names_of_the_farm_are_no_names_of_packages(name: str) -> None:
    with pytest.raises(TemplateError, match="1 problem") as caught:
        parse(name, text_of(name=name), "t")
    assert caught.value.diagnostics[0].message == f"name: want another name, xsrc keeps {name} for itself"
    (message,) = refusals(subpackages={name: {"files": ["usr"]}})
    assert message == f"subpackages.{name}: want another name, xsrc keeps {name} for itself"


@pytest.mark.parametrize("text", ["x:/:/bin/sh", "a\nroot::0:0::/:/bin/sh", "a\u2028b", "a\x85b", "a\0b", "a\rb"])
def test_no_field_of_etc_passwd_is_two(text: str) -> None:
    assert refusals(system_accounts=[{"name": "a", "desc": text}])
    assert refusals(system_accounts=[{"name": "a", "home": f"/{text}"}])
    assert refusals(system_accounts=[{"name": "a", "shell": f"/{text}"}])
    assert refusals(shells=[f"/{text}"])
    assert refusals(system_accounts=[{"name": "a", "groups": [text]}])
    fields: list[dict[str, Any]] = [{"desc": text}, {"home": f"/{text}"}, {"shell": f"/{text}"}, {"groups": (text,)}]
    for account in (*fields, {"name": text}):
        with pytest.raises(Unsound):
            Account(**{"name": "a", **account})
    with pytest.raises(Unsound):
        Rules(shells=(f"/{text}",))


@pytest.mark.parametrize("link", ["/var/db/xsrc", "/var/db/xsrc/x", "/var/db", "/var", "/pkg-destdir", "/pkg-base/x"])
def test_no_alternative_is_in_a_place_of_xsrc(link: str) -> None:
    (message,) = refusals(alternatives=[{"group": "g", "link": link, "target": "/usr/bin/x"}])
    assert message.endswith("it is a place of xsrc itself")
    with pytest.raises(Unsound):
        Alternative("g", link, "/usr/bin/x")


@pytest.mark.parametrize("key", ["env", "flags", "vars", "configure_args", "phases", "test", "make_cmd"])
def test_no_text_has_a_nul(key: str) -> None:
    value: Any = {"env": {"A": "a\0"}, "flags": {"A": "\0"}, "vars": {"A": "a\0b"}, "phases": {"do_build": "a\0"}}
    value = value.get(key, ["a\0"] if key == "configure_args" else "a\0")
    (message,) = refusals(**{key: value})
    assert "want no NUL character" in message
