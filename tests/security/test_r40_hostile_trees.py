"""R40: scan, seal, close, replace and delete on trees that do all they can: nothing outside changes, each step ends."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import stat
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.security.kit.box import Stage
from tests.security.kit.hostile import (
    EPOCH,
    HYPOTHESIS,
    STEPS,
    Folder,
    chain,
    folders,
    in_child,
    make_canary,
    outcome,
    plant,
    state,
)
from tests.unit.builders import a_package
from xsrc.build.acts.tidy import tidy
from xsrc.build.disk import work
from xsrc.build.tidy.draft import Untidy
from xsrc.core.layout import WorkDir
from xsrc.core.settings import Limits
from xsrc.store.disk import scan, seal
from xsrc.store.manifest import Manifest
from xsrc.unix import trees
from xsrc.unix.walk import LONGEST

# ---- whatever stands there


def paths_of(tree: Folder, prefix: bytes = b"") -> Iterator[bytes]:
    for name, kid in tree.kids.items():
        yield prefix + name
        if isinstance(kid, Folder):
            yield from paths_of(kid, prefix + name + b"/")


def test_r40_any_tree(stage: Stage, spot: Path) -> None:
    """Nobody interferes: a scan sees all or says why not, a sealed tree is sealed, a removed one is gone."""
    numbers = count()

    @settings(HYPOTHESIS, max_examples=100)
    @given(folders(), st.sampled_from(["scan", "seal"]))
    def law(tree: Folder, step: str) -> None:
        place = spot / str(next(numbers))
        top, canary = place / "dest", make_canary(place / "canary")
        planted = plant(top, tree, canary)
        before = state(canary)
        said = outcome(lambda: STEPS[step](top), top)
        assert state(canary) == before
        assert sorted(planted) == sorted(paths_of(tree))
        if step == "scan" and not said:
            found = scan.scan(top).manifest
            assert sorted(os.fsencode(entry.path) for entry in found.entries) == sorted(planted)
            assert Manifest.parse(found.render()) == found, "a manifest can be written and read"
        elif step == "scan":
            assert said.startswith("error: dest: what it installed cannot be a package"), said
        elif said:
            assert "a hard link to something outside" in said, said
        else:
            for path in planted:
                status = (top / os.fsdecode(path)).lstat()
                assert status.st_mtime <= EPOCH and is_sealed(status), path
        assert outcome(lambda: trees.remove_tree(top), top) == ""
        assert not os.path.lexists(top)
        assert state(canary) == before

    in_child(stage, law)


def test_r40_tidying_any_tree(stage: Stage, spot: Path) -> None:
    """Whatever is planted, no edit of it reaches what is outside, and none takes for ever."""
    numbers, package = count(), a_package()

    def tidied(top: Path) -> None:
        with contextlib.suppress(Untidy):
            tidy(top, package, Limits(), lambda _: None, lambda feed: feed(io.BytesIO()))

    @settings(HYPOTHESIS, max_examples=60)
    @given(folders(), st.sampled_from(["", "lib", "usr/lib", "usr/share/man"]))
    def law(tree: Folder, where: str) -> None:
        place = spot / str(next(numbers))
        top, canary = place / "dest", make_canary(place / "canary")
        (top / where).parent.mkdir(parents=True, exist_ok=True)
        plant(top / where, tree, canary)
        before = state(canary)
        outcome(lambda: tidied(top), top)
        assert state(canary) == before
        assert outcome(lambda: trees.remove_tree(top), top) == ""

    in_child(stage, law)


def is_sealed(status: os.stat_result) -> bool:
    """Of links, FIFOs and devices, none of which a package's user can change through, no mode was promised."""
    return not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)) or not status.st_mode & 0o7222


PLANTED: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "fifo": (lambda path, _: os.mkfifo(path), "/usr/it: neither a file, a link nor a directory"),
    "not-utf8": (lambda path, _: path.with_name("it\udcff").mkdir(), "/'usr/it\\udcff': its name is not UTF-8"),
    "target-not-utf8": (
        lambda path, _: path.symlink_to("\udcff"),
        "/usr/it: a link to '\\udcff': its text is not UTF-8",
    ),
    "target-control": (
        lambda path, _: path.symlink_to("a\x01"),
        "/usr/it: a link to 'a\\x01': a character in its text",
    ),
    "hard-link": (lambda path, to: os.link(to / "kept", path), "/'usr/it': it is a hard link to something outside"),
    "files.plist": (lambda path, to: link_at_top(path, "files.plist", to), "/files.plist: a place of xsrc itself"),
    "props.plist": (lambda path, to: link_at_top(path, "props.plist", to), "/props.plist: a place of xsrc itself"),
    ".props.plist": (lambda path, to: link_at_top(path, ".props.plist", to), "/.props.plist: a place of xsrc itself"),
}


def link_at_top(path: Path, name: str, to: Path) -> None:
    """A way to the canary where xsrc writes its own lists."""
    (path.parent.parent / name).symlink_to(to / "kept")


@pytest.mark.parametrize("case", sorted(PLANTED))
def test_r40_the_path_is_named(stage: Stage, spot: Path, case: str) -> None:
    how, words = PLANTED[case]

    def law() -> None:
        top, canary = spot / "dest", make_canary(spot / "canary")
        (top / "usr").mkdir(parents=True)
        how(top / "usr/it", canary)
        before = state(canary)
        assert words in outcome(lambda: scan.scan(top), top)
        said = outcome(lambda: seal.seal(top, EPOCH), top)
        assert bool(said) == (case == "hard-link")
        assert state(canary) == before

    in_child(stage, law)


# ---- deep ones

DEEP = {
    "just-short-enough": (b"d" * 249, 11, True),
    "many-levels": (b"a", 1400, True),
    "4000-bytes": (b"d" * 249, 16, False),
    "10000-bytes": (b"d" * 250, 40, False),
    "5000-levels": (b"a", 5000, False),
}


@pytest.mark.parametrize("case", sorted(DEEP))
def test_r40_deep_trees(stage: Stage, spot: Path, case: str) -> None:
    """With the recursion limit of Python and few descriptors to spend."""
    part, levels, fits = DEEP[case]

    def law() -> None:
        top, canary = spot / "dest", make_canary(spot / "canary")
        end = chain(top, part, levels)
        before = state(canary)
        opened = {int(name) for name in os.listdir("/proc/self/fd")}
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened) + 20,) * 2)
        for step in (scan.scan, lambda path: seal.seal(path, EPOCH)):
            said = outcome(lambda step=step: step(top), top)  # type: ignore[misc]
            assert bool(said) != fits, said[-300:]
            assert fits or (said.startswith(f"error: {top}/'{part.decode()[:70]}") and "a path of more than" in said)
        if fits:
            paths = [entry.path for entry in scan.scan(top).manifest.entries]
            assert (len(paths), paths[-1]) == (levels + 1, end.decode())
        assert outcome(lambda: trees.remove_tree(top), top) == ""
        assert not top.exists()
        assert len(os.listdir("/proc/self/fd")) <= len(opened), "a descriptor was left open"
        assert state(canary) == before

    in_child(stage, law)


@pytest.mark.parametrize("over", [0, 1])
def test_r40_the_longest_path(stage: Stage, spot: Path, over: int) -> None:
    def law() -> None:
        parts = (LONGEST - 200) // 200
        home = Path(spot, "dest", *["p" * 199] * parts)
        home.mkdir(parents=True)
        (home / ("q" * (LONGEST - 200 * parts + over))).write_text("x")
        assert bool(outcome(lambda: scan.scan(spot / "dest"), spot / "dest")) == bool(over)

    in_child(stage, law)


# ---- the steps around


@pytest.mark.parametrize("final", ["missing", "tree", "link", "dangling", "file"])
def test_r40_replace(stage: Stage, spot: Path, final: str) -> None:
    """What is in the way is moved as it is, a link is not looked through."""

    def law() -> None:
        canary = make_canary(spot / "canary")
        new, place = spot / "new", spot / "final"
        (new / "usr").mkdir(parents=True)
        match final:
            case "tree":
                (place / "old").mkdir(parents=True)
            case "link":
                place.symlink_to(canary)
            case "dangling":
                place.symlink_to("nowhere")
            case "file":
                place.write_text("old")
        before = state(canary)
        trees.replace_tree(new, place)
        assert (place / "usr").is_dir() and not place.is_symlink()
        assert os.path.lexists(new) == (final != "missing")
        trees.remove_tree(new)
        assert not os.path.lexists(new)
        assert state(canary) == before
        said = outcome(lambda: trees.replace_tree(spot / "none", place), spot)
        assert str(place) in said

    in_child(stage, law)


@pytest.mark.parametrize("planted", ["link", "tree", "file", "fifo"])
def test_r40_a_work_directory_is_made_anew(stage: Stage, spot: Path, planted: str) -> None:
    def law() -> None:
        canary, where = make_canary(spot / "canary"), WorkDir(spot / "work")
        match planted:
            case "link":
                where.path.symlink_to(canary)
            case "tree":
                where.path.mkdir()
                where.wrksrc.symlink_to(canary)
                where.root.symlink_to(canary / "inner")
            case "file":
                where.path.write_text("x")
            case "fifo":
                os.mkfifo(where.path)
        before = state(canary)
        work.renew(where)
        assert [path.name for path in where.path.iterdir()] == ["wrksrc"]
        assert where.wrksrc.is_dir() and not where.wrksrc.is_symlink()
        assert state(canary) == before

    in_child(stage, law)


def test_r40_a_missing_tree_is_removed_already(spot: Path) -> None:
    trees.remove_tree(spot / "none")
    trees.remove_tree(spot / "none/deeper")
    with pytest.raises(OSError, match="none"):
        trees.close(spot / "none")
