"""What the command line refuses, in one line and with the nearest word; and what its help shows."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest

from xsrc.commands.help import EXAMPLES, GROUPS, all_help, verb_help
from xsrc.commands.main import VERBS, main, parse
from xsrc.commands.topics import formatted, titles, topic
from xsrc.commands.verb import Verb
from xsrc.commands.words import parse_pkgver
from xsrc.core.errors import UsageError
from xsrc.unix.ui import PlainUi


def verb_of(name: str) -> Verb:
    verb = parse((name, "--help"))
    assert isinstance(verb, Verb) and verb.help_wanted
    return verb


def refusal(*words: str) -> str:
    """All that a person sees of an error, in one string."""
    with pytest.raises(UsageError) as caught:
        parse(words)
    return "\n".join(caught.value.render())


@pytest.mark.parametrize("verb", [name for name in VERBS if verb_of(name).takes.most == 0])
def test_a_word_that_a_verb_does_not_use_is_refused(verb: str) -> None:
    """`xsrc gc --all --keep 0 ed` removed other packages than ed."""
    assert refusal(verb, "ed") == f"error: {verb} takes no names, got 'ed'\n  hint: xsrc {verb} [FLAG…]"


def test_the_verbs_that_take_no_word_are_known() -> None:
    assert {"gc", "verify", "history", "doctor", "list", "report", "autoremove"} <= {
        name for name in VERBS if verb_of(name).takes.most == 0
    }


@pytest.mark.parametrize("verb", ["rollback", "remove", "log"])
def test_a_word_too_many_is_refused(verb: str) -> None:
    takes = verb_of(verb).takes
    words = [str(number) for number in range((takes.most or 0) + 1)]
    assert f"{verb} takes only {takes.shown}, got {words[-1]!r}" in refusal(verb, *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("build", "--nostow", "dash"), "build: no flag --nostow\n  hint: did you mean --no-stow"),
        (("build", "-Z", "dash"), "build: no flag -Z\n  hint: xsrc help build"),
        (("build", "--cutoff", "extract", "dash"), "--cutoff: want one of exact, interface, soname, got 'extract'"),
        (("build", "--to", "instal", "dash"), "hint: did you mean install?"),
        (("build", "-j", "0", "dash"), "build: -j: want a number from 1 to 4096, got '0'"),
        (("build", "-j", "many", "dash"), "build: -j: want a number from 1 to 4096, got 'many'"),
        (("build", "--to"), "build: --to wants a value: --to PHASE"),
        (("build", "--all=yes"), "build: --all takes no value"),
        (("build", "--to", "fetch", "--to=fetch", "x"), "build: --to is given twice"),
        (("deps", "--tree", "--reverse", "x"), "does not go with --"),
        (("clean", "--keep-distfiles"), "clean: --keep-distfiles goes only with --masterdir"),
        (("-n", "build", "x"), "no flag -n\n  hint: flags of a command follow it: xsrc build -n"),
        (("list", "--base", "debian"), "list: no flag --base"),
        (("gc", "all"), "hint: did you mean --all"),
        (("buidl",), "no command 'buidl'\n  hint: did you mean build?"),
        (("--completions", "bash"), "no flag --completions"),
    ],
)
def test_a_wrong_flag_is_one_line_and_the_nearest_one(words: tuple[str, ...], said: str) -> None:
    """The message stood above 22 to 94 lines of help, with the names of classes of Python in it."""
    shown = refusal(*words)
    assert said in shown
    assert shown.count("\n") == 1 and not re.search(r"Error\(|<|Rung|usage:", shown)


def test_variables_of_a_completion_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_WORDS", "xsrc bui")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert isinstance(parse(("list",)), Verb)


@pytest.mark.parametrize("text", ["", "@", "@1", "dash@"])
def test_half_a_name_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="want NAME or NAME@VERSION"):
        parse_pkgver(text)


def test_a_package_can_be_named_as_list_prints_it() -> None:
    assert parse_pkgver("dash-0.5.12_1") == parse_pkgver("dash@0.5.12_1") == ("dash", "0.5.12_1")
    assert parse_pkgver("zlib-devel") == ("zlib-devel", None)


def shown_by(*words: str) -> list[str]:
    out = io.StringIO()
    assert main(words, PlainUi(out, out)) == 0
    return out.getvalue().splitlines()


def test_the_help_fits_a_screen_and_has_every_command_once() -> None:
    lines = list(all_help(VERBS, 80))
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    assert sorted(word for words in GROUPS.values() for word in words.split() if word in VERBS) == sorted(VERBS)
    assert shown_by() == shown_by("--help") == shown_by("help")
    for example in EXAMPLES:
        assert example.split()[0] not in VERBS or isinstance(parse(example.split()), Verb)


@pytest.mark.parametrize("name", VERBS)
def test_the_help_of_a_verb_begins_with_an_example_that_can_be_given(name: str) -> None:
    lines = shown_by("help", name)
    assert lines == shown_by(name, "--help")
    assert lines[0].startswith(f"$ xsrc {name}") and lines[2].startswith(f"usage: xsrc {name}")
    assert isinstance(parse([word.strip("'") for word in lines[0].partition("  #")[0].split()[2:]]), Verb)
    assert not any(word in "\n".join(lines) for word in ("Prints", "the default is", "given multiple"))
    verb = verb_of(name)
    assert set(verb.more.split()) <= set(titles())
    assert all(len(line) <= 60 for line in verb_help(verb, 60) if not line.startswith(("$", "usage")))
    assert ("--base" in "\n".join(lines)) == hasattr(verb, "base")


def test_the_help_of_nothing_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        shown_by("help", "biuld")
    assert caught.value.hint and caught.value.hint.startswith("did you mean build")


@pytest.mark.parametrize("name", titles())
@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_topic_is_readable_at_every_width(name: str, width: int) -> None:
    lines = list(formatted(topic(name), width))
    tables = [line for line in lines if len(line) > width and not line.startswith("    ")]
    assert lines and not tables
    assert not any(re.search(r"\*\*\w", line) for line in lines if not line.startswith("    "))


TREE = Path(__file__).resolve().parents[3]


def commands() -> list[str]:
    """Every command of xsrc that README.md and the topics show, in a sentence or in a line of its own."""
    found: list[str] = []
    for text in ((TREE / "README.md").read_text(), *map(topic, titles())):
        found += re.findall(r"`xsrc ([^`]*)`", text) + re.findall(r"^(?:    |\$ )xsrc ([^|#\n]*)", text, re.M)
    return sorted({" ".join(command.split()) for command in found})


@pytest.mark.parametrize("command", commands())
def test_every_command_of_a_page_can_be_given(command: str) -> None:
    parse(shlex.split(command.replace("-j N", "-j 2")))


def test_pages_show_commands() -> None:
    assert len(commands()) > 50
    assert len((TREE / "README.md").read_text().splitlines()) <= 350
