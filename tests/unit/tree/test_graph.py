"""Order, closures and cycles of packages."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from tests.unit.builders import a_package, packages
from xsrc.core.dep import Dep
from xsrc.core.errors import TemplateError
from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.tree.graph import build_closure, cycle_of, dependents, order, ordered, run_closure, sort
from xsrc.tree.package import Package

TOOL, LIB, CHECK, RUN = "hostmakedepends", "makedepends", "checkdepends", "depends"


def test_run_closure_goes_nearest_first_and_names_each_once() -> None:
    known = packages(a={RUN: ["b", "c"]}, b={RUN: ["d"]}, c={RUN: ["d", "b"]}, d={}, e={})
    assert run_closure(["a"], known) == ("a", "b", "c", "d")
    assert run_closure(["c", "a"], known) == ("c", "a", "d", "b")
    assert run_closure([], known) == ()


def test_run_closure_does_not_follow_what_is_needed_to_build() -> None:
    assert run_closure(["a"], packages(a={TOOL: ["b"], LIB: ["b"], CHECK: ["b"]}, b={})) == ("a",)


def test_run_closure_of_a_cycle() -> None:
    assert run_closure(["a"], packages(a={RUN: ["b"]}, b={RUN: ["a"]})) == ("a", "b")


def test_build_closure_holds_what_a_build_needs_and_what_that_needs_to_run() -> None:
    known = packages(
        a={TOOL: ["t"], LIB: ["l"], CHECK: ["c"], RUN: ["r"]}, t={RUN: ["tr"], LIB: ["tl"]}, tr={}, l={}, c={}
    )
    assert build_closure(known["a"], known) == ("c", "l", "t", "tr")
    assert build_closure(known["a"], known, (Dep.TOOL,)) == ("t", "tr")
    assert build_closure(known["tr"], known) == ()


def test_order_puts_each_after_what_its_build_needs() -> None:
    known = packages(a={TOOL: ["b"], LIB: ["c"]}, b={LIB: ["c"]}, c={}, d={CHECK: ["a"]})
    assert order(["d"], known) == ("c", "b", "a", "d")


def test_order_holds_what_is_needed_to_run_too() -> None:
    known = packages(a={RUN: ["b"]}, b={LIB: ["c"]}, c={RUN: ["d"]}, d={})
    got = order(["a"], known)
    assert sorted(got) == ["a", "b", "c", "d"]
    assert got.index("b") > got.index("c")
    assert got.index("b") > got.index("d"), "c is in the build root of b, and it needs d to run"


def test_order_does_not_depend_on_how_names_were_given_for_what_matters() -> None:
    known = packages(a={LIB: ["b"]}, b={LIB: ["c"]}, c={}, d={LIB: ["c"]})
    for names in permutations("abcd"):
        got = order(names, known)
        assert sorted(got) == ["a", "b", "c", "d"]
        assert got.index("c") < got.index("b") < got.index("a")
        assert got.index("c") < got.index("d")


def test_packages_that_nobody_asked_for_stay_out() -> None:
    assert order(["a"], packages(a={}, b={LIB: ["a"]})) == ("a",)


def test_a_cycle_at_run_time_is_no_trouble() -> None:
    known = packages(a={RUN: ["b"]}, b={RUN: ["a"]}, c={LIB: ["a"]})
    got = order(["c"], known)
    assert sorted(got) == ["a", "b", "c"]
    assert got[-1] == "c"


def cycle(names: list[str], known: dict[str, Package]) -> tuple[str, str]:
    """The message of a cycle and where it stands."""
    with pytest.raises(TemplateError) as caught:
        order(names, known)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.hint == "one of them has to do without the other"
    return diagnostic.message, str(diagnostic.span)


def test_a_cycle_is_spelled_out_at_its_place() -> None:
    known = packages(a={TOOL: ["b"]}, b={LIB: ["c"]}, c={LIB: ["a"]})
    assert cycle(["a"], known) == (
        "dependency cycle: a -> b (hostmakedepends) -> c (makedepends) -> a (makedepends)",
        "templates/a/template.toml:8:1",
    )


def test_a_cycle_is_told_without_the_way_that_led_to_it() -> None:
    known = packages(x={LIB: ["a"]}, a={LIB: ["b"]}, b={LIB: ["a"]})
    assert cycle(["x"], known)[0] == "dependency cycle: a -> b (makedepends) -> a (makedepends)"


def test_a_cycle_is_told_without_what_was_ordered_before_it() -> None:
    known = packages(a={LIB: ["b", "c"]}, b={RUN: ["d"]}, c={TOOL: ["d", "a"]}, d={})
    assert cycle(["a"], known)[0] == "dependency cycle: a -> c (makedepends) -> a (hostmakedepends)"


def test_a_package_that_needs_itself() -> None:
    assert cycle(["a"], packages(a={TOOL: ["a"]})) == (
        "dependency cycle: a -> a (hostmakedepends)",
        "templates/a/template.toml:8:1",
    )


def test_a_package_that_needs_itself_to_run() -> None:
    assert order(["a"], packages(a={RUN: ["a"]})) == ("a",)


# Once what a direct need needs to run was left out of the words, and the place was no key of the template.
def test_a_cycle_through_what_is_needed_to_run_is_spelled_out() -> None:
    known = packages(a={LIB: ["b"]}, b={RUN: ["c"]}, c={RUN: ["a"]})
    assert cycle(["a"], known) == (
        "dependency cycle: a -> b (makedepends) -> c (depends) -> a (depends)",
        "templates/a/template.toml:8:1",
    )


# Once each link of a chain took a Python frame.
def test_a_long_chain() -> None:
    names = [f"p{number}" for number in range(2000)]
    one = a_package("p")
    known = {
        name: replace(one, pkgver=PkgVer(name, "1", 1), depends={Dep.LIB: (Pattern(below),) if below else ()})
        for below, name in zip(["", *names], names, strict=False)
    }
    assert order([names[-1]], known) == tuple(names)


def test_dependents() -> None:
    known = packages(a={}, b={LIB: ["a"]}, c={RUN: ["a", "b"]}, d={TOOL: ["b"]})
    assert dependents("a", known) == ("b", "c")
    assert dependents("a", known, (Dep.RUN,)) == ("c",)
    assert dependents("d", known) == ()


def test_a_cycle_that_only_tests_make_is_none() -> None:
    """https://github.com/void-linux/void-packages/issues/32614"""
    every = packages(a={"checkdepends": ["b", "c"]}, b={"depends": ["a"], "makedepends": ["c"]}, c={})
    for names in (["a"], ["b"], ["a", "b"], ["c", "b", "a"]):
        row = sort(names, every)
        assert row.late == {"a"}
        built = ordered(row.groups, every)
        assert set(built) == {"a", "b", "c"}
        assert not any(cycle_of(group, row.packages) for group in row.groups)


def test_a_cycle_that_builds_make_too_stays_one() -> None:
    every = packages(a={"checkdepends": ["b"], "makedepends": ["b"]}, b={"makedepends": ["a"]})
    assert cycle(["a"], every)[0] == "dependency cycle: a -> b (makedepends) -> a (makedepends)"


def test_needs_of_tests_that_do_not_run_are_none() -> None:
    every = packages(a={"checkdepends": ["b"], "make_check": "no tests"}, b={"makedepends": ["a"]})
    assert order(["b"], every) == ("a", "b")
    assert order(["a"], every) == ("a",)
