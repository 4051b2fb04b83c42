"""Which template makes a name: its own, that of a package whose subpackage it is, or that of one that provides it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builders import X86_64, text_of
from xsrc.core.dep import Dep
from xsrc.core.errors import UsageError
from xsrc.core.layout import Tree
from xsrc.tree.disk.index import Index
from xsrc.tree.disk.templates import load
from xsrc.tree.resolve import resolve


def a_tree(folder: Path, **templates: Mapping[str, Any]) -> Tree:
    for name, keys in templates.items():
        place = folder / "templates" / name
        place.mkdir(parents=True)
        (place / "template.toml").write_text(text_of(name=name, **keys))
    return Tree(folder)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    parts = {name: {"files": ["usr"]} for name in ("gcc-a-devel", "libgcc")}
    templates: dict[str, dict[str, Any]] = {
        "gcc": {},
        "gcc-a": {"subpackages": parts, "provides": ["cc=12"]},
        "cc-b": {"provides": ["cc", "libgcc"]},
        "uses": {"makedepends": ["libgcc", "gcc-a-devel", "gcc"], "depends": ["cc>=1"]},
    }
    return a_tree(tmp_path, **templates)


@pytest.mark.parametrize(
    ("name", "home"), [("gcc", "gcc"), ("gcc-a-devel", "gcc-a"), ("libgcc", "gcc-a"), ("cc", "cc-b")]
)
def test_template_of_a_name(tree: Tree, name: str, home: str) -> None:
    assert load(tree, name).name == home
    with Index.open(tree, None) as index:
        assert index.template(name).name == home


def test_name_that_nobody_makes(tree: Tree) -> None:
    with pytest.raises(UsageError, match="no template 'gcc-devel'"):
        load(tree, "gcc-devel")


def test_needs_of_the_whole_tree_are_of_packages(tree: Tree) -> None:
    with Index.open(tree, None) as index:
        outlines = index.outlines("world", lambda template: resolve(template, X86_64), lambda package: package.name)
        assert outlines["uses"].needs(Dep.LIB) == ("gcc-a", "gcc")
        assert outlines["uses"].needs(Dep.RUN) == ("cc-b",)
