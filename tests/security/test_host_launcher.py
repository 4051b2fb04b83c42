"""The program `xsrc` that helpers/setup writes: it runs no code that another user could have written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import launcher
from tests.e2e.kit.land import Land
from tests.e2e.kit.people import Result, User

PYTHON = '#!/bin/sh\necho ran "$0" "$@"\n'
"""Stands for the .venv of a checkout, and shows that it was run."""


def make_tree(land: Land, name: str, user: User | None = None) -> Path:
    """A checkout as the launcher sees one, in a folder of its own."""
    tree = land.folder(name, user) / "tree"
    for folder in ("templates", "masterdir-skel", "xsrc", ".venv/bin", "work"):
        (tree / folder).mkdir(parents=True)
    (tree / "xsrc/__main__.py").touch()
    (tree / ".venv/bin/python").write_text(PYTHON)
    (tree / ".venv/bin/python").chmod(0o755)
    return land.own(tree, user)


def run(land: Land, tree: Path, user: User | None = None, **env: str) -> Result:
    return land.run(launcher(land), "list", cwd=tree / "work", user=user, env=env)


def ran(tree: Path) -> str:
    return f"ran {tree}/.venv/bin/python -I -X utf8 -m xsrc list\n"


@pytest.fixture
def root(as_root: Land) -> User:
    home = as_root.root / "home-root"
    home.mkdir(mode=0o700, exist_ok=True)
    return User("root", 0, 0, home)


def test_own_checkout(land: Land) -> None:
    """With -I and -X utf8: no directory, variable or locale of the caller changes what the program does."""
    tree = make_tree(land, "own")
    assert run(land, tree).ok().out == ran(tree)


def test_checkout_of_root(as_root: Land, root: User) -> None:
    tree = make_tree(as_root, "of-root", root)
    assert run(as_root, tree).ok().out == ran(tree)


def test_checkout_of_another_user(as_root: Land, root: User) -> None:
    assert as_root.stranger is not None
    tree = make_tree(as_root, "theirs", as_root.stranger)
    for user in (as_root.user, root):
        result = run(as_root, tree, user)
        result.ended(4, f"{tree.parent} belongs to {as_root.stranger.name}", f"export XSRC_SAFE_DIRECTORIES={tree}")
        assert result.out == "", "the next checkout was run in place of the refused one"


@pytest.mark.parametrize("name", ["", "xsrc", "xsrc/__main__.py", ".venv", ".venv/bin", ".."])
def test_everybody_can_write(land: Land, name: str) -> None:
    tree = make_tree(land, "open")
    path = (tree / name).resolve()
    path.chmod(0o777)
    result = run(land, tree).ended(4, f"everybody can write to {path}", f"chmod o-w {path}")
    assert result.out == ""


@pytest.mark.parametrize("name", ["", "xsrc", ".venv", ".."])
def test_a_group_can_write(as_root: Land, name: str) -> None:
    assert as_root.stranger is not None
    tree = make_tree(as_root, "group")
    path = (tree / name).resolve()
    os.chown(path, -1, as_root.stranger.gid)
    path.chmod(0o775)
    result = run(as_root, tree).ended(4, f"group {as_root.stranger.name} can write to {path}", f"chmod g-w {path}")
    assert result.out == ""


@pytest.mark.parametrize("name", ["", "xsrc", ".venv", ".."])
def test_a_part_of_another_user(as_root: Land, name: str) -> None:
    assert as_root.stranger is not None
    tree = make_tree(as_root, "part")
    os.chown(tree / name, as_root.stranger.uid, -1)
    result = run(as_root, tree).ended(4, f"{(tree / name).resolve()}", f"belongs to {as_root.stranger.name}")
    assert result.out == ""


def test_the_own_group_can_write(as_root: Land) -> None:
    """Some systems set umask 002 and give each user a group without other members."""
    tree = make_tree(as_root, "own-group")
    for path in (tree, tree.parent, tree / "xsrc"):
        path.chmod(0o775)
    assert run(as_root, tree).ok().out == ran(tree)


def test_a_sticky_directory_above(land: Land) -> None:
    """As /tmp is; but nobody may be able to make further files in the checkout itself."""
    tree = make_tree(land, "sticky")
    tree.parent.chmod(0o1777)
    assert run(land, tree).ok().out == ran(tree)
    tree.chmod(0o1777)
    run(land, tree).ended(4, f"everybody can write to {tree}")


def test_safe_directories(as_root: Land) -> None:
    assert as_root.stranger is not None
    tree = make_tree(as_root, "vouched", as_root.stranger)
    link = as_root.folder("links") / "link"
    link.symlink_to(tree)
    for word in (str(tree), str(tree.parent), "*", f"/nonexistent:{tree}/", str(link)):
        assert run(as_root, tree, XSRC_SAFE_DIRECTORIES=word).ok().out == ran(tree), word
    for word in ("", ":", f"{tree}/xsrc", str(tree)[:-1], "/nonexistent", f"{tree}\n", "?*"):
        assert run(as_root, tree, XSRC_SAFE_DIRECTORIES=word).ended(4, "belongs to").out == "", word


def test_a_link_of_another_user_does_not_choose_the_checkout(as_root: Land) -> None:
    """A shell keeps the path by which one came in PWD."""
    tree, theirs = make_tree(as_root, "mine"), make_tree(as_root, "theirs", as_root.stranger)
    link = theirs / "link"
    link.symlink_to(tree / "work")
    assert as_root.run(launcher(as_root), "list", cwd=link, env={"PWD": str(link)}).ok().out == ran(tree)
