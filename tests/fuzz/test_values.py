"""Values that are written and read again, and the laws of the order of versions."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.builders import packages
from xsrc.errors import TemplateError
from xsrc.model import elf
from xsrc.model.arch import Dep
from xsrc.model.farm import Act, Change, Class, Op, Placed
from xsrc.model.manifest import Entry, Kind, Manifest, Props
from xsrc.model.pkgver import Pattern, PkgVer, Version
from xsrc.plan.graph import BUILD, build_closure, order

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
paths = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=8).map(
    lambda t: t.strip("/") or "x"
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


placed = st.builds(Placed, paths, pkgvers.map(str), st.sampled_from(Class), paths | st.just(""), st.integers(0, 0o7777))
ops = st.builds(Op, st.sampled_from(Act), placed, st.none() | placed)


@settings(max_examples=100)
@given(
    st.dictionaries(pkgvers.map(str), st.booleans(), max_size=2),
    st.lists(names, max_size=2).map(tuple),
    st.lists(ops, max_size=3).map(tuple),
)
def test_changes_are_read_as_they_were_written(
    add: dict[str, bool], drop: tuple[str, ...], some: tuple[Op, ...]
) -> None:
    change = Change(add=add, drop=drop, ops=some)
    assert Change.parse(change.render()) == change


KEYS = ("hostmakedepends", "makedepends", "checkdepends", "depends")
graphs = st.fixed_dictionaries(
    {
        name: st.dictionaries(st.sampled_from(KEYS), st.lists(st.sampled_from("abcde"), max_size=2), max_size=2)
        for name in "abcde"
    }
)


@settings(max_examples=120)
@given(graphs)
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
    for name in got:
        closure = build_closure(known[name], known, BUILD)
        assert all(got.index(below) < got.index(name) for below in closure)
