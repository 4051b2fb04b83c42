"""Names and versions: the grammar of pkgver, the order of versions as xbps has it, patterns."""

from __future__ import annotations

import pytest

from xsrc.core.pkgver import Pattern, PkgVer, Version

# The results of xbps-uhelper cmpver (research of the xbps formats, section 3), but for those pairs whose versions no
# template can have (a "-", a ":" or two revisions) and the one that shows its 32-bit overflow.
ORDER = """
1.0_1 = 1.0_1
1.0_1 < 1.0_2
1.0_9 < 1.0_10
1.0 < 1.0_1
1.0_1 < 1.1_1
1.9 < 1.10
1.0 = 1.0.0
1 = 1.0.0_0
1.01 = 1.1
1.0 < 1.0.1
1.0alpha < 1.0
1.0alpha < 1.0beta
1.0alpha2 < 1.0alpha10
1.0beta < 1.0rc1
1.0pre1 = 1.0rc1
1.0rc1 < 1.0
1.0rc2_1 > 1.0rc1_9
1.0rc = 1.0rc0
1.0.rc1 > 1.0rc1
1.0RC1 = 1.0rc1
1.0pl1 > 1.0
1.0pl1 = 1.0.1
1.0a > 1.0
1.0a = 1.0.1
1.0a < 1.0b
1.0A = 1.0a
1.0a > 1.0alpha
1.0p1 > 1.0pl1
1.0preview < 1.0
1.0+git5 > 1.0
1.0~rc1 = 1.0rc1
2024.01.02 < 20240102
20240102 > 9.9
20250101000000 > 20240101000000
r100 < 1.0
"""


def version(text: str) -> Version:
    bare, _, revision = text.partition("_")
    return Version(bare, int(revision or 0))


@pytest.mark.parametrize("row", ORDER.split("\n")[1:-1])
def test_order_is_that_of_xbps(row: str) -> None:
    left, op, right = row.split()
    one, two = version(left), version(right)
    got = "=" if one == two else "<" if one < two else ">"
    assert got == op
    assert (two < one, two == one, two > one) == (op == ">", op == "=", op == "<")
    assert (one <= two, one >= two) == (op in "<=", op in ">=")
    if op == "=":
        assert hash(one) == hash(two)


def test_sorting() -> None:
    texts = ["1.10", "1.0rc1", "1.9", "1.0", "1.0beta2", "1.0.1", "2", "1.0alpha"]
    want = ["1.0alpha", "1.0beta2", "1.0rc1", "1.0", "1.0.1", "1.9", "1.10", "2"]
    assert sorted(texts, key=Version) == want


def test_revision_decides_last() -> None:
    assert Version("1.0", 9) < Version("1.1", 1)
    assert Version("1.0", 9) < Version("1.0", 10)


def test_a_version_is_no_other_thing() -> None:
    assert Version("1") != "1"
    assert Version("1") != 1


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("dash-0.5.12_1", PkgVer("dash", "0.5.12", 1)),
        ("libedit-3.1.20221030_12", PkgVer("libedit", "3.1.20221030", 12)),
        ("foo-1.0-2.0_1", PkgVer("foo-1.0", "2.0", 1)),
        ("gtk+-3.24_1", PkgVer("gtk+", "3.24", 1)),
        ("foo_bar-1_1", PkgVer("foo_bar", "1", 1)),
        ("a--1_1", PkgVer("a-", "1", 1)),
        ("x-1.0~rc1+git5_3", PkgVer("x", "1.0~rc1+git5", 3)),
    ],
)
def test_pkgver(text: str, want: PkgVer) -> None:
    assert PkgVer.parse(text) == want
    assert str(want) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "dash",
        "dash-0.5",
        "dash_1",
        "dash-0.5_",
        "dash-0.5_0",
        "dash-0.5_01",
        "dash-abc_1",
        "-0.5_1",
        "dash-0.5_1_2",
        "dash-0.5_1\n",
        "da sh-1_1",
        "../dash-1_1",
        "dash-1/2_1",
        "dash-1_١",
    ],
)
def test_no_pkgver(text: str) -> None:
    with pytest.raises(ValueError, match="want NAME-VERSION_REVISION, got "):
        PkgVer.parse(text)


def test_parts_of_a_pkgver() -> None:
    pkgver = PkgVer.parse("dash-0.5.12_3")
    assert pkgver.work == "dash-0.5.12"
    assert pkgver.order == Version("0.5.12", 3)
    assert PkgVer.parse("dash-0.5.9_9").order < pkgver.order


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("foo", Pattern("foo")),
        ("foo>=1.2", Pattern("foo", ((">=", "1.2"),))),
        ("foo<=1.2_3", Pattern("foo", (("<=", "1.2_3"),))),
        ("foo>1", Pattern("foo", ((">", "1"),))),
        ("foo<1.0rc1", Pattern("foo", (("<", "1.0rc1"),))),
        ("foo-bar=2~1", Pattern("foo-bar", (("=", "2~1"),))),
        ("g++>=9", Pattern("g++", ((">=", "9"),))),
        ("foo-1.0", Pattern("foo-1.0")),
        ("foo>=1<2_1", Pattern("foo", ((">=", "1"), ("<", "2_1")))),
    ],
)
def test_pattern(text: str, want: Pattern) -> None:
    assert Pattern.parse(text) == want
    assert str(want) == text


@pytest.mark.parametrize("text", ["", ">=1", "foo>=", "foo >= 1", "foo==1", "foo<>1", "foo!=1", "foo>=1-1", "foo>=1_x"])
def test_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="want a package name, NAME>=VERSION or NAME>=VERSION<VERSION, got "):
        Pattern.parse(text)


MATCHES = {
    "foo": True,
    "bar": False,
    "Foo": False,
    "foo-devel": False,
    "foo>=1.0": True,
    "foo>=1.0_1": True,
    "foo>=1.0_2": False,
    "foo>=0": True,
    "foo>=1.0.1": False,
    "foo<=1.0_1": True,
    "foo<1.0_2": True,
    "foo<1.0_1": False,
    "foo<1.0.1": True,
    "foo<1.0": False,
    "foo>1.0_1": False,
    "foo>0.9": True,
    "foo=1.0": True,
    "foo=1.0_1": True,
    "foo=1.0_2": False,
    "foo=1.1": False,
    "foo-devel>=0": False,
}


@pytest.mark.parametrize(("pattern", "want"), MATCHES.items())
def test_matches(pattern: str, want: bool) -> None:
    assert Pattern.parse(pattern).matches(PkgVer("foo", "1.0", 1)) is want


# A bound without a revision has revision 0 for xbps (pkgmatch, section 3), which reads these patterns later.
@pytest.mark.parametrize(("pattern", "want"), [("foo>1.0", True), ("foo<=1.0", False)])
def test_a_bound_without_revision_is_revision_0(pattern: str, want: bool) -> None:
    assert Pattern.parse(pattern).matches(PkgVer("foo", "1.0", 1)) is want
