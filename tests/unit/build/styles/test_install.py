"""The `[install]` table as sh text: exact lines, in their order, with awkward names quoted."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.builders import a_package
from xsrc.build.styles.install import install_script
from xsrc.core.paths import fault


def lines(**table: Any) -> list[str]:
    """The lines of a table, without the functions before them."""
    text = install_script(a_package(install=table))
    return text[text.rindex("\n}\n") + 3 :].split("\n") if text else []


def test_nothing_for_an_empty_table() -> None:
    assert install_script(a_package()) == ""
    assert install_script(a_package(install={"keep": ["la"]})) == ""


@pytest.mark.parametrize(
    ("table", "want"),
    [
        ({"license": ["COPYING"]}, "each COPYING put 644 usr/share/licenses/dash"),
        ({"bin": ["src/dash"]}, "each src/dash put 755 usr/bin"),
        ({"man": ["doc/*.1"]}, "each 'doc/*.1' put_man"),
        ({"doc": ["README*"]}, "each 'README*' put 644 usr/share/doc/dash"),
        ({"conf": ["files/dash.conf"]}, "each files/dash.conf put 644 etc"),
        ({"completion": ["?_dash"]}, "each '?_dash' put_completion"),
        ({"service": ["files/dash"]}, "each files/dash put 644 etc/sv"),
        ({"files": {"a b": "usr/share/c d/"}}, "each 'a b' put_as 'usr/share/c d/'"),
        ({"rename": {"usr/sbin/*": "usr/bin/"}}, "each \"$DESTDIR\"/'usr/sbin/*' move usr/bin/"),
        ({"symlinks": {"usr/bin/sh": "dash"}}, "link usr/bin/sh dash"),
        ({"remove": ["usr/lib/*.la"]}, "each \"$DESTDIR\"/'usr/lib/*.la' rm -rf"),
        ({"remove": ["?usr/lib/x"]}, "each '?'\"$DESTDIR\"/usr/lib/x rm -rf"),
        ({"modes": {"usr/bin/dash": "4755 root:root"}}, 'each "$DESTDIR"/usr/bin/dash chmod 4755'),
        ({"modes": {"usr/bin/dash": "0700"}}, 'each "$DESTDIR"/usr/bin/dash chmod 0700'),
    ],
)
def test_each_key(table: dict[str, Any], want: str) -> None:
    assert lines(**table) == [want]


def test_the_order_is_put_files_rename_symlinks_remove_modes() -> None:
    got = lines(
        modes={"usr/m": "755"},
        remove=["usr/r"],
        symlinks={"usr/s": "t"},
        rename={"usr/a": "usr/b"},
        files={"f": "usr/f"},
        service=["s"],
        license=["l"],
        man=["m"],
        bin=["b1", "b2"],
    )
    assert got == [
        "each l put 644 usr/share/licenses/dash",
        "each b1 put 755 usr/bin",
        "each b2 put 755 usr/bin",
        "each m put_man",
        "each s put 644 etc/sv",
        "each f put_as usr/f",
        'each "$DESTDIR"/usr/a move usr/b',
        "link usr/s t",
        'each "$DESTDIR"/usr/r rm -rf',
        'each "$DESTDIR"/usr/m chmod 755',
    ]


def test_a_name_with_signs_that_a_package_may_have() -> None:
    text = install_script(a_package("g++.x_1", install={"license": ["COPYING"]}))
    assert shlex.split(text.split("\n")[-1]) == ["each", "COPYING", "put", "644", "usr/share/licenses/g++.x_1"]


AWKWARD = st.text(st.characters(codec="utf-8", exclude_characters="{}"), min_size=1, max_size=12).filter(
    lambda text: text[0] != "?" and not fault(text)
)


@settings(max_examples=60)
@given(AWKWARD, AWKWARD)
def test_awkward_names_come_through_the_shell_as_they_are(one: str, two: str) -> None:
    text = install_script(
        a_package(install={"bin": [one], "files": {one: two}, "symlinks": {two: one}, "remove": [one]})
    )
    words = shlex.split(text[text.rindex("\n}\n") + 3 :])
    assert words == [
        *("each", one, "put", "755", "usr/bin"),
        *("each", one, "put_as", two),
        *("link", two, one),
        *("each", f"$DESTDIR/{one}", "rm", "-rf"),
    ]
