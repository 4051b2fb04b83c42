"""templates/README.md held against the truth: what it quotes and names is there, what it says is said."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.unit.builders import X86_64
from xsrc.commands.main import VERBS, parse
from xsrc.commands.verb import Verb
from xsrc.core.errors import TemplateError
from xsrc.core.schema import List, Table
from xsrc.core.settings import SITES
from xsrc.tree.format import KEYS
from xsrc.tree.resolve import refusal, resolve
from xsrc.tree.template import parse as parse_template

TREE = Path(__file__).resolve().parents[3]
TEMPLATES = TREE / "templates"
PAGE = (TEMPLATES / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)(?: long)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
DASH = (TEMPLATES / "dash/template.toml").read_text()

QUOTES = re.findall(
    r"`templates/([^/`]+)/template\.toml`[^\n]*:\n\n```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)
"""Names of templates, each with what the page quotes of it; `…` stands for lines left out."""


def commands() -> list[list[str]]:
    """The words of every command of xsrc that the page names, whole or in a sentence."""
    texts = [text for kind, text in BLOCKS if kind in ("console", "sh")]
    lines = [line.removeprefix("$ ").partition("  #")[0] for text in texts for line in text.splitlines()]
    lines += re.findall(r"`(xsrc [^`]*)`", re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL))
    return [shlex.split(line)[1:] for line in lines if line.startswith("xsrc ")]


def test_it_can_be_read_in_an_hour() -> None:
    assert PAGE.count("\n") < 400 and max(map(len, PAGE.splitlines())) < 300


def test_templates_are_quoted_as_they_are() -> None:
    assert [name for name, _ in QUOTES] == ["dash", "file", "lua", "perl"]
    for name, quoted in QUOTES:
        text = (TEMPLATES / name / "template.toml").read_text()
        assert (text == quoted) if name == "dash" else all(part in text for part in quoted.split("…\n")), name


def test_patches_are_quoted_as_they_are() -> None:
    patches = {path.read_text().rstrip() for path in TEMPLATES.glob("*/patches/*.patch")}
    quoted = [text.rstrip() for kind, text in BLOCKS if kind == "diff"]
    assert quoted and set(quoted) <= patches


def test_other_fragments_are_good() -> None:
    others = {text for kind, text in BLOCKS if kind == "toml"} - {quoted for _, quoted in QUOTES}
    assert others
    for text in others:
        parse_template("dash", f"{DASH}\n{text}", "template.toml")


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_and_flag_exists(words: list[str]) -> None:
    assert words[0] in VERBS
    assert isinstance(parse(words), Verb)


def test_every_key_is_in_the_table_in_its_order() -> None:
    table = PAGE.partition("| key | means |\n")[2].partition("\n\n")[0]
    named = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert named == list(KEYS)


@pytest.mark.parametrize("path", re.findall(r"`(xsrc/[^`]*)`", PAGE) or [""])
def test_every_path_is_there(path: str) -> None:
    assert (TREE / path).exists()


def test_every_site_is_listed() -> None:
    """Once one had to read the program to find them."""
    listed = dict(re.findall(r"^\| `\{(\w+)\}` \| (.*) \|$", PAGE, re.MULTILINE))
    assert {name: listed.get(name) for name in SITES} == dict(SITES)
    assert set(listed) - set(SITES) == {"DEBIAN_SITE", "PYPI_SITE"}


def test_every_key_of_a_distfile_is_explained() -> None:
    table = PAGE.partition("| key of `[[distfiles]]` | means |\n")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    kind = KEYS["distfiles"]
    assert isinstance(kind, List) and isinstance(kind.of, Table)
    assert named == set(kind.of.keys)


def test_every_style_it_names_is_there() -> None:
    names = re.findall(r"`([a-z0-9-]+)`", PAGE.partition("Others: ")[2].partition(" builds nothing")[0])
    assert len(names) > 5
    for name in names:
        assert (TREE / f"xsrc/build/styles/{name}.toml").exists(), name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("shells =", 'makedepend = ["zlib"]\nshells ='),
        ('["/usr/bin/dash"]', '"/usr/bin/dash"'),
        ('license = "BSD-3-Clause"\n', ""),
        ("revision = 1", "revision = "),
        ('"POSIX-compliant', '"A POSIX-compliant'),
        ('28a"', '28"'),
        ("dash-{version}.tar", "dash-{Version}.tar"),
        ("shells =", 'broken = "does not compile with gcc 12"\nshells ='),
        ("shells =", 'archs = ["aarch64*"]\nshells ='),
    ],
)
def test_what_reading_says_is_in_the_table(old: str, new: str) -> None:
    assert old in DASH
    with pytest.raises(TemplateError) as caught:
        package = resolve(parse_template("dash", DASH.replace(old, new, 1), "template.toml"), X86_64)
        error = refusal(package)
        raise error or AssertionError("nothing is wrong with it")
    (problem,) = caught.value.diagnostics
    assert f"| `{problem.message}` |" in PAGE
