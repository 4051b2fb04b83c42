"""Subpackages as parts of what was installed: who takes a path, what is left, what is wrong with a glob."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.builders import a_file, a_link, a_package, with_parents
from xsrc.build.job import parts as key_parts
from xsrc.build.split import linking, split, together
from xsrc.core.dep import Dep
from xsrc.core.errors import TemplateError
from xsrc.store.manifest import Entry, Kind

ZLIB = with_parents(
    [
        a_file("usr/include/zlib.h"),
        a_file("usr/include/sub/deep.h"),
        a_link("usr/lib/libz.so", "libz.so.1.3"),
        a_link("usr/lib/libz.so.1", "libz.so.1.3"),
        a_file("usr/lib/libz.so.1.3"),
        a_file("usr/lib/libplain.so"),
        a_file("usr/lib/libscript.so"),
        a_file("usr/lib/plugins/p.so"),
        a_file("usr/lib/pkgconfig/zlib.pc"),
        a_file("usr/bin/z"),
        a_file("usr/bin/z-config"),
        a_file("usr/share/man/man1/z.1"),
        a_file("usr/share/man/man3/zlib.3"),
        a_file("usr/share/doc/zlib/README"),
        a_file("usr/share/licenses/zlib/LICENSE"),
        Entry("var/lib/z", Kind.DIR, 0o750),
    ]
)
ELVES = frozenset(("usr/lib/libz.so.1.3", "usr/lib/libplain.so", "usr/lib/plugins/p.so", "usr/bin/z"))


def cut(entries: tuple[Entry, ...] = ZLIB, /, **parts: Any) -> dict[str, set[str]]:
    """What each part has beside directories that hold something; nothing may be wrong."""
    found, problems = split(a_package("zlib", subpackages=parts), entries, ELVES)
    assert problems == []
    inner = {entry.path.rpartition("/")[0] for entry in entries}
    return {name: {e.path for e in part if e.path not in inner} for name, part in found.items()}


def wrong(entries: tuple[Entry, ...] = ZLIB, /, **parts: Any) -> list[str]:
    return [text for _, text, _ in split(a_package("zlib", subpackages=parts), entries, ELVES)[1]]


def test_presets_take_what_users_of_such_packages_expect() -> None:
    names = ("devel", "libs", "doc", "man", "progs")
    assert cut(**{f"z-{name}": {"preset": name} for name in names}) == {
        "z-devel": {
            *("usr/include/zlib.h", "usr/include/sub/deep.h", "usr/lib/libz.so", "usr/lib/libscript.so"),
            *("usr/lib/pkgconfig/zlib.pc", "usr/bin/z-config", "usr/share/man/man3/zlib.3"),
        },
        "z-libs": {"usr/lib/libz.so.1", "usr/lib/libz.so.1.3", "usr/lib/libplain.so"},
        "z-doc": {"usr/share/doc/zlib/README"},
        "z-man": {"usr/share/man/man1/z.1"},
        "z-progs": {"usr/bin/z"},
        "zlib": {"usr/lib/plugins/p.so", "usr/share/licenses/zlib/LICENSE", "var/lib/z"},
    }


def test_first_in_the_file_takes_a_path() -> None:
    assert cut(a={"files": ["usr/bin/z"]}, b={"files": ["usr/bin"]})["b"] == {"usr/bin/z-config"}
    assert cut(b={"files": ["usr/bin"]}, a={"files": ["?usr/bin/z"]})["a"] == set()


def test_except_leaves_paths_to_others() -> None:
    found = cut(a={"files": ["usr/lib"], "except": ["usr/lib/*.so.*", "usr/lib/plugins"]}, b={"preset": "libs"})
    assert found["a"] == {"usr/lib/libz.so", "usr/lib/libplain.so", "usr/lib/libscript.so", "usr/lib/pkgconfig/zlib.pc"}
    assert found["b"] == {"usr/lib/libz.so.1", "usr/lib/libz.so.1.3"}
    assert "usr/lib/plugins/p.so" in found["zlib"]


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        ("usr/lib/*.so", {"usr/lib/libz.so", "usr/lib/libplain.so", "usr/lib/libscript.so"}),
        ("usr/lib/**/*.so", {"usr/lib/libz.so", "usr/lib/libplain.so", "usr/lib/libscript.so", "usr/lib/plugins/p.so"}),
        ("usr/lib/lib[!z]*.so", {"usr/lib/libplain.so", "usr/lib/libscript.so"}),
        ("usr/share/man/man?", {"usr/share/man/man1/z.1", "usr/share/man/man3/zlib.3"}),
        ("usr/in*/zlib.h", {"usr/include/zlib.h"}),
        ("var/lib/z", {"var/lib/z"}),
        ("var", {"var/lib/z"}),
        ("?usr/nothing", set()),
    ],
)
def test_globs_are_those_of_sh(glob: str, paths: set[str]) -> None:
    assert cut(a={"files": [glob]})["a"] == paths


def test_every_path_is_in_one_part_and_its_directories_in_each() -> None:
    found, _ = split(a_package("zlib", subpackages={"a": {"preset": "devel"}, "b": {"preset": "libs"}}), ZLIB, ELVES)
    plain = [e for part in found.values() for e in part if e.kind is not Kind.DIR]
    assert sorted(plain) == [e for e in ZLIB if e.kind is not Kind.DIR]
    for part in found.values():
        paths = {entry.path for entry in part}
        assert all(path.rpartition("/")[0] in paths for path in paths if "/" in path)
    assert together(found.values()).entries == ZLIB
    assert "usr/include" not in {entry.path for entry in found["zlib"]}


def test_what_stands_for_nothing_is_said() -> None:
    assert wrong(a={"files": ["usr/none", "usr/bin"]}) == [
        'subpackages.a.files[0]: "usr/none": it matches nothing that is installed'
    ]
    assert wrong(a={"files": ["usr/bin"]}, b={"files": ["usr/bin/z"]}) == [
        'subpackages.b.files[0]: "usr/bin/z": a has taken all that it matches'
    ]
    assert wrong(a={"files": ["usr/bin"], "except": ["usr/bin/q"]})[0].startswith("subpackages.a.except[0]")
    assert wrong(with_parents([a_file("usr/x")]), a={"preset": ["devel"]})[0].startswith(
        'subpackages.a.preset: "devel"'
    )
    assert wrong(a={"depends": ["zlib"]}) == []


def test_names_of_one_file_are_files_of_their_own_in_several_parts() -> None:
    linked = [a_file(path)._replace(inode=inode) for path, inode in (("a", 1), ("b", 1), ("c", 1), ("d", 2), ("e", 2))]
    found, _ = split(a_package("zlib", subpackages={"x": {"files": ["a", "d", "e"]}}), linked, ELVES)
    assert {e.path: e.inode for part in found.values() for e in part} == {"a": 0, "d": 1, "e": 1, "b": 1, "c": 1}
    whole = together(found.values())
    assert [(e.path, e.inode) for e in whole.entries] == [("a", 0), ("b", 2), ("c", 2), ("d", 1), ("e", 1)]


def test_links_to_libraries_lead_to_who_has_them() -> None:
    parts, _ = split(a_package("zlib", subpackages={"d": {"preset": "devel"}, "l": {"preset": "libs"}}), ZLIB, ELVES)
    assert linking(parts) == {"d": {"l"}, "l": set(), "zlib": set()}


def test_order_of_subpackages_is_part_of_the_key() -> None:
    one, two = {"files": ["usr/bin"]}, {"files": ["usr/*"]}
    keys = [
        key_parts(a_package("zlib", subpackages=table), {}, {})["template"]
        for table in ({"a": one, "b": two}, {"b": two, "a": one})
    ]
    assert keys[0] != keys[1]


def test_needs_of_subpackages_are_those_of_the_package_at_run_time() -> None:
    package = a_package(
        "zlib", depends=["z-libs", "x"], subpackages={"z-libs": {"preset": "libs", "depends": ["y>=2", "zlib"]}}
    )
    assert package.needs(Dep.RUN) == ("x", "y")
    assert package.wants(Dep.RUN) == ("z-libs", "x")
    assert [str(pkgver) for pkgver in package.outputs] == ["z-libs-0.5.12_1", "zlib-0.5.12_1"]


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"zlib": {"files": ["usr/bin"]}}, "want another name than that of the package"),
        ({"a": {"short_desc": "Nothing"}}, "want files or preset, or depends where it only gathers others"),
    ],
)
def test_what_no_subpackage_can_be(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        a_package("zlib", subpackages=parts)
    assert [words in problem.message for problem in caught.value.diagnostics] == [True]
