"""What becomes of packages in an index, and what is wrong with all of them together."""

from __future__ import annotations

import plistlib
from typing import Any

import pytest

from xsrc.repo.blocks import Blocks, block_of, cut, entry, joined, props_of
from xsrc.repo.check import gone, shared_paths, unmet
from xsrc.repo.plan import Tables, add
from xsrc.repo.signed import SignedIndex, line_of, stale


def package(pkgver: str, **more: Any) -> dict[str, Any]:
    known = {"pkgver": pkgver, "build-key": "k", "filename-sha256": "a" * 64, "filename-size": 1}
    return {**known, "long_desc": "<two>\n\t<lines> & more", **{key.replace("_", "-"): v for key, v in more.items()}}


def table(*packages: dict[str, Any]) -> Blocks:
    return dict(block_of(one) for one in packages)


NOTHING = Tables({}, {})


def test_an_index_is_cut_and_joined_again() -> None:
    found = table(package("b-1_1"), package("a+-1_1", run_depends=["b>=0"]))
    text = joined(found)
    assert {name: props["pkgver"] for name, props in plistlib.loads(text).items()} == {"a+": "a+-1_1", "b": "b-1_1"}
    assert cut(text) == found
    assert props_of(found["b"]) == package("b-1_1")
    assert (cut(b""), joined({})) == ({}, b"")


def test_an_index_in_another_form_is_read_too() -> None:
    foreign = plistlib.dumps({"b": package("b-1_1")}).replace(b"<dict>\n", b"<dict> \n")
    assert {name: props_of(block) for name, block in cut(foreign).items()} == {"b": package("b-1_1")}
    for bad in (b"x", b"<plist>", plistlib.dumps([]), plistlib.dumps({"a": "b"})):
        with pytest.raises(Exception, match=r".") as caught:
            cut(bad)
        assert isinstance(caught.value, Exception)


def test_what_only_packages_say_is_left_out() -> None:
    props = {"pkgver": "a-1_1", "pkgname": "a", "version": "1_1", "packaged-with": "xsrc", "short_desc": "A"}
    assert entry(props, "s", 5) == {
        "pkgver": "a-1_1",
        "short_desc": "A",
        "filename-sha256": "s",
        "filename-size": 5,
    }


def test_a_newer_version_takes_the_place_of_an_older_one_and_not_the_other_way() -> None:
    first = add(NOTHING, [package("a-1.9_1"), package("b-1_1")])
    assert first.added == ("a-1.9_1", "b-1_1")
    second = add(first.tables, [package("a-1.10_1")])
    assert second.added == ("a-1.10_1",)
    third = add(second.tables, [package("a-1.9_1"), package("a-1.10_1")])
    assert (third.added, third.refused) == ((), ())
    assert {name: props_of(block)["pkgver"] for name, block in third.tables.index.items()} == {
        "a": "a-1.10_1",
        "b": "b-1_1",
    }


def test_the_same_version_of_another_key_is_refused() -> None:
    known = Tables(table(package("a-1_1")), {})
    (line,) = add(known, [package("a-1_1", build_key="other")]).refused
    assert line == "  a-1_1: the index has this version from another key: raise the revision of its template"
    (line,) = add(known, [package("a-1_1", filename_sha256="b" * 64)]).refused
    assert "not reproducible" in line


def test_packages_wait_until_what_needs_an_older_library_is_built_again() -> None:
    """As xbps-rindex does: else a client could not install what is not built again yet."""
    lib, user = package("lib-1_1", shlib_provides=["l.so.1"]), package("user-1_1", shlib_requires=["l.so.1"])
    first = add(NOTHING, [lib, user]).tables
    second = add(first, [package("lib-2_1", shlib_provides=["l.so.2"])])
    assert (second.tables.index, set(second.tables.stage)) == (first.index, {"lib"})
    assert second.waiting == ("  l.so.1 is gone, and user needs it",)
    third = add(second.tables, [package("user-1_2", shlib_requires=["l.so.2"])])
    assert (third.waiting, third.tables.stage) == ((), {})
    assert props_of(third.tables.index["lib"])["pkgver"] == "lib-2_1"
    moved = add(first, [package("lib-2_1"), package("old-lib-1_1", shlib_provides=["l.so.1"])])
    assert moved.waiting == (), "another package has the library now"


def entries(*packages: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["pkgver"].rpartition("-")[0]: one for one in packages}


def test_unmet_needs_and_libraries() -> None:
    known = {"run_depends": ["b>=2", "sh>=0", "c-1_1", "none>=0"], "shlib-requires": ["l.so.1", "l.so.2"]}
    found = entries(
        {"pkgver": "a-1_1", **known},
        {"pkgver": "b-1_1", "provides": ["sh-1_1"], "shlib-provides": ["l.so.1"]},
        {"pkgver": "c-1_1"},
    )
    assert list(unmet(found)) == [
        "a-1_1: needs b>=2, and no package of the index is that",
        "a-1_1: needs none>=0, and no package of the index is that",
        "a: needs the library l.so.2, and no package of the index has it",
    ]


def test_paths_of_two_packages() -> None:
    found = entries({"pkgver": "a-1_1", "conflicts": ["c>=0"]}, {"pkgver": "b-1_1"}, {"pkgver": "c-1_1"})
    paths = [("/x", "a"), ("/x", "b"), ("/y", "a"), ("/y", "c"), ("/z", "b")]
    assert list(shared_paths(paths, found)) == ["/x: both a-1_1 and b-1_1 have it"]


def test_packages_whose_template_is_gone() -> None:
    found = entries({"pkgver": "a-1_1", "sourcepkg": "old-1_1"}, {"pkgver": "b-1_1"}, {"pkgver": "base-libs-host-1_1"})
    assert list(gone(found, frozenset({"b"}))) == ["a-1_1: its template old is gone"]


def test_the_own_index_grows_and_ends() -> None:
    line = line_of("a", package("a-1_1"), "t")
    one = SignedIndex("x86_64").grown({"a": line}, "2026-01-01T00:00:00Z")
    assert SignedIndex.parse(one.render()) == one
    signed = SignedIndex.parse(one.render() + b"-----BEGIN SSH SIGNATURE-----\nx\n")
    assert (signed.version, signed.lines, signed.text) == (1, {"a": line}, one.text)
    assert signed.grown({}).signature == b""
    assert stale(one, "2025-01-01T00:00:00Z") == "it is not signed"
    assert stale(signed, "2025-01-01T00:00:00Z", 1) == ""
    assert "ended" in stale(signed, "2026-02-01T00:00:00Z")
    assert stale(signed, "2025-01-01T00:00:00Z", 2) == "it is version 1, and version 2 was seen before"
    with pytest.raises(ValueError, match="want the index"):
        SignedIndex.parse(b'{"format": 9}\n')
