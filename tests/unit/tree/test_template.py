"""Reading a template: what is right parses, and everything that is wrong is told with its place."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.builders import MINIMUM, SHA, a_template, document, text_of
from xsrc.core.braces import interpolate
from xsrc.core.errors import TemplateError
from xsrc.core.schema import quoted
from xsrc.tree.template import Template, parse

DASH = """\
name = "dash"
version = "0.5.12"
revision = 1
short_desc = "POSIX-compliant Unix shell, much smaller than bash"
license = "BSD-3-Clause"
homepage = "http://gondor.apana.org.au/~herbert/dash/"
build_style = "gnu-configure"
make_check = "upstream ships no test suite"
shells = ["/usr/bin/dash"]

[[distfiles]]
url = [
  "http://gondor.apana.org.au/~herbert/dash/files/dash-{version}.tar.gz",
  "{DEBIAN_SITE}/main/d/dash/dash_{version}.orig.tar.gz",
]
sha256 = "6a474ac46e8b0b32916c4c60df694c82058d3297d8b385b74508030ca4a8f28a"

[options.libedit]
desc = "Line editing with libedit"
default = false
configure = { on = ["--with-libedit"], off = ["--without-libedit"] }
makedepends = ["libedit"]

[install]
license = ["COPYING"]
"""


def told(text: str, name: str = "dash") -> list[str]:
    """The diagnostics of a template as `line:column: message`."""
    with pytest.raises(TemplateError) as caught:
        parse(name, text, "t")
    return [f"{d.span.line}:{d.span.column}: {d.message}" for d in caught.value.diagnostics]


def told_of(**keys: Any) -> list[str]:
    """The messages of a right template with `keys` set."""
    return [line.split(": ", 1)[1] for line in told(text_of(**keys))]


def test_the_example_of_the_format_parses() -> None:
    template = parse("dash", DASH, "templates/dash/template.toml", {"a.patch": SHA}, {"dash.conf": SHA})
    assert template.name == "dash"
    assert template.raw["distfiles"][0]["url"][1] == "{DEBIAN_SITE}/main/d/dash/dash_{version}.orig.tar.gz"
    assert template.raw["options"]["libedit"]["configure"]["off"] == ["--without-libedit"]
    assert template.patches == {"a.patch": SHA}
    assert template.files == {"dash.conf": SHA}
    assert str(template.span("distfiles", 0, "sha256")) == "templates/dash/template.toml:16:1"
    assert template.span("version", value=True).column == 11


BROKEN = """\
name = "dosh"
version = "0.5-12"
revision = 0
short_desc = "a shell."
licence = "BSD-3-Clause"
homepage = "http://gondor.apana.org.au/~herbert/dash/"
build_style = "gnu-configure"
nostrip = 1

[[distfiles]]
url = "http://gondor.apana.org.au/dash-{verison}.tar.gz"
  sha256 = "6a474ac46e8b0b32916c4c60df694c82058d3297d8b385b74508030ca4a8f28"

[options.libedit]
makedepends = ["libedit", "-x"]
"""


# Once what only several keys can tell was not told while a single one was wrong.
def test_ten_problems_give_these_ten_diagnostics() -> None:
    assert told(BROKEN) == [
        '1:1: name: want "dash" like the folder, got "dosh"',
        "1:1: license: missing",
        '2:1: version: want a version with a digit, without - and _, got "0.5-12"',
        "3:1: revision: want a whole number from 1 on, got 0",
        '4:1: short_desc: want text with a capital first, no article and no final dot, got "a shell."',
        "5:1: licence: unknown key",
        "8:1: nostrip: want true, false or the reason as a string or a list, each a path or glob below the destdir, "
        "? in front when it may match nothing, got 1",
        "11:1: distfiles[0].url: want one of name, version, got {verison}",
        "12:3: distfiles[0].sha256: want 64 hex digits, got 63",
        "14:10: options.libedit.desc: missing",
        "15:27: options.libedit.makedepends[1]: want a package name, perhaps with >=VERSION or >=VERSION<VERSION, "
        'got "-x"',
    ]


# Once a table with one wrong value counted as not there, and all that named its other values was told to be wrong.
def test_one_problem_does_not_make_others() -> None:
    options = {"libedit": {"default": True}, "gui": {"desc": "Windows", "conflicts": ["libedit"]}}
    assert told_of(options=options, when=[{"if": {"option": ["gui", "libedit"]}}]) == ["options.libedit.desc: missing"]
    assert told_of(vars={"x": 1, "y": "a"}, env={"A": "{vars.y}{vars.x}"}) == ["vars.x: want a string, got 1"]
    assert told_of(version="1-1", env={"A": "{version}"}) == [
        'version: want a version with a digit, without - and _, got "1-1"'
    ]


def test_ten_problems_of_single_keys() -> None:
    lines = told(BROKEN)
    assert '1:1: name: want "dash" like the folder, got "dosh"' in lines
    assert "12:3: distfiles[0].sha256: want 64 hex digits, got 63" in lines
    assert len([line for line in lines if "verison" not in line]) == 10


def test_hints() -> None:
    with pytest.raises(TemplateError) as caught:
        parse("dash", BROKEN, "t")
    assert {d.message: d.hint for d in caught.value.diagnostics}["licence: unknown key"] == "did you mean license?"


def test_the_form_of_a_diagnostic() -> None:
    text = DASH.replace('28a"', '28"')
    with pytest.raises(TemplateError) as caught:
        parse("dash", text, "templates/dash/template.toml")
    assert caught.value.code == 3
    assert caught.value.render() == [
        "templates/dash/template.toml:16:1: error: distfiles[0].sha256: want 64 hex digits, got 63",
        '   16 | sha256 = "6a474ac46e8b0b32916c4c60df694c82058d3297d8b385b74508030ca4a8f28"',
        "      | ^^^^^^",
    ]


def test_a_file_that_is_no_toml() -> None:
    assert told('name = "dash\nversion = 1\n') == ["1:13: not valid TOML: illegal character '\\n'"]


@pytest.mark.parametrize("missing", ["name", "version", "revision", "short_desc", "license", "homepage", "build_style"])
def test_each_required_key(missing: str) -> None:
    assert f"{missing}: missing" in told_of(**{missing: None})


def test_an_empty_file_misses_them_all() -> None:
    assert told("") == [
        f"1:1: {key}: missing"
        for key in ("name", "version", "revision", "short_desc", "license", "homepage", "build_style")
    ]


def test_keys_that_need_not_be_there() -> None:
    assert parse("dash", text_of(), "t").raw == MINIMUM


def test_name_like_the_folder() -> None:
    assert told(text_of(name="bash")) == ['1:1: name: want "dash" like the folder, got "bash"']


@pytest.mark.parametrize("version", ["1", "0.5.12", "1.0rc1", "2024.01.02", "r100", "1.0~beta", "1+git5"])
def test_versions(version: str) -> None:
    assert a_template(version=version).raw["version"] == version


@pytest.mark.parametrize("version", ["", "abc", "1.0-1", "1_0", "1 0", "1:2", "{name}1"])
def test_wrong_versions(version: str) -> None:
    assert told_of(version=version) == [f'version: want a version with a digit, without - and _, got "{version}"']


@pytest.mark.parametrize("name", ["dash", "gtk+", "libstdc++", "7zip", "R", "python3-foo", "foo.bar", "foo_bar"])
def test_names(name: str) -> None:
    assert a_template(name).name == name


@pytest.mark.parametrize("name", ["", "-dash", ".dash", "da sh", "da/sh", "dash!", "ä"])
def test_wrong_names(name: str) -> None:
    assert f'name: want a package name, got "{name}"' in [
        line.split(": ", 1)[1] for line in told(text_of(name=name), name)
    ]


DESC = "short_desc: want text with a capital first, no article and no final dot, got "


@pytest.mark.parametrize(
    "text", ["Small shell", "7-Zip archiver", "X" * 72, "Anagram finder", "Theory of sets", "GNU m4"]
)
def test_short_desc(text: str) -> None:
    assert a_template(short_desc=text).raw["short_desc"] == text


@pytest.mark.parametrize(
    "text", ["small shell", "Small shell.", "A shell", "An editor", "The shell", "", " Shell", "Shell "]
)
def test_wrong_short_desc(text: str) -> None:
    assert told_of(short_desc=text) == [f'{DESC}"{text}"']


def test_short_desc_of_two_lines() -> None:
    assert len(told_of(short_desc="Small\nshell")) == 1


def test_long_short_desc() -> None:
    assert told_of(short_desc="X" * 73) == ["short_desc: want at most 72 characters, got 73"]


@pytest.mark.parametrize(
    "text",
    [
        "MIT",
        "GPL-2.0-or-later",
        "GPL-2.0+",
        "MIT OR Apache-2.0",
        "(MIT OR Apache-2.0) AND BSD-3-Clause",
        "BSD-3-Clause AND (MIT OR Apache-2.0)",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "LicenseRef-public-domain",
    ],
)
def test_license(text: str) -> None:
    assert a_template(license=text).raw["license"] == text


@pytest.mark.parametrize(
    "text", ["", "MIT, ISC", "BSD 3 clause", "MIT AND", "AND MIT", "MIT or ISC", "MIT  OR ISC", "GPL/MIT"]
)
def test_wrong_license(text: str) -> None:
    assert told_of(license=text) == [f'license: want an SPDX expression, got "{text}"']


# Once parentheses were not counted.
@pytest.mark.parametrize("text", ["(MIT", "MIT)", "((MIT) OR ISC", "MIT OR (ISC AND X11))"])
def test_license_with_odd_parentheses(text: str) -> None:
    assert told_of(license=text) == [f'license: want an SPDX expression, got "{text}"']


def distfile(**keys: Any) -> dict[str, Any]:
    whole = {"url": "https://example.org/a.tar.gz", "sha256": SHA, **keys}
    return {key: value for key, value in whole.items() if value is not None}


@pytest.mark.parametrize(
    ("sha256", "message"),
    [
        (SHA[1:], "want 64 hex digits, got 63"),
        (SHA + "0", "want 64 hex digits, got 65"),
        (SHA[1:] + "g", "want 64 hex digits in lower case, got 'g' among them"),
        (SHA.upper(), "want 64 hex digits in lower case, got 'ABCDEF' among them"),
        ("", "want 64 hex digits, got 0"),
        (1, "want 64 hex digits, got 1"),
    ],
)
def test_wrong_sha256(sha256: object, message: str) -> None:
    assert told_of(distfiles=[distfile(sha256=sha256)]) == [f"distfiles[0].sha256: {message}"]


def test_no_distfile_without_checksum_or_address() -> None:
    assert told_of(distfiles=[distfile(), distfile(sha256=None)]) == [
        "distfiles[1].sha256: missing: no distfile without a checksum"
    ]
    assert told_of(distfiles=[distfile(url=None)]) == ["distfiles[0].url: missing"]


# Once: "want a list … or …, got a list".
def test_a_distfile_with_an_empty_list_of_addresses() -> None:
    assert told_of(distfiles=[distfile(url=[])]) == ["distfiles[0].url: want at least 1 of them, got 0"]


def test_distfiles_of_a_condition_are_checked_too() -> None:
    assert told_of(when=[{"if": {}}, {"if": {"libc": "musl"}, "distfiles": [distfile(sha256=None, url=None)]}]) == [
        "when[1].distfiles[0].url: missing",
        "when[1].distfiles[0].sha256: missing: no distfile without a checksum",
    ]


def test_git_distfile_wants_a_commit() -> None:
    git = {"git": "https://example.org/dash.git", "sha256": SHA}
    assert told_of(distfiles=[git]) == ["distfiles[0].commit: missing: a git distfile is pinned by its commit"]
    assert a_template(distfiles=[{**git, "commit": SHA[:40]}]).raw["distfiles"][0]["commit"] == SHA[:40]
    assert told_of(distfiles=[{"git": git["git"], "commit": SHA[:40]}]) == [
        "distfiles[0].sha256: missing: no distfile without a checksum"
    ]


def test_a_distfile_is_of_an_address_or_of_a_commit() -> None:
    git = {"git": "https://example.org/dash.git", "commit": SHA[:40], "sha256": SHA}
    both = "a distfile has url, or git and commit"
    assert told_of(distfiles=[{**git, "url": "https://x.org/a"}]) == [f"distfiles[0].url: {both}"]
    assert told_of(distfiles=[distfile(commit=SHA[:40])]) == [f"distfiles[0].commit: {both}"]


@pytest.mark.parametrize("git", ["file:///srv/a.git", "ssh://x.org/a", "x.org:a.git", "ext::sh -c id", "-u", "/srv/a"])
def test_git_is_asked_over_the_network_without_anybodys_keys(git: str) -> None:
    (said,) = told_of(distfiles=[{"git": git, "commit": SHA[:40], "sha256": SHA}])
    assert said.startswith("distfiles[0].git: want a list, each an https, http or git address")


def test_a_distfile_after_one_of_git_is_checked_too() -> None:
    git = {"git": "https://example.org/dash.git", "commit": SHA[:40], "sha256": SHA}
    assert told_of(distfiles=[git, distfile(url=None)]) == ["distfiles[1].url: missing"]


@pytest.mark.parametrize("url", ["https://x.org/a", "http://x.org/a", "{GNU_SITE}/m4/m4-{version}.tar.gz"])
def test_addresses(url: str) -> None:
    assert a_template(distfiles=[distfile(url=url)]).raw["distfiles"][0]["url"] == url
    assert a_template(distfiles=[distfile(url=[url, url])])


@pytest.mark.parametrize("url", ["", "a.tar.gz", "ftp://x.org/a", "file:///etc/passwd", "/etc/passwd"])
def test_wrong_addresses(url: str) -> None:
    want = "distfiles[0].url: want a list, each an http or https address or one that begins with {SITE} or an http or"
    (message,) = told_of(distfiles=[distfile(url=url)])
    assert message == f'{want} https address or one that begins with {{SITE}}, got "{url}"'
    (inner,) = told_of(distfiles=[distfile(url=["https://x.org/a", url])])
    assert inner == f'distfiles[0].url[1]: want an http or https address or one that begins with {{SITE}}, got "{url}"'


@pytest.mark.parametrize("name", ["", "a/b", "../a", ".", ".."])
def test_distfile_names_stay_in_their_folder(name: str) -> None:
    (message,) = told_of(distfiles=[distfile(name=name)])
    assert message.startswith(f'distfiles[0].name: want a file name, got "{name}": it ')


@pytest.mark.parametrize(
    "path", ["/a", "..", "../a", "a/..", "a/../b", "", "a/b/../../..", ".", "a/.", "a//b", "a/", "a\n/../../x", "a\tb"]
)
def test_paths_that_lead_out(path: str) -> None:
    (message,) = told_of(build_wrksrc=path)
    assert message.startswith(f"build_wrksrc: want a relative path without .., got {quoted(path)}: it ")


@pytest.mark.parametrize("path", ["a", "a/b", "a..b", "..a", "a../b"])
def test_paths_that_stay_inside(path: str) -> None:
    assert a_template(build_wrksrc=path).raw["build_wrksrc"] == path


def test_meta_has_no_sources() -> None:
    assert told_of(build_style="meta", distfiles=[distfile()]) == ["distfiles: the build style meta has no sources"]


def test_unknown_word_in_braces() -> None:
    assert told(text_of(configure_args=["--x={nmae}", "--y={name}"])) == [
        "8:19: configure_args[0]: want one of name, version, got {nmae}"
    ]
    assert told_of(vars={"major": "1"}, env={"X": "{vars.mjaor}"}) == [
        "env.X: want one of name, version, vars.major, got {vars.mjaor}"
    ]
    assert told_of(make_build_args=["{}"]) == ["make_build_args[0]: want one of name, version, got {}"]


# The build fills in names of tables too; once only their values were looked at.
def test_unknown_word_in_a_name_of_a_table() -> None:
    assert told(text_of(install={"files": {"{name}.1": "a", "{nmae}.1": "b"}})) == [
        "8:41: install.files.{nmae}.1: want one of name, version, got {nmae}"
    ]


def test_unknown_word_has_a_hint() -> None:
    with pytest.raises(TemplateError) as caught:
        parse("dash", text_of(configure_args=["{nmae}", "{print}"]), "t")
    assert [d.hint for d in caught.value.diagnostics] == [
        "did you mean name?",
        "write {{ and }} for braces that mean themselves",
    ]


def test_words_that_mean_something() -> None:
    assert a_template(vars={"x": "1"}, configure_args=["{name}{version}{vars.x}{FOO_SITE}", "{{print}}", "a}b"])


def test_scripts_and_patterns_have_braces_of_their_own() -> None:
    phases = {"do_build": "awk '{print}' ${x}"}
    update = {"pattern": "[0-9]{3}"}
    a_template(phases=phases, update=update, lint={"ignore": {"x": "{y}"}})
    a_template(when=[{"if": {}, "phases": phases, "update": update}])


def test_braces_in_a_condition_are_checked() -> None:
    assert told_of(when=[{"if": {}, "env": {"A": "{x}"}}]) == ["when[0].env.A: want one of name, version, got {x}"]


def test_options_that_are_not_there() -> None:
    options = {"gui": {"desc": "Windows", "conflicts": ["cil"]}, "cli": {"desc": "None"}}
    assert told_of(options=options) == ['options.gui.conflicts[0]: no option "cil"']
    assert told_of(when=[{"if": {"option": "gui"}}]) == ['when[0].if.option: no option "gui"']
    assert told_of(options={"cli": {"desc": "None"}}, when=[{"if": {"not": {"option": ["cli", "gui"]}}}]) == [
        'when[0].if.not.option: no option "gui"'
    ]


@pytest.mark.parametrize("key", ["name", "version", "revision", "options", "when", "subpackages"])
def test_what_a_condition_cannot_change(key: str) -> None:
    value = {"name": "dash", "version": "2", "revision": 2}.get(key, {})
    assert f"when[0].{key}: unknown key" in told_of(when=[{"if": {}, key: value}])


def test_a_condition_wants_its_if() -> None:
    assert told_of(when=[{"env": {}}]) == ["when[0].if: missing"]
    assert told_of(when=[{"if": {"libc": "bionic"}}]) == [
        'when[0].if.libc: want one of glibc, musl or a list, each one of glibc, musl, got "bionic"'
    ]
    assert told_of(when=[{"if": {"architecture": "x"}}]) == ["when[0].if.architecture: unknown key"]


@pytest.mark.parametrize(
    "pattern", ["foo>=", "foo>=1_x", "foo>=_", "foo >= 1", "foo=>1", "-foo", "foo>=1-1", ">=1", ""]
)
def test_wrong_patterns(pattern: str) -> None:
    want = f'depends[0]: want a package name, perhaps with >=VERSION or >=VERSION<VERSION, got "{pattern}"'
    assert told_of(depends=[pattern]) == [want]


@pytest.mark.parametrize("pattern", ["foo", "foo>=1.2", "foo<2_1", "foo-bar=1.0rc1", "g++>9"])
def test_patterns(pattern: str) -> None:
    assert a_template(depends=[pattern]).raw["depends"] == [pattern]


def test_need_finds_where_a_dependency_is_declared() -> None:
    template = parse("dash", DASH, "t")
    assert template.need("makedepends", "libedit") == ("options", "libedit", "makedepends", 0)
    assert template.need("depends", "libedit") == ("depends",)
    text = document({**MINIMUM, "makedepends": ["libx11", "zlib>=1.2", "libx"]})
    assert parse("dash", text, "t").need("makedepends", "zlib") == ("makedepends", 1)


# Once a name was taken for a longer one that begins with it.
def test_need_tells_names_apart_that_begin_alike() -> None:
    text = document({**MINIMUM, "makedepends": ["libx11", "libx>=1", "libx"]})
    assert parse("dash", text, "t").need("makedepends", "libx") == ("makedepends", 1)


def test_error_stands_at_its_key() -> None:
    error = parse("dash", DASH, "t").error(("options", "libedit", "makedepends"), "no such thing", "look")
    assert error.render()[0] == "t:22:1: error: no such thing"
    assert error.render()[-1] == "  hint: look"


def test_a_template_is_frozen() -> None:
    template: Template = a_template()
    with pytest.raises(TypeError):
        template.raw["name"] = "x"  # type: ignore[index]


def test_interpolate() -> None:
    names = {"name": "m4", "version": "1.4", "vars.x": "y"}
    assert interpolate("{name}-{version}{vars.x}", names) == "m4-1.4y"
    assert interpolate("{GNU_SITE}/{name}", names) == "{GNU_SITE}/m4"
    assert interpolate("{{name}} }}", names) == "{name} }"
    assert interpolate({"{name}": [True, 1, "{name}"]}, names) == {"m4": [True, 1, "m4"]}
    assert interpolate("{name", names) == "{name"


# Once the second of two licences of one name took the place of the first (lz4).
@pytest.mark.parametrize("key", ["license", "bin", "man", "doc", "conf", "completion", "service"])
def test_two_files_of_one_name_are_not_put_in_one_place(key: str) -> None:
    assert told_of(install={key: ["LICENSE", "?lib/LICENSE"]}) == [
        f'install.{key}[1]: "lib/LICENSE" would replace "LICENSE"'
    ]
    assert told_of(when=[{"if": {"libc": "musl"}, "install": {key: ["a/x", "b/x"]}}])[0].startswith("when[0].install")
    a_template(install={key: ["LICENSE", "LICENSE.lib", "LICENSE", "lib/*", "src/*"]})
