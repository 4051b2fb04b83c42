"""Where keys and values stand in a TOML text: exact line, column and length."""

from __future__ import annotations

import tomllib

import pytest

from xsrc.core.errors import Span
from xsrc.core.spans import KeyPath, places, span_of, syntax_span


def where(text: str, *path: str | int, value: bool = False) -> tuple[int, int, int]:
    tomllib.loads(text)  # the scanner is only for valid TOML: a test of anything else would prove nothing
    span = span_of("f", text, path, value=value)
    return span.line, span.column, span.length


def marked(text: str, *path: str | int, value: bool = False) -> str:
    tomllib.loads(text)
    span = span_of("f", text, path, value=value)
    return span.text[span.column - 1 : span.column - 1 + span.length]


ARRAY = """\
name = "x"

[[distfiles]]
url = "a"
sha256 = "0"

[[distfiles]]
url = "b"
  sha256 = "1"

[options.libedit]
desc = "Line editing"
"""


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (("name",), (1, 1, 4)),
        (("distfiles",), (3, 3, 9)),
        (("distfiles", 0), (3, 3, 9)),
        (("distfiles", 0, "url"), (4, 1, 3)),
        (("distfiles", 0, "sha256"), (5, 1, 6)),
        (("distfiles", 1), (7, 3, 9)),
        (("distfiles", 1, "url"), (8, 1, 3)),
        (("distfiles", 1, "sha256"), (9, 3, 6)),
        (("options",), (11, 2, 7)),
        (("options", "libedit"), (11, 10, 7)),
        (("options", "libedit", "desc"), (12, 1, 4)),
    ],
)
def test_keys_in_arrays_of_tables_and_sub_tables(path: KeyPath, want: tuple[int, int, int]) -> None:
    assert where(ARRAY, *path) == want


def test_span_holds_file_and_line_of_text() -> None:
    assert span_of("f", ARRAY, ("distfiles", 1, "sha256")) == Span("f", 9, 3, 6, '  sha256 = "1"')


@pytest.mark.parametrize(
    "first",
    [
        'a = "b = 1"',
        "a = 'b = 1'",
        'a = """\nb = 1\n[[b]]\n"""',
        "a = '''\nb = 1\n[b]\n'''",
        'a = ["b", "]", "#"] # b = 1',
        'a = "\\"\\\\" # "',
        "# b = 1\na = 1",
        "a = { c = 'b = 1', d = \"}\" }",
    ],
)
def test_strings_and_comments_that_look_like_keys(first: str) -> None:
    assert where(f"{first}\n  b = 2\n", "b") == (first.count("\n") + 2, 3, 1)


@pytest.mark.parametrize(
    "string",
    [
        '"""x"""',
        '"""x""""',
        '"""x"""""',
        '"""\\""""',
        '"""\\\\"""',
        '"""a "" b"""',
        '"""a ""\\" b"""',
        "'''x'''",
        "'''x''''",
        "'''x'''''",
        "'''\\'''",
        '""',
        "''",
        '""""""',
        "''''''",
    ],
)
def test_multi_line_strings_end_where_toml_says(string: str) -> None:
    text = f"a = {string}\nb = 2\n"
    assert where(text, "b") == (2, 1, 1)
    assert marked(text, "a", value=True) == string


def test_strings_with_quotes_at_their_end_in_a_list() -> None:
    text = 'a = ["""x"""", """y""""", \'\'\'z\'\'\'\', "w"]\n'
    assert [marked(text, "a", i) for i in range(4)] == ['"""x""""', '"""y"""""', "'''z''''", '"w"']


def test_dotted_keys() -> None:
    text = "a.b.c = 1\nd . \"e f\" . 'g' = 2\n"
    assert where(text, "a") == (1, 1, 1)
    assert where(text, "a", "b") == (1, 3, 1)
    assert where(text, "a", "b", "c") == (1, 5, 1)
    assert where(text, "d", "e f") == (2, 5, 5)
    assert where(text, "d", "e f", "g") == (2, 13, 3)


def test_dotted_keys_keep_the_first_place_of_a_shared_part() -> None:
    text = "a.b = 1\na.c = 2\n"
    assert where(text, "a") == (1, 1, 1)
    assert where(text, "a", "c") == (2, 3, 1)


def test_inline_tables() -> None:
    text = 'configure = { on = ["--with-x", "--y"], off.z = [ ] }\n'
    assert where(text, "configure") == (1, 1, 9)
    assert where(text, "configure", "on") == (1, 15, 2)
    assert where(text, "configure", "on", 1) == (1, 33, 5)
    assert where(text, "configure", "off", "z") == (1, 45, 1)
    assert marked(text, "configure", value=True) == '{ on = ["--with-x", "--y"], off.z = [ ] }'


def test_inline_tables_in_a_list() -> None:
    text = 'd = [\n  { u = "a" }, # one\n  { u = "b", "s" = 1 },\n]\n'
    assert where(text, "d", 0, "u") == (2, 5, 1)
    assert where(text, "d", 1) == (3, 3, 20)
    assert where(text, "d", 1, "s") == (3, 14, 3)


def test_lists_with_comments_and_lists_in_lists() -> None:
    text = 'a = [ # ["x",\n  "one", # ]\n\n  ["two", 3],\n]\nb = 1\n'
    assert where(text, "a", 0) == (2, 3, 5)
    assert where(text, "a", 1, 0) == (4, 4, 5)
    assert where(text, "a", 1, 1) == (4, 11, 1)
    assert where(text, "b") == (6, 1, 1)


def test_a_comment_directly_after_a_header() -> None:
    text = "[t]#x = 1\na = 1\n[[u]]#y = 1\nb = 2\n"
    assert where(text, "t", "a") == (2, 1, 1)
    assert where(text, "u", 0, "b") == (4, 1, 1)
    assert ("t", "x") not in places(text)
    assert ("u", 0, "y") not in places(text)


def test_values() -> None:
    text = 'a = "x" # c\nb=12\nc  =  [1,\n 2]\nd = 1979-05-27 07:32:00 # e\nf = +inf\n'
    assert where(text, "a", value=True) == (1, 5, 3)
    assert where(text, "b", value=True) == (2, 3, 2)
    assert where(text, "c", value=True) == (3, 7, 3), "a value of several lines is marked to the end of its first"
    assert marked(text, "d", value=True) == "1979-05-27 07:32:00"
    assert marked(text, "f", value=True) == "+inf"


def test_tables_below_arrays_of_tables() -> None:
    text = "[[a]]\n[[a.b]]\n[a.b.c]\nx = 1\n[[a.b]]\n[a.b.c]\nx = 2\n[[a]]\n[a.d]\nx = 3\n"
    assert where(text, "a", 0, "b", 0, "c", "x") == (4, 1, 1)
    assert where(text, "a", 0, "b", 1, "c", "x") == (7, 1, 1)
    assert where(text, "a", 0, "b", 1, "c") == (6, 6, 1)
    assert where(text, "a", 1, "d", "x") == (10, 1, 1)


def test_crlf_counts_like_lf() -> None:
    assert where("a = 1\r\n\r\n[t]\r\n  b = 'x'\r\n", "t", "b") == (4, 3, 1)
    assert span_of("f", "a = 'xy'\r\n", ("a",), value=True) == Span("f", 1, 5, 4, "a = 'xy'")


def test_tabs_and_wide_letters_are_one_column_each() -> None:
    assert where("\ta = 1\n", "a") == (1, 2, 1)
    assert where('t = { s = "é漢", b = 1 }\n', "t", "b") == (1, 17, 1)


def test_no_newline_at_the_end() -> None:
    assert where("[t]\na = 1", "t", "a") == (2, 1, 1)
    assert where("[t]", "t") == (1, 2, 1)


# Once the name of such a key was kept with its escapes, and so never found.
def test_quoted_key_with_an_escape() -> None:
    assert where('x = 1\n"sh\\u0061256" = 2\n', "sha256") == (2, 1, 13)


def test_missing_key_falls_back_to_its_nearest_parent() -> None:
    assert where(ARRAY, "distfiles", 1, "name") == (7, 3, 9)
    assert where(ARRAY, "options", "libedit", "configure", "on", 2) == (11, 10, 7)


def test_missing_top_key_falls_back_to_the_first_line() -> None:
    assert span_of("f", ARRAY, ("license",)) == Span("f", 1, 1, 10, 'name = "x"')
    assert span_of("f", "", ("license",)) == Span("f", 1, 1, 1, "")


def test_places_knows_every_path_once() -> None:
    assert sorted(map(str, places('[t]\na = ["x"]'))) == sorted(
        map(str, [("t",), ("t", "a"), ("t", "a", 0), ("t", "a", "=")])
    )


def syntax(text: str) -> Span:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    return syntax_span("f", text, str(caught.value))


def test_syntax_error_in_a_line() -> None:
    assert syntax("a = 1\nb = = 2\n") == Span("f", 2, 5, 1, "b = = 2")
    assert syntax("a = 1\r\nb = = 2\r\n") == Span("f", 2, 5, 1, "b = = 2")


def test_syntax_error_at_the_end() -> None:
    assert syntax('a = "x') == Span("f", 1, 7, 1, 'a = "x')
    assert syntax("a = 1\nb = [1,") == Span("f", 2, 8, 1, "b = [1,")
