"""The tree of Void's packages is what it says: every name, every need, templates that pass, cycles that are told."""

from __future__ import annotations

from pathlib import Path

from tests.bench.voidtree import KINDS, Void, read_void, write_void
from tests.unit.builders import X86_64
from xsrc.core.layout import Tree
from xsrc.core.pkgver import Pattern
from xsrc.tree.disk.templates import load, names
from xsrc.tree.graph import cycle_of, groups
from xsrc.tree.resolve import resolve

VOID = read_void()


def test_nothing_is_lost_but_what_is_counted() -> None:
    assert len(VOID.sources) == 9635
    assert VOID.left_out == {"virtual name": 112, "itself": 738, "unknown name": 18}
    needs = [Pattern.parse(text) for source in VOID.sources.values() for text in source.texts(*KINDS)]
    assert len(needs) == 61_421
    assert all(need.matches(VOID.sources[need.name].pkgver) for need in needs)


def test_templates_pass_and_say_what_void_says(tmp_path: Path) -> None:
    some = dict(list(VOID.sources.items())[::20])
    write_void(tmp_path, Void(some, {}))
    tree = Tree(tmp_path)
    assert set(names(tree)) == set(some)
    packages = [resolve(load(tree, name), X86_64) for name in names(tree)]
    for package in packages:
        source = some[package.name]
        assert package.pkgver == source.pkgver
        assert {kind.value: tuple(map(str, package.depends[kind])) for kind in package.depends} == source.wants
    assert {package.build_style for package in packages} == {"gnu-configure", "gnu-makefile", "cmake", "meson"}
    for part in ("patches", "files"):
        assert 0 < sum(bool(getattr(package.template, part)) for package in packages) < len(packages) / 2


def test_cycles_are_kept_and_told_and_can_be_left_out() -> None:
    assert [len(names) for names in VOID.cycles] == [672, 14, 7, 4, 3, 2, 2, 2, 2, 1]
    ordered = VOID.ordered()
    assert all(cycle_of(group, ordered.sources) is None for group in groups(ordered.sources, ordered.sources))
    assert ordered.left_out["closes a cycle"] == 845
    lost = sum(len(list(VOID.sources[name].texts(*KINDS))) for name in VOID.sources)
    assert lost - sum(len(list(source.texts(*KINDS))) for source in ordered.sources.values()) == 845
