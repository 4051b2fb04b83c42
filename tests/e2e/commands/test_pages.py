"""The examples of the pages, given as they stand there, print what stands there."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest

from tests.e2e.kit.land import CHECKOUT, Land
from tests.e2e.kit.pages import Example, agrees, examples

PAGES = (
    "README.md",
    "templates/README.md",
    *(f"xsrc/topics/{path.name}" for path in sorted((CHECKOUT / "xsrc/topics").iterdir())),
)
LONG = os.environ.get("XSRC_PAGES") == "long"
"""Whether the long examples are tried too, as tests/full/run does."""


def tree_of(land: Land, name: str) -> Path:
    """A tree like the checkout, without a masterdir; its distfiles are shared by all of them."""
    tree = land.folder(name)
    for part in ("templates", "masterdir-skel"):
        shutil.copytree(land.clone / part, tree / part, symlinks=True)
    program = tree / "bin/xsrc"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(str(land.python))} -I -X utf8 -m xsrc "$@"\n')
    program.chmod(0o755)
    settings = tree / "config/xsrc/config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'srcdistdir = "{land.user.home}/distfiles-of-pages"\n')
    return land.own(tree)


@pytest.mark.parametrize("page", [page for page in PAGES if examples(CHECKOUT / page)])
def test_each_example_prints_what_the_page_shows(land: Land, page: str) -> None:
    if reason := land.usable:
        pytest.skip(reason)
    tree = tree_of(land, page.replace("/", "-"))
    env = {"PATH": f"{tree}/bin:{land.user.env['PATH']}", "XDG_CONFIG_HOME": f"{tree}/config"}
    wrong = []
    for example in examples(CHECKOUT / page):
        if example.long and not LONG:
            continue
        result = land.run("sh", "-c", f"{example.command} 2>&1", cwd=tree, env=env)
        if result.code or not agrees(example, result.out, tree):
            wrong.append(
                f"$ {example.command}\n--- the page\n{example.output}--- xsrc, exit code {result.code}\n{result.out}"
            )
    assert not wrong, f"{page}\n" + "\n".join(wrong)


def test_the_test_of_examples_sees_what_differs() -> None:
    root = Path("/srv/tree")
    shown = "dash: built in 3.4 s, 61 MiB\n…\ndash: stowed into /home/alice/xsrc/masterdir\n"
    example = Example("xsrc build dash", shown, False)
    assert agrees(example, "dash: built in 2 min 01 s, 7 MiB\na\nb\ndash: stowed into /srv/tree/masterdir\n", root)
    assert agrees(example, "dash: built in 1 s, 7 MiB\ndash: stowed into /srv/tree/masterdir\n", root)
    assert not agrees(example, "dash: built in 1 s, 7 MiB\ndash: stowed into /y/masterdir\n", root)
    assert not agrees(example, "dash: built (forced) in 1 s, 7 MiB\ndash: stowed into /srv/tree/masterdir\n", root)
    assert agrees(Example("x", "a\n", False), "d-1: configure: 3.3 s\na\n", root), "a slow phase says so"


def test_pages_have_examples() -> None:
    assert sum(len(examples(CHECKOUT / page)) for page in PAGES) > 20
    assert any(example.long for page in PAGES for example in examples(CHECKOUT / page))
