"""The index says of every template what a fresh look at the disk says, whatever was done to the tree in between."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builders import X86_64, text_of
from xsrc.core.dep import Dep
from xsrc.core.errors import TemplateError, XsrcError
from xsrc.core.layout import Tree
from xsrc.tree.disk.cache import Cache, IndexRow, sealed, sha
from xsrc.tree.disk.index import Index
from xsrc.tree.disk.templates import load, names
from xsrc.tree.package import Package
from xsrc.tree.resolve import resolve
from xsrc.tree.template import Template

Seen = Mapping[str, Any]
FILE = "index.sqlite"


def write(tree: Tree, name: str, **keys: object) -> Path:
    """Write a template; gives its folder."""
    folder = tree.templates / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "template.toml").write_text(text_of(name=name, **keys))
    return folder


def make(root: Path) -> Tree:
    """A tree of three templates; foo has patches and files."""
    tree = Tree(root)
    foo = write(tree, "foo", makedepends=["bar>=0.1"], depends=["baz"])
    (foo / "patches").mkdir(exist_ok=True)
    (foo / "patches/one.patch").write_text("one")
    (foo / "files/deep").mkdir(parents=True, exist_ok=True)
    (foo / "files/deep/run").write_text("run")
    write(tree, "bar")
    write(tree, "baz")
    return tree


def fresh(tree: Tree) -> Seen:
    """What a look at the disk says of every template."""
    return {name: told(lambda name=name: load(tree, name)) for name in names(tree)}  # type: ignore[misc]


def known(tree: Tree, folder: Path) -> Seen:
    """What the index says of every template."""
    with Index.open(tree, folder) as index:
        return {name: told(lambda name=name: index.template(name)) for name in index.names()}  # type: ignore[misc]


def told(read: Callable[[], Template]) -> object:
    try:
        template = read()
    except XsrcError as error:
        return error.render()
    return dict(template.raw), list(template.patches.items()), dict(template.files), template.text, template.file


# ---- one change each


def same_size(tree: Tree) -> None:
    text = tree.template("foo").read_text()
    tree.template("foo").write_text(text.replace("Small shell", "Large shell"))


def same_size_and_time(tree: Tree) -> None:
    before = tree.template("foo").stat()
    same_size(tree)
    os.utime(tree.template("foo"), ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed_over(tree: Tree) -> None:
    file = tree.template("foo")
    before, new = file.stat(), file.with_name("new")
    new.write_text(file.read_text().replace("Small shell", "Large shell"))
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.rename(file)


def broken(tree: Tree) -> None:
    tree.template("foo").write_text(tree.template("foo").read_text() + "nonsense = 1\n")


def patch_changed(tree: Tree) -> None:
    (tree.templates / "foo/patches/one.patch").write_text("two")


def patch_added(tree: Tree) -> None:
    (tree.templates / "foo/patches/two.patch").write_text("two")


def patches_added(tree: Tree) -> None:
    (tree.templates / "bar/patches").mkdir()
    (tree.templates / "bar/patches/one.patch").write_text("one")


def patch_removed(tree: Tree) -> None:
    (tree.templates / "foo/patches/one.patch").unlink()


def patch_renamed(tree: Tree) -> None:
    (tree.templates / "foo/patches/one.patch").rename(tree.templates / "foo/patches/two.patch")


def file_changed(tree: Tree) -> None:
    (tree.templates / "foo/files/deep/run").write_text("nur")


def file_may_run(tree: Tree) -> None:
    (tree.templates / "foo/files/deep/run").chmod(0o755)


def file_added(tree: Tree) -> None:
    (tree.templates / "foo/files/deep/more").write_text("more")


def file_removed(tree: Tree) -> None:
    (tree.templates / "foo/files/deep/run").unlink()


def link_turned(tree: Tree) -> None:
    run = tree.templates / "foo/files/deep/run"
    run.unlink()
    run.symlink_to("../../patches/one.patch")


def link_added(tree: Tree) -> None:
    (tree.templates / "foo/files/deep/link").symlink_to("run")


def link_to_a_folder_added(tree: Tree) -> None:
    (tree.templates / "foo/files/link").symlink_to("/etc")


def dangling_link_added(tree: Tree) -> None:
    (tree.templates / "foo/patches/two.patch").symlink_to("nowhere")


def files_turned_into_a_link(tree: Tree) -> None:
    shutil.move(tree.templates / "foo/files", tree.templates / "foo/else")
    (tree.templates / "foo/files").symlink_to("else")


def template_turned_into_a_link(tree: Tree) -> None:
    tree.template("foo").rename(tree.templates / "foo/text")
    tree.template("foo").symlink_to("text")


def fifo_added(tree: Tree) -> None:
    os.mkfifo(tree.templates / "foo/files/fifo")


def template_added(tree: Tree) -> None:
    write(tree, "new")


def template_removed(tree: Tree) -> None:
    shutil.rmtree(tree.templates / "bar")


def template_renamed(tree: Tree) -> None:
    (tree.templates / "bar").rename(tree.templates / "rab")


def templates_exchanged(tree: Tree) -> None:
    for old, new in (("bar", "tmp"), ("baz", "bar"), ("tmp", "baz")):
        (tree.templates / old).rename(tree.templates / new)


CHANGES = (
    same_size,
    same_size_and_time,
    renamed_over,
    broken,
    patch_changed,
    patch_added,
    patches_added,
    patch_removed,
    patch_renamed,
    file_changed,
    file_may_run,
    file_added,
    file_removed,
    link_turned,
    link_added,
    link_to_a_folder_added,
    dangling_link_added,
    files_turned_into_a_link,
    template_turned_into_a_link,
    fifo_added,
    template_added,
    template_removed,
    template_renamed,
    templates_exchanged,
)


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], tuple[Tree, Path]]:
    """Gives a tree whose files are old enough that their stats are believed, with its index, each once."""
    top = tmp_path_factory.mktemp("aged")
    trees = iter([make(top / str(number)) for number in range(len(CHANGES) + len(FORGED) + 4)])
    time.sleep(2.1)

    def one() -> tuple[Tree, Path]:
        tree = next(trees)
        known(tree, tree.root / "index")
        return tree, tree.root / "index"

    return one


def opened(act: Callable[[], object]) -> list[str]:
    """The files that were opened meanwhile."""
    _watched.clear()
    _watching.append(True)
    try:
        act()
    finally:
        _watching.clear()
    return list(_watched)


_watching: list[bool] = []
_watched: list[str] = []


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and _watching:
        _watched.append(str(args[0]))


sys.addaudithook(_hook)


def test_what_stayed_is_not_read_again(aged: Callable[[], tuple[Tree, Path]]) -> None:
    tree, folder = aged()

    def look() -> None:
        with Index.open(tree, folder) as index:
            assert [index.template(name).raw["name"] for name in index.names()] == ["bar", "baz", "foo"]

    assert not [path for path in opened(look) if f"{tree.templates}/" in path]
    assert [path for path in opened(lambda: load(tree, "foo")) if f"{tree.templates}/" in path], "the hook sees nothing"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_is_seen(change: Callable[[Tree], None], aged: Callable[[], tuple[Tree, Path]]) -> None:
    tree, folder = aged()
    before = known(tree, folder)
    change(tree)
    assert known(tree, folder) == fresh(tree) != before
    assert known(tree, folder) == fresh(tree), "and is not forgotten"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_change_is_seen_within_the_same_moment(change: Callable[[Tree], None], tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    before = known(tree, folder)
    change(tree)
    assert known(tree, folder) == fresh(tree) != before


def test_a_file_touched_just_now_is_known_by_its_content_only(tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    known(tree, folder)
    assert all(not row.seen for row in rows(folder).values())
    time.sleep(2.1)
    known(tree, folder)
    assert all(row.seen for row in rows(folder).values()), "and by its stat once it has aged"


def rows(folder: Path) -> Mapping[str, IndexRow]:
    """The stored rows of an index."""
    return Cache(folder / FILE).rows()


def test_a_long_row_of_changes(tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    chance = random.Random(5)
    seen = set()
    for step in range(150):
        change = chance.choice(CHANGES)
        try:
            change(tree)
        except OSError:
            shutil.rmtree(tree.templates)  # what it was to change is gone: begin anew
            make(tmp_path)
        now = fresh(tree)
        seen.add(repr(now))
        assert known(tree, folder) == now, (step, change.__name__)
    assert len(seen) > 20


# ---- what is wrong

LINKS = (
    link_turned,
    link_added,
    link_to_a_folder_added,
    dangling_link_added,
    files_turned_into_a_link,
    template_turned_into_a_link,
    fifo_added,
)


@pytest.mark.parametrize("change", LINKS, ids=lambda change: change.__name__)
def test_what_is_no_file_is_refused_by_name(change: Callable[[Tree], None], tmp_path: Path) -> None:
    tree = make(tmp_path)
    change(tree)
    with pytest.raises(TemplateError) as caught:
        load(tree, "foo")
    first = caught.value.render()[0]
    assert first.startswith("templates/foo/") and "error: want a file or a folder, got " in first


FORGED: dict[str, Callable[[list[Any]], object]] = {
    "path": lambda body: body[3].update(build_wrksrc="../../.."),
    "link": lambda body: body[3].update(alternatives=[{"group": "g", "link": "/../../x", "target": "y"}]),
    "patch": lambda body: body[1].update({"../../../x": "0" * 64}),
    "file": lambda body: body[2].update({"/etc/passwd": "0" * 64}),
    "name": lambda body: body[3].update(name="bar"),
    "shape": lambda body: body.pop(),
    "kinds": lambda body: body.__setitem__(3, 1),
}


@pytest.mark.parametrize("case", sorted(FORGED))
def test_a_forged_row_is_as_if_it_were_not_there(case: str, aged: Callable[[], tuple[Tree, Path]]) -> None:
    """Somebody wrote it who can write the index: nothing of it is believed that the schema would refuse."""
    tree, folder = aged()
    with Index.open(tree, folder) as index:
        template = index.template("foo")
        digest = sha(template.text.encode())
        body = [digest, dict(template.patches), dict(template.files), dict(template.raw)]
    FORGED[case](body)
    row = rows(folder)["foo"]
    Cache(folder / FILE).store({}, {"foo": sealed(row.digest, json.dumps(body))}, ())
    with Index.open(tree, folder) as index:
        template, wanted = index.template("foo"), load(tree, "foo")
    assert (dict(template.raw), dict(template.patches), dict(template.files)) == (
        dict(wanted.raw),
        dict(wanted.patches),
        dict(wanted.files),
    )


def test_errors_are_found_again_with_their_places(tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    known(tree, folder)
    broken(tree)
    for _ in range(2):
        with Index.open(tree, folder) as index, pytest.raises(TemplateError) as caught:
            index.template("foo")
        assert caught.value.render()[0].startswith("templates/foo/template.toml:10:1: error: nonsense: unknown key")
    with Index.open(tree, folder) as index:
        assert index.outline("foo", "w") == ""
        wanted_by = index.template("bar")
        with pytest.raises(TemplateError, match="1 problem"):
            index.template("nothing", wanted_by, "depends")
        with pytest.raises(XsrcError, match="no template 'nothing'"):
            index.template("nothing")


def test_places_are_told_from_the_text_of_the_file(tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    known(tree, folder)
    with Index.open(tree, folder) as index:
        template = index.template("foo")
        assert template.span("revision") == load(tree, "foo").span("revision")
        assert template.need("depends", "baz") == ("depends", 0)
        late = index.template("bar")
        tree.template("bar").write_text("a = [")
        assert late.text == "" and str(late.span("revision")) == "templates/bar/template.toml:1:1"


# ---- what is stored


def spots(length: int) -> Iterator[int]:
    return iter({0, 1, length - 1, *range(0, length, max(1, length // 40))})


def test_a_damaged_file_is_never_believed(tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    file = folder / FILE
    now, outlines = known(tree, folder), leaves_of(tree, folder, "w")
    whole = file.read_bytes()
    told = [at for at, byte in enumerate(whole) if byte]
    for spot in {*(told[at] for at in spots(len(told))), *range(100)}:
        for damaged in (whole[:spot], whole[:spot] + bytes([whole[spot] ^ 0x01]) + whole[spot + 1 :]):
            file.write_bytes(damaged)
            assert known(tree, folder) == now
            assert leaves_of(tree, folder, "w") == outlines
    assert set(rows(folder)) == {"foo", "bar", "baz"}


FOREIGN = (
    "UPDATE template SET name = 'x' || name",
    "UPDATE template SET beside = 'x'",
    "UPDATE template SET beside = CAST(x'ff' AS TEXT)",
    "UPDATE template SET digest = x'00', outline = 5",
    "UPDATE body SET body = NULL",
    "UPDATE program SET digest = 1",
    "DROP TABLE body",
    "ALTER TABLE template ADD COLUMN more",
    "ALTER TABLE template RENAME COLUMN outline TO other",
    "CREATE VIEW more AS SELECT * FROM body",
)


@pytest.mark.parametrize("statement", FOREIGN)
def test_rows_that_no_xsrc_has_written_are_replaced(statement: str, tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    now, outlines = known(tree, folder), leaves_of(tree, folder, "w")
    with contextlib.closing(sqlite3.connect(folder / FILE, isolation_level=None)) as db:
        db.execute(statement)
    assert known(tree, folder) == now
    assert leaves_of(tree, folder, "w") == outlines
    assert set(rows(folder)) == {"foo", "bar", "baz"}


_ASKED = """
import sys
from pathlib import Path
from tests.integration.tree.test_index import Tree, leaves_of
asked = []
leaves_of(Tree(Path(sys.argv[1])), Path(sys.argv[2]), "w", asked)
print(*asked)
"""


def test_rows_of_templates_that_went_are_removed(tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    first = leaves_of(tree, folder, "w")
    for number in range(500):
        write(tree, f"many{number}")
        if number in (1, 300):
            assert known(tree, folder) == fresh(tree)
            assert len(leaves_of(tree, folder, "w")) == len(names(tree)) == len(rows(folder))
    template_removed(tree)
    assert known(tree, folder) == fresh(tree)
    assert leaves_of(tree, folder, "w").items() > {"foo": first["foo"], "baz": first["baz"]}.items()
    assert set(rows(folder)) == set(Cache(folder / FILE).bodies()) == set(names(tree))
    asked: list[str] = []
    assert "bar" not in leaves_of(tree, folder, "w", asked) and not asked


def test_what_another_program_stored_is_not_read(tmp_path: Path) -> None:
    tree, folder, home = make(tmp_path / "tree"), tmp_path / "index", tmp_path / "home"
    here = Path(__file__).parents[3]
    for part in ("xsrc", "tests/unit", "tests/integration"):
        shutil.copytree(here / part, home / part, ignore=shutil.ignore_patterns("__pycache__"))

    def asked() -> str:
        words = [sys.executable, "-c", _ASKED, str(tree.root), str(folder)]
        return subprocess.run(words, cwd=home, check=True, capture_output=True, text=True).stdout.strip()

    assert (asked(), asked()) == ("bar baz foo", "")
    for part in ("build/styles/cmake.toml", "core/schema.py"):
        with (home / "xsrc" / part).open("a") as file:
            file.write("# more\n")
        assert (asked(), asked()) == ("bar baz foo", "")


def leaves_of(tree: Tree, folder: Path, world: str, asked: list[str] | None = None) -> dict[str, Any]:
    """The outlines of a tree; `asked` gets the names of those that were made."""

    def inputs(package: Package) -> str:
        if asked is not None:
            asked.append(package.name)
        return f"{world} {package.raw} {package.template.patches} {package.template.files}"

    with Index.open(tree, folder) as index:
        outlines = index.outlines(world, lambda template: resolve(template, X86_64), inputs)
        return {name: outlines[name] for name in outlines}


def test_a_leaf_is_made_once_for_each_world_and_content(tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    asked: list[str] = []
    first = leaves_of(tree, folder, "one", asked)
    assert leaves_of(tree, folder, "one", asked) == first
    assert asked == ["bar", "baz", "foo"]
    file_may_run(tree)
    asked.clear()
    second = leaves_of(tree, folder, "one", asked)
    assert asked == ["foo"] and second["foo"].inputs != first["foo"].inputs and second["bar"] == first["bar"]
    asked.clear()
    assert leaves_of(tree, folder, "two", asked)["bar"].inputs != first["bar"].inputs
    assert asked == ["bar", "baz", "foo"]
    template_removed(tree)
    assert set(leaves_of(tree, folder, "two", asked)) == {"baz", "foo"}


def test_a_leaf_is_asked_as_a_package_is(tmp_path: Path) -> None:
    tree = make(tmp_path)
    leaf, package = leaves_of(tree, tmp_path / "index", "w")["foo"], resolve(load(tree, "foo"), X86_64)
    assert (leaf.name, leaf.pkgver) == (package.name, package.pkgver)
    for kinds in (tuple(Dep), (Dep.LIB,), (Dep.RUN, Dep.LIB), ()):
        assert leaf.needs(*kinds) == package.needs(*kinds)


def test_leaves_are_made_when_they_are_asked_for(tmp_path: Path) -> None:
    tree = make(tmp_path)
    broken(tree)
    with Index.open(tree, tmp_path / "index") as index:
        outlines = index.outlines("w", lambda template: resolve(template, X86_64), str)
        assert outlines["bar"].name == "bar" and "foo" in outlines and "nothing" not in outlines
        with pytest.raises(TemplateError):
            outlines["foo"]


def test_nothing_is_lost_where_nothing_can_be_stored(tmp_path: Path) -> None:
    tree = make(tmp_path)
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file", Path("/proc/none")):
        with Index.open(tree, folder) as index:
            assert index.template("foo").raw["name"] == "foo"


def _link(file: Path) -> None:
    file.rename(file.with_name("else"))
    file.symlink_to("else")


def _fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _unwritable(file: Path) -> None:
    file.chmod(0o400)


def _text(file: Path) -> None:
    file.write_text("left by something else")


def _another(file: Path) -> None:
    file.unlink()
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE body (number INTEGER)")


@pytest.mark.parametrize("change", [_link, _fifo, _unwritable, _text, _another], ids=lambda change: change.__name__)
def test_what_is_no_file_of_ours_is_replaced(change: Callable[[Path], None], tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    known(tree, folder)
    change(folder / FILE)
    same_size(tree)
    assert known(tree, folder) == fresh(tree)
    assert known(tree, folder) == fresh(tree)
    found = (folder / FILE).lstat().st_mode
    assert stat.S_ISREG(found) and set(rows(folder)) == set(names(tree))


def test_a_folder_in_the_place_of_the_file_stays(tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    (folder / FILE).mkdir(parents=True)
    assert known(tree, folder) == fresh(tree)
    assert (folder / FILE).is_dir()


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
def test_nobody_waits_long_for_one_that_stores(lock: str, tmp_path: Path) -> None:
    tree, folder = make(tmp_path), tmp_path / "index"
    known(tree, folder)
    before = rows(folder)
    same_size(tree)
    with contextlib.closing(sqlite3.connect(folder / FILE, isolation_level=None)) as db:
        db.execute(f"BEGIN {lock}")
        start = time.monotonic()
        assert known(tree, folder) == fresh(tree)
        assert time.monotonic() - start < 10
    assert rows(folder) == before, "nothing was stored"


_STORER = """
import sys
from pathlib import Path
from tests.integration.tree.test_index import Tree, known, same_size_turned
tree, folder = Tree(Path(sys.argv[1])), Path(sys.argv[2])
print("ready", flush=True)
while True:
    known(tree, folder)
    same_size_turned(tree)
"""


def same_size_turned(tree: Tree) -> None:
    """A change that can be done again and again."""
    text = tree.template("foo").read_text()
    tree.template("foo").write_text(
        text.replace("Small", "SMALL") if "Small" in text else text.replace("SMALL", "Small")
    )


def test_one_that_is_killed_while_it_stores_does_no_harm(tmp_path: Path) -> None:
    tree, folder = make(tmp_path / "tree"), tmp_path / "index"
    chance = random.Random(5)
    for _ in range(8):
        words = [sys.executable, "-c", _STORER, str(tree.root), str(folder)]
        with subprocess.Popen(words, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE) as worker:
            assert worker.stdout and worker.stdout.readline()
            time.sleep(chance.random() / 20)
            worker.kill()
        make(tmp_path / "tree")
        assert known(tree, folder) == fresh(tree)
        assert set(rows(folder)) == {"foo", "bar", "baz"}


_WORKER = """
import sys
from pathlib import Path
from tests.integration.tree.test_index import Tree, fresh, known, leaves_of
tree, folder = Tree(Path(sys.argv[1])), Path(sys.argv[2])
for _ in range(40):
    assert known(tree, folder) == fresh(tree)
    leaves_of(tree, folder, "w")
"""


def test_many_at_once(tmp_path: Path) -> None:
    tree, folder = make(tmp_path / "tree"), tmp_path / "index"
    words = [sys.executable, "-c", _WORKER, str(tree.root), str(folder)]
    at_work = [subprocess.Popen(words, cwd=Path(__file__).parents[3], stderr=subprocess.PIPE) for _ in range(4)]
    while any(worker.poll() is None for worker in at_work):
        # what no template is made of may change at any time
        (tree.templates / "foo" / f"{time.time_ns()}.swp").write_text("")
        time.sleep(0.01)
    assert [worker.communicate()[1].decode() for worker in at_work] == [""] * 4
    file = folder / FILE
    file.write_bytes(file.read_bytes()[:-5000])
    file.with_name(f"{FILE}-journal").write_text("left by one that was killed")
    same_size(tree)
    assert known(tree, folder) == fresh(tree)
    assert known(tree, folder) == fresh(tree)
