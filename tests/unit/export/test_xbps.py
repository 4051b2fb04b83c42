"""What a package says in the words of xbps."""

from __future__ import annotations

import pytest

from xsrc.core.pkgver import Pattern, PkgVer
from xsrc.export.xbps import faults, from_base, package_props, patterns, run_depends
from xsrc.store.link import Link
from xsrc.store.manifest import Entry, Kind, Manifest, Props
from xsrc.store.rules import Rules

PKGVER = PkgVer("x", "1.0", 1)


def props(**more: object) -> Props:
    return Props(PKGVER, "x86_64", "f" * 64, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("foo", ["foo>=0"]),
        ("foo>=1.2", ["foo>=1.2"]),
        ("foo<2_1", ["foo<2_1"]),
        ("foo>=1<2", ["foo>=1<2"]),
        ("foo<2>1", ["foo>1<2"]),
        ("foo>=1>=2", ["foo>=1", "foo>=2"]),
        ("foo=1.2_3", ["foo-1.2_3"]),
        ("foo=1.2", ["foo>=1.2<=1.2_999999999"]),
    ],
)
def test_patterns_mean_the_same(text: str, found: list[str]) -> None:
    """xbps loses the lower bound of foo<2>=1 in silence, and knows neither a bare name nor `=`."""
    assert patterns(Pattern.parse(text)) == found


def test_a_library_is_needed_in_the_version_that_it_was_linked_with() -> None:
    links = {"libz.so.1": Link("zlib-1.2.13_1"), "libpng.so.16": Link("libpng-1.6_2")}
    found = run_depends(props(run_depends=("zlib", "libpng>=1.5", "sh", "zlib"), links=links))
    assert found == ["zlib>=1.2.13_1", "libpng>=1.5", "sh>=0"]


def test_sonames_of_the_base_are_those_that_no_package_gives() -> None:
    one = props(shlib_requires=("libc.so.6", "libz.so.1"), links={"libz.so.1": Link("zlib-1.2.13_1")})
    assert list(from_base(one)) == ["libc.so.6"]
    assert package_props(one, Manifest(()), ["base-libs-host>=0"])["run_depends"] == ["base-libs-host>=0"]


def test_alternatives_are_real_paths() -> None:
    offers = [
        {"group": "sh", "link": "/bin/sh", "target": "dash"},
        {"group": "sh", "link": "/usr/share/man/man1/sh.1", "target": "../man1/dash.1"},
    ]
    found = package_props(props(rules=Rules.of({"alternatives": offers})), Manifest(()))
    assert found["alternatives"] == {
        "sh": ["/usr/bin/sh:/usr/bin/dash", "/usr/share/man/man1/sh.1:/usr/share/man/man1/dash.1"]
    }


def test_names_that_packages_cannot_have() -> None:
    bad = ("bin", Kind.LINK), ("lib/x", Kind.FILE), ("INSTALL", Kind.FILE), ("var/db/xsrc/x", Kind.FILE)
    manifest = Manifest.of(
        [Entry(path, kind) for path, kind in bad] + [Entry("sbin", Kind.DIR), Entry("usr", Kind.DIR)]
    )
    assert [line.split(":")[0] for line in faults(props(), manifest)] == [
        "  /INSTALL",
        "  /bin",
        "  /lib/x",
        "  /var/db/xsrc/x",
    ]
    long = Props(PkgVer("n" * 64, "1", 1), "x86_64", "f" * 64)
    assert faults(long, Manifest(())) == ["  its name has more than 63 bytes"]
