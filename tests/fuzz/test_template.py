"""Whatever stands in a template: it parses, or it is told what is wrong; never anything else."""

from __future__ import annotations

import copy
import tomllib
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.build.test_steps import leaves
from tests.unit.builders import a_package, style_programs, style_texts, text_of, toml
from tests.unit.tree.test_format import EVERY
from xsrc.build.styles.expand import parse_styles, scripts, style_of
from xsrc.core import spans
from xsrc.core.arch import Arch
from xsrc.core.errors import Diagnostic, SettingsError, TemplateError, UsageError
from xsrc.core.settings import Settings
from xsrc.tree.resolve import resolve
from xsrc.tree.template import Template, parse

STYLES = parse_styles(style_texts(), style_programs())
PACKAGE = a_package(configure_args=["--x"], make_build_args=["V=1"])
MACHINES = [Arch.named(name) for name in ("x86_64", "i686-musl", "s390x")]
VALID = text_of(**EVERY)
LINED = "\n".join(
    [
        'name = "dash" # a comment',
        'version = "0.5"',
        "revision = 1",
        'short_desc = "Small shell"',
        'license = "MIT"',
        'homepage = "https://example.org"',
        'build_style = "gnu-makefile"',
        "[[distfiles]]",
        'url = ["https://example.org/{name}", """{GNU_SITE}/x"""]',
        f'sha256 = "{"0" * 64}"',
        "[options.libedit]",
        'desc = "Line editing"',
        'configure = { on = ["--with"], off = [] }',
        "[[when]]",
        'if = { arch = "x86_64*", not = { option = "libedit" } }',
        "env.A = '''x'''",
        "[phases]",
        'do_build = """\nmake\n"""',
    ]
)


def check(diagnostic: Diagnostic, text: str) -> None:
    """A diagnostic can be printed and found: one line, in the file."""
    span = diagnostic.span
    lines = text.replace("\r\n", "\n").split("\n")
    assert not [c for c in diagnostic.message if category(c) == "Cc"], "control characters, or more than one line"
    assert span.file == "t"
    if span.line:
        assert 1 <= span.line <= len(lines)
        assert 1 <= span.column <= len(lines[span.line - 1]) + 1
        assert span.text == lines[span.line - 1]
        assert span.length >= 1
    assert diagnostic.render()[0].startswith("t")


def read(text: str) -> Template | None:
    """The template, or None after a look at what is told of it."""
    try:
        template = parse("dash", text, "t")
    except TemplateError as error:
        assert error.diagnostics
        assert list(error.diagnostics) == sorted(error.diagnostics, key=lambda d: d.span)
        for diagnostic in error.diagnostics:
            check(diagnostic, text)
        return None
    assert template.name == template.raw["name"] == "dash"
    return template


def use(template: Template) -> None:
    """Take a template as far as its scripts; only what a user can mend may be in the way."""
    options = list(template.raw.get("options", {}))
    for arch in MACHINES:
        for wanted in ([], options, [f"~{option}" for option in options]):
            try:
                package = resolve(template, arch, wanted)
                run = scripts(package, style_of(package, STYLES), "tidy")
            except (TemplateError, UsageError) as error:
                assert error.render()
                continue
            assert str(package.pkgver).startswith("dash-")
            assert all(part.text for parts in run.values() for part in parts)


@settings(max_examples=250)
@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    read(text)


TOKENS = (
    *(
        "name",
        "version",
        "url",
        "when",
        "if",
        "distfiles",
        "options",
        "x",
        "1",
        "-1",
        "1.5",
        "true",
        "1979-05-27",
        "inf",
    ),
    *(
        "=",
        ".",
        ",",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "#",
        " ",
        "\n",
        "\r\n",
        "\t",
        '"',
        "'",
        '"""',
        "'''",
        "\\",
        "\\u0041",
    ),
    *(
        '"dash"',
        "'{name}'",
        '"{x}"',
        "= 1\n",
        '= "a"\n',
        "[when]\n",
        "[[when]]\n",
        "if = {}\n",
        "\x1b",
        "\x9b",
        "é",
        "\u2028",
    ),
)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(TOKENS), max_size=25).map("".join))
def test_text_of_toml_like_pieces(text: str) -> None:
    read(text)
    read("a = 1\n" + text)


@settings(max_examples=250)
@given(st.integers(0, len(LINED)), st.integers(0, 12), st.sampled_from(("", *TOKENS)))
def test_a_right_text_with_a_piece_replaced(at: int, gone: int, token: str) -> None:
    if (template := read(LINED[:at] + token + LINED[at + gone :])) is not None:
        use(template)


LEAVES = [*leaves(EVERY), *((key,) for key in EVERY)]
VALUES: tuple[Any, ...] = (
    *(
        "",
        "x",
        "X",
        "-x",
        "../x",
        "/x",
        "{name}",
        "{vars.major}",
        "{vars.x}",
        "{{",
        "{}",
        "a b",
        "a\nb",
        "\x1b[31m",
        "\x9b31m",
        "é" * 80,
    ),
    *(
        "foo>=1",
        "foo>=1_x",
        "gnu-configure",
        "meta",
        "x86_64",
        "glibc",
        "libedit",
        "~libedit",
        "a.patch",
        "0755",
        "9" * 40,
    ),
    *(0, 1, -1, 64, 2**31, 10**30, True, False, 1.5),
    *([], ["x"], [["x"]], [{}], [1], ["x", "x"], {}, {"x": "y"}, {"x": 1}, {"": ""}, {"x": {"desc": "Z"}}, {"if": {}}),
)


def replaced(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    whole = copy.deepcopy(EVERY)
    at: Any = whole
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    return whole


@settings(max_examples=180)
@given(st.sampled_from(LEAVES), st.sampled_from(VALUES))
def test_a_right_template_with_a_value_replaced(path: tuple[str | int, ...], value: Any) -> None:
    if (template := read(text_of(**replaced(path, value)))) is not None:
        use(template)


@settings(max_examples=15)
@given(
    st.sampled_from([path for path in LEAVES if path[0] in ("vars", "env", "distfiles", "install", "options", "when")])
)
def test_words_that_lead_anywhere(path: tuple[str | int, ...]) -> None:
    for word in ("../../x", "", "'; reboot #"):
        whole = replaced(path, "{vars.evil}")
        whole["vars"] = {"major": "0", "evil": word}
        if (template := read(text_of(**whole))) is not None:
            use(template)


def test_the_templates_of_these_tests_are_right() -> None:
    assert read(VALID) is not None
    lined = read(LINED)
    assert lined is not None
    use(lined)


# ---- settings and styles, which are read by the same loader

SETTINGS_TEXT = """\
jobs = 3
masterdir = "/m"
[flags]
CFLAGS = "-O2"
[sites]
GNU_SITE = "https://g"
[options]
dash = ["a", "~b"]
[limits]
seconds = 1
"""
STYLE_TEXT = """\
inherit = "gnu-makefile"
tools = ["make"]
env.A = "1"
[defaults]
make_cmd = "make"
configure_args = ["-a"]
[phases]
configure = [["{configure_script}", "{*configure_args}"]]
build = [["{make_cmd}", "-j{jobs}", "{*make_build_target}", "x"]]
"""
WORDS = (
    "{*jobs}",
    "{jobs}",
    "{configure_args}",
    "{*make_cmd}",
    "x{*make_build_args}",
    "{",
    "}",
    "{}",
    "{*}",
    "one",
    "''",
)


def damaged(text: str, at: int, gone: int, piece: str) -> str:
    at %= len(text) + 1
    return text[:at] + piece + text[at + gone :]


@settings(max_examples=200)
@given(st.integers(0, 999), st.integers(0, 15), st.sampled_from(("", *TOKENS)))
def test_whatever_stands_in_settings(at: int, gone: int, piece: str) -> None:
    text = damaged(SETTINGS_TEXT, at, gone, piece)
    try:
        read_settings = Settings().over("t", text)
    except SettingsError as error:
        for diagnostic in error.diagnostics:
            check(diagnostic, text)
    else:
        assert read_settings.jobs is None or read_settings.jobs >= 1


@settings(max_examples=120)
@given(st.integers(0, 999), st.integers(0, 15), st.sampled_from(("", *TOKENS, *WORDS)), st.sampled_from(("", *WORDS)))
def test_whatever_stands_in_a_style(at: int, gone: int, piece: str, word: str) -> None:
    text = damaged(STYLE_TEXT.replace('"x"', f'"{word}"'), at, gone, piece)
    try:
        styles = parse_styles({**style_texts(), "one": text}, style_programs())
    except TemplateError as error:
        assert error.diagnostics
        for diagnostic in error.diagnostics:
            assert diagnostic.span.file == "styles/one.toml"
        return
    for parts in scripts(PACKAGE, styles["one"], "tidy").values():
        lists = [repr(value) for value in styles["one"].defaults.values() if value and isinstance(value, list)]
        assert not any(text in part.text for text in lists for part in parts), "a list of Python in a script"
        if "{*" not in text.partition("[phases]")[0]:  # values are taken as they are, only words are filled in
            assert all("{*" not in part.text for part in parts if part.name.startswith("one-")), "not filled in"


# ---- places

scalars = st.one_of(
    st.booleans(),
    st.integers(-99, 99),
    st.text("ab\"'\\#=[]{}.,\n é", max_size=6),
    st.sampled_from((1.5, float("inf"))),
)
keys = st.text("ab .\"'=#[]", min_size=1, max_size=4).filter(lambda key: key != "=")  # which means the value, in places
values = st.recursive(
    scalars, lambda of: st.one_of(st.lists(of, max_size=3), st.dictionaries(keys, of, max_size=3)), max_leaves=8
)


def written(table: dict[str, Any], style: int, prefix: tuple[str, ...] = ()) -> str:
    """A table as TOML, with headers, arrays of tables, multi-line strings and comments as `style` has it."""
    rows, below = [], []
    for number, (key, value) in enumerate(table.items()):
        name = toml(key)
        header = ".".join(toml(part) for part in (*prefix, key))
        way = (style >> number % 8) & 1
        if way and isinstance(value, dict):
            below.append(f"[{header}] # [x]\n{written(value, style, (*prefix, key))}")
        elif way and isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            below += [f"[[{header}]]\n{written(item, style, (*prefix, key))}" for item in value]
        elif way and isinstance(value, str) and "'" not in value and "\n" not in value[:1]:
            rows.append(f"  {name} = '''{value}''' # {name} = 1\n")
        elif way and isinstance(value, list):
            rows.append(f"{name}=[ # [\n" + "".join(f"\t{toml(item)}, # ]\n" for item in value) + "]\n")
        else:
            rows.append(f"{name} = {toml(value)}\n")
    return "".join((*rows, *below))


@settings(max_examples=250)
@given(st.dictionaries(keys, values, max_size=4), st.integers(0, 255), st.booleans())
def test_every_key_and_value_has_its_place(table: dict[str, Any], style: int, crlf: bool) -> None:
    text = written(table, style)
    assert tomllib.loads(text) == table, "this test writes what it means"
    places = spans.places(text.replace("\n", "\r\n") if crlf else text)

    def look(value: Any, path: spans.KeyPath) -> None:
        if path:
            start, end = places[path]
            if isinstance(path[-1], str):
                assert tomllib.loads(f"{text[start:end]} = 1") == {path[-1]: 1}
            elif text[start - 2 : start] != "[[" and "." not in text[start - 1 : start]:
                assert tomllib.loads(f"x = {text[start:end]}") == {"x": value}
            if (*path, "=") in places:
                start, end = places[(*path, "=")]
                assert tomllib.loads(f"x = {text[start:end]}") == {"x": value}
        if isinstance(value, dict):
            for key, item in value.items():
                look(item, (*path, key))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                look(item, (*path, index))

    look(table, ())


@pytest.mark.parametrize("depth", [10, 100, 400, 2000])
def test_depth(depth: int) -> None:
    for text in (
        "a = " + "[" * depth + "]" * depth,
        "a = " + "{a=" * depth + "1" + "}" * depth,
        "a." * depth + "a = 1",
    ):
        assert read(text) is None
