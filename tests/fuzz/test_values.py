"""Values that are written and read again, and the laws of the order of versions."""

from __future__ import annotations

import contextlib
import io
import json
import plistlib
import posixpath
from dataclasses import replace

import pytest
import toml as tomlwriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.builders import packages
from xsrc.core.dep import BUILD, Dep
from xsrc.core.errors import TemplateError
from xsrc.core.paths import Unsound, covers_ours, fault, inside, rooted_fault, target_fault
from xsrc.core.pkgver import Pattern, PkgVer, Version
from xsrc.farm.generation import Generation, Stowed
from xsrc.farm.place import MERGED, Act, Change, Class, Conf, Op, Placed
from xsrc.store import elf
from xsrc.store.manifest import Entry, Kind, Manifest, Props
from xsrc.store.rules import Rules
from xsrc.tree.graph import all_dependents, build_closure, order, sort

WORDS = (
    "alpha",
    "beta",
    "pre",
    "rc",
    "pl",
    "a",
    "B",
    "z",
    ".",
    "~",
    "+",
    "0",
    "00",
    "1",
    "9",
    "10",
    "2026",
    "1.0",
    "1.0.0",
)
texts = (
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=5)
    .map("".join)
    .map(lambda text: text + "0" * ("1" not in text))
)
versions = st.builds(Version, texts, st.integers(0, 3))
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,6}", fullmatch=True)
version_texts = st.from_regex(r"[A-Za-z.+~]{0,3}[0-9][A-Za-z0-9.+~]{0,3}", fullmatch=True)
pkgvers = st.builds(PkgVer, names, version_texts, st.integers(1, 999))
paths = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8).filter(
    lambda text: not fault(text)
)
digests = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)


@settings(max_examples=300)
@given(versions, versions, versions)
def test_versions_have_a_total_order(one: Version, two: Version, three: Version) -> None:
    assert (one < two) + (one == two) + (one > two) == 1
    assert (one <= two) == (not one > two)
    assert (one < two) == (two > one)
    if one <= two <= three:
        assert one <= three
    if one == two:
        assert hash(one) == hash(two)
        assert (one < three) == (two < three)
    assert sorted([three, two, one]) == sorted([one, three, two]) == sorted([two, one, three])


@settings(max_examples=200)
@given(texts, st.integers(0, 3))
def test_longer_versions(text: str, revision: int) -> None:
    version = Version(text, revision)
    assert version < Version(text, revision + 1)
    assert version < Version(text + ".1", revision)
    assert version > Version(text + "rc1", revision)
    assert version == Version(text + ".0", revision)
    assert version == Version(text.upper(), revision)


@settings(max_examples=200)
@given(pkgvers, version_texts, st.integers(0, 9))
def test_pkgvers_and_patterns(pkgver: PkgVer, bound: str, revision: int) -> None:
    assert PkgVer.parse(str(pkgver)) == pkgver
    for text in (f"{pkgver.name}{{}}{bound}", f"{pkgver.name}{{}}{bound}_{revision}"):
        at_least, below, at_most, above = (Pattern.parse(text.format(op)) for op in (">=", "<", "<=", ">"))
        assert str(below) == text.format("<")
        assert at_least.matches(pkgver) != below.matches(pkgver)
        assert at_most.matches(pkgver) != above.matches(pkgver)
        assert at_least.matches(pkgver) or at_most.matches(pkgver)
        assert not at_least.matches(PkgVer(pkgver.name + "x", pkgver.version, pkgver.revision))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    kind = draw(st.sampled_from(Kind))
    path = draw(paths)
    if kind is Kind.LINK:
        return Entry(path, kind, 0o777, target=draw(paths))
    if kind is Kind.DIR:
        return Entry(path, kind, draw(st.integers(0, 0o7777)))
    size, inode = draw(st.integers(0, 2**40)), draw(st.integers(0, 3))
    return Entry(path, kind, draw(st.integers(0, 0o7777)), size, draw(digests), inode=inode)


@settings(max_examples=100)
@given(st.lists(entries(), max_size=5, unique_by=lambda e: e.path), st.booleans())
def test_manifests_are_read_as_they_were_written(found: list[Entry], conf: bool) -> None:
    manifest = Manifest.of(found)
    read = Manifest.parse(manifest.render([f"/{entry.path}" for entry in found[:2]] if conf else ()))
    assert read == manifest
    assert read.size == manifest.size <= sum(entry.size for entry in found)


@settings(max_examples=200)
@given(
    st.binary(max_size=40)
    | st.binary(max_size=40).map(lambda data: b'<?xml version="1.0"?><plist>' + data)
    | st.binary(max_size=40).map(lambda data: b"bplist00" + data)
)
def test_whatever_stands_in_a_plist(data: bytes) -> None:
    for read in (Manifest.parse, Props.parse):
        try:
            read(data)
        except ValueError as error:
            assert str(error)


@settings(max_examples=150)
@given(st.binary(max_size=120))
def test_whatever_stands_in_an_elf_file(data: bytes) -> None:
    elf.read(io.BytesIO(data))
    elf.read(io.BytesIO(elf.MAGIC + b"\2\1\1" + data))


sources = paths.map(lambda path: f"pkg-destdir/{path}") | st.just("")
build_ids = st.from_regex(r"[0-9a-f]{20}", fullmatch=True)
placed = st.builds(
    Placed,
    paths.filter(lambda path: not covers_ours(path)),
    pkgvers.map(str),
    st.sampled_from([how for how in Class if how is not Class.MERGED]),
    paths | st.just(""),
    st.integers(0, 0o7777),
    sources,
)


@st.composite
def ops(draw: st.DrawFn) -> Op:
    """An operation as plans make them."""
    act = draw(st.sampled_from(Act))
    one, two = draw(placed), draw(placed)
    if act is Act.MERGE:
        path = draw(st.sampled_from(MERGED))
        one, two = (p._replace(path=path, how=Class.MERGED, source="") for p in (one, two))
    elif act is Act.BRING:
        one, two = (p._replace(path=one.owner, text=draw(build_ids), source="") for p in (one, two))
    return Op(act, one, draw(st.sampled_from((None, two._replace(path=one.path)))))


changes = st.builds(
    Change,
    add=st.dictionaries(pkgvers.map(str), st.booleans(), max_size=2),
    drop=st.lists(names, max_size=2).map(tuple),
    ops=st.lists(ops(), max_size=3).map(tuple),
    builds=st.dictionaries(pkgvers.map(str), build_ids, max_size=2),
    conf=st.dictionaries(paths, st.none() | st.builds(Conf, digests, st.none() | placed), max_size=2),
    aside=st.dictionaries(paths, st.none() | placed, max_size=2),
    choices=st.none() | st.dictionaries(names, names, max_size=2),
    made=st.dictionaries(paths, st.none() | st.tuples(names, digests), max_size=2),
)


@settings(max_examples=100)
@given(changes)
def test_changes_are_read_as_they_were_written(change: Change) -> None:
    assert Change.parse(change.render()) == change


# ---- paths that leave the root, wherever one is read


def hostile(path: str) -> list[str]:
    """Ways in which a path can be made to leave the root, or to be two lines."""
    middle = path.replace("/", "/../", 1) if "/" in path else f"{path}/.."
    return [f"/{path}", f"../{path}", f"{path}/../../x", middle, f"{path}/", f"./{path}", f"{path}//x", f"{path}\n", ""]


evil = st.builds(lambda path, number: hostile(path)[number % len(hostile(path))], paths, st.integers(0, 99)) | st.just(
    "a\0b"
)


@given(paths, evil)
def test_what_a_path_is(path: str, other: str) -> None:
    assert fault(path) == "" == rooted_fault(f"/{path}")
    assert inside(path) == path
    assert posixpath.normpath(f"/root/{path}") == f"/root/{path}", "nothing is left to be resolved"
    assert fault(other) and rooted_fault(f"/{other}")
    with pytest.raises(Unsound):
        inside(other)


@given(st.text(max_size=12))
def test_whatever_is_taken_for_a_path_stays_below_its_root(text: str) -> None:
    if not fault(text):
        assert posixpath.normpath(f"/root/{text}") == f"/root/{text}"
        assert not set(text) & {"\0", "\n"}
        assert text.encode()


@given(paths, st.lists(st.sampled_from(("..", "a", "b", ".", "")), max_size=6).map("/".join))
def test_whatever_a_link_may_say_stays_below_the_root(at: str, target: str) -> None:
    if not target_fault(at, target):
        met = target if target.startswith("/") else f"{posixpath.dirname(f'/{at}')}/{target}"
        assert not f"{posixpath.relpath(met, '/')}/".startswith("../")
        ups = (
            0
            if target.startswith("/")
            else [*target.split("/"), "x"].index(next(w for w in [*target.split("/"), "x"] if w != ".."))
        )
        assert ups <= at.count("/")


@settings(max_examples=150)
@given(changes, st.lists(ops(), min_size=1, max_size=1), evil, st.integers(0, 5))
def test_no_change_with_a_path_that_leaves_the_root_is_read(
    change: Change, some: list[Op], path: str, where: int
) -> None:
    (op,) = some
    bad = op.placed._replace(path=path)
    row = Conf("", bad)
    changed = [
        replace(change, ops=(Op(op.act, bad, op.before and bad),)),
        replace(change, ops=(Op(Act.PUT, op.placed, bad),)),
        replace(change, ops=(Op(Act.PUT, op.placed._replace(source=path or "/")),)),
        replace(change, conf={"etc/x": row}),
        replace(change, aside={path: None}),
        replace(change, made={path: None}),
    ][where]
    with pytest.raises(Unsound):
        Change.parse(changed.render())


@given(evil)
def test_no_property_list_with_a_path_that_leaves_the_root_is_read(path: str) -> None:
    for kind in ("files", "links", "dirs"):
        row = {"file": f"/{path}", "target": "x", "sha256": "0" * 64, "size": 1, "mode": "0644"}
        if "\0" in path or "\n" in path:
            text = plistlib.dumps({kind: [row]}, fmt=plistlib.FMT_BINARY)
        else:
            text = plistlib.dumps({kind: [row]})
        with pytest.raises(ValueError, match=r"not a files\.plist"):
            Manifest.parse(text)
    for rules in (
        {"conf_files": [f"/{path}"]},
        {"shells": [f"/{path}"]},
        {"make_dirs": [{"path": f"/{path}"}]},
        {"alternatives": [{"group": "g", "link": f"/{path}", "target": "x"}]},
        {"accounts": [{"name": "a", "home": f"/{path}x/../y"}]},
    ):
        with pytest.raises(Unsound):
            Rules.of(rules)


generations = st.builds(
    Generation,
    st.integers(0, 10**6),
    st.just("2026-01-01"),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=8).filter(lambda text: "\\" not in text),
    st.lists(st.builds(Stowed, pkgvers, build_ids, st.booleans()), max_size=3).map(
        lambda found: {one.pkgver.name: one for one in found}
    ),
    st.just({}),
)


@given(generations)
def test_generations_are_read_as_they_were_written(generation: Generation) -> None:
    assert Generation.parse(generation.render()) == generation


@given(pkgvers, evil.filter(bool))
def test_no_generation_with_a_build_that_leaves_its_folder_is_read(pkgver: PkgVer, path: str) -> None:
    text = tomlwriter.dumps(
        {
            "number": 1,
            "at": "",
            "why": "",
            "alternatives": {},
            "packages": {pkgver.name: {"pkgver": str(pkgver), "build": path, "asked": True}},
        }
    )
    with pytest.raises(ValueError, match=r"build|TOML|Illegal|Invalid|Unescaped"):
        Generation.parse(text)


@settings(max_examples=200)
@given(
    st.recursive(
        st.none() | st.text(max_size=4) | st.integers(-9, 9) | st.booleans(),
        lambda of: (
            st.lists(of, max_size=4)
            | st.dictionaries(
                st.sampled_from(("ops", "add", "drop", "conf", "aside", "made", "fire", "builds", "choices", "why")),
                of,
                max_size=10,
            )
        ),
    )
)
def test_whatever_stands_in_a_change(raw: object) -> None:
    with contextlib.suppress(Unsound):
        Change.parse(json.dumps(raw))


KEYS = ("hostmakedepends", "makedepends", "checkdepends", "depends")
graphs = st.fixed_dictionaries(
    {
        name: st.dictionaries(st.sampled_from(KEYS), st.lists(st.sampled_from("abcde"), max_size=2), max_size=2)
        for name in "abcde"
    }
)


@settings(max_examples=120)
@given(graphs)
@example({name: {"checkdepends": ["d"]} if name == "d" else {} for name in "abcde"})
def test_an_order_or_a_cycle(tables: dict[str, dict[str, list[str]]]) -> None:
    known = packages(**tables)
    try:
        got = order(known, known)
    except TemplateError as error:
        (diagnostic,) = error.diagnostics
        first, *steps = diagnostic.message.removeprefix("dependency cycle: ").split(" -> ")
        names, kinds = [first], []
        for name, kind in (step.removesuffix(")").split(" (") for step in steps):
            assert name in known[names[-1]].needs(Dep(kind)), "each needs the next, as it says"
            names.append(name)
            kinds.append(Dep(kind))
        assert names[0] == names[-1]
        assert len(set(names)) == len(names) - 1, "each once, but for the one that is met again"
        assert set(kinds) & set(BUILD), "no cycle of what runs only"
        return
    assert sorted(got) == sorted(known)
    plan = sort(known, known)
    assert all(name in all_dependents([name], known) for name in plan.late), "only tests on a cycle come late"
    for name in got:
        closure = build_closure(plan.packages[name], known, BUILD)
        assert all(got.index(below) < got.index(name) for below in closure)
