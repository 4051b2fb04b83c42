"""The manifest of a destdir and its property lists: what is written is read again, field by field."""

from __future__ import annotations

import plistlib
from dataclasses import asdict, replace

import pytest

from xsrc.core.outcome import Outcome
from xsrc.core.pkgver import PkgVer
from xsrc.store.link import Link, packed
from xsrc.store.manifest import UNTESTED, Entry, Kind, Manifest, Props, identity
from xsrc.store.rules import Rules

ENTRIES = (
    Entry("etc", Kind.DIR, 0o755),
    Entry("etc/dash.conf", Kind.FILE, 0o600, 10, "a" * 64),
    Entry("usr", Kind.DIR, 0o755),
    Entry("usr/bin", Kind.DIR, 0o1777),
    Entry("usr/bin/dash", Kind.FILE, 0o4755, 100, "b" * 64, inode=1),
    Entry("usr/bin/sh", Kind.LINK, 0o777, target="dash"),
    Entry("usr/bin/zash", Kind.FILE, 0o4755, 100, "b" * 64, inode=1),
    Entry("usr/über & <co>", Kind.FILE, 0o644, 0, "c" * 64),
)


def test_manifest_round_trip() -> None:
    manifest = Manifest.of(ENTRIES)
    assert Manifest.parse(manifest.render()) == manifest
    assert Manifest.parse(manifest.render(["/etc/dash.conf"])) == manifest


def test_manifest_is_in_the_order_of_paths() -> None:
    assert [e.path for e in Manifest.of(reversed(ENTRIES)).entries] == [e.path for e in ENTRIES]


def test_files_plist_as_xbps_reads_it() -> None:
    lists = plistlib.loads(Manifest.of(ENTRIES).render(["/etc/dash.conf"]))
    assert lists["conf_files"] == [{"file": "/etc/dash.conf", "sha256": "a" * 64, "size": 10, "mode": "0600"}]
    assert [item["file"] for item in lists["files"]] == ["/usr/bin/dash", "/usr/bin/zash", "/usr/über & <co>"]
    assert lists["files"][0]["mode"] == "4755"
    assert lists["links"] == [{"file": "/usr/bin/sh", "target": "dash"}]
    assert [(item["file"], item["mode"]) for item in lists["dirs"]] == [
        ("/etc", "0755"),
        ("/usr", "0755"),
        ("/usr/bin", "1777"),
    ]


def test_empty_lists_are_left_out() -> None:
    assert plistlib.loads(Manifest.of(()).render()) == {}
    assert Manifest.parse(Manifest.of(()).render()).entries == ()


def test_entries_are_in_the_order_of_their_paths() -> None:
    assert Entry("a", Kind.LINK, size=9) < Entry("b", Kind.FILE, size=1)


def test_size_counts_each_inode_once() -> None:
    assert Manifest.of(ENTRIES).size == 10 + 100
    twice = [Entry("a", Kind.FILE, size=5), Entry("b", Kind.FILE, size=5)]
    assert Manifest.of(twice).size == 10


def whole_props() -> Props:
    return Props(
        pkgver=PkgVer("dash", "0.5.12", 1),
        arch="x86_64",
        key="f" * 64,
        short_desc="Small shell",
        license="MIT",
        homepage="https://example.org/",
        maintainer="Jo <jo@example.org>",
        size=110,
        run_depends=("libedit>=3", "glibc"),
        shlib_requires=("libc.so.6",),
        shlib_provides=("libdash.so.1",),
        links={"libedit.so.0": Link("libedit-3.1_1", "0" * 20, "usr/bin/dash", packed(["readline"]))},
        exports={"libdash.so.1": packed(["dash", "dash@V1"])},
        rules=Rules(conf_files=("/etc/dash.conf",), conflicts=("bash",), hardlink=("usr/lib/*",)),
        source="shells-1_1",
        commit="c" * 40,
        options={"libedit": True, "x": False},
        build={"base": {"name": "host"}, "seconds": 3},
        preimage='{"format": 1}',
        inputs="e" * 64,
        outcome=Outcome("1" * 32, "2" * 32, ""),
        saw={"libedit": Outcome("3" * 32, "4" * 32, "5" * 32), "make": Outcome("6" * 32)},
    )


def test_props_round_trip() -> None:
    props = whole_props()
    assert asdict(Props.parse(props.render())) == asdict(props)


def test_props_round_trip_of_the_least() -> None:
    props = Props(PkgVer("dash", "1", 1), "x86_64", "f" * 64)
    assert asdict(Props.parse(props.render())) == asdict(props)


def test_the_whole_props_of_these_tests_set_every_field() -> None:
    least = Props(PkgVer("dash", "1", 1), "x86_64", "f" * 64)
    whole = asdict(whole_props())
    assert not [
        name for name, value in asdict(least).items() if whole[name] == value and name != "arch" and name != "key"
    ]


def test_props_plist_as_xbps_reads_it() -> None:
    props = plistlib.loads(whole_props().render())
    assert props["pkgver"] == "dash-0.5.12_1"
    assert (props["pkgname"], props["version"], props["architecture"]) == ("dash", "0.5.12_1", "x86_64")
    assert props["installed_size"] == 110
    assert props["shlib-requires"] == ["libc.so.6"]
    assert props["shlib-provides"] == ["libdash.so.1"]
    assert props["run_depends"] == ["libedit>=3", "glibc"]
    assert (props["conf_files"], props["conflicts"]) == (["/etc/dash.conf"], ["bash"])


def test_equal_values_give_equal_bytes() -> None:
    assert Manifest.of(ENTRIES).render() == Manifest.of(reversed(ENTRIES)).render()
    assert whole_props().render() == whole_props().render()


GARBLED = {
    "empty": b"",
    "text": b"no plist at all",
    "cut off": b'<?xml version="1.0"?><plist version="1.0"><dict>',
    "list": plistlib.dumps(["x"]),
    "string": plistlib.dumps("x"),
    "binary cut off": b"bplist00",
    "not XML": b"<?xml version='1.0'?><plist><dict></plist>",
    "bad date": b'<?xml version="1.0"?><plist><dict><key>pkgver</key><date>x</date></dict></plist>',
    "bad number": b'<?xml version="1.0"?><plist><dict><key>pkgver</key><integer>x</integer></dict></plist>',
}


@pytest.mark.parametrize("data", GARBLED.values(), ids=GARBLED)
def test_what_is_no_property_list(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a files\.plist: "):
        Manifest.parse(data)
    with pytest.raises(ValueError, match=r"^not a props\.plist: "):
        Props.parse(data)


@pytest.mark.parametrize(
    "item",
    [{}, {"file": 3}, {"file": "/x", "mode": "9"}, {"file": "/x", "mode": 7}, "x"],
    ids=["no file", "number", "no octal", "mode number", "string"],
)
def test_garbled_entries(item: object) -> None:
    with pytest.raises(ValueError, match=r"^not a files\.plist: "):
        Manifest.parse(plistlib.dumps({"files": [item]}))


@pytest.mark.parametrize("missing", ["pkgver", "architecture", "build-key", "installed_size"])
def test_props_without_what_they_need(missing: str) -> None:
    props = plistlib.loads(whole_props().render())
    del props[missing]
    with pytest.raises(ValueError, match=r"^not a props\.plist: "):
        Props.parse(plistlib.dumps(props))


def test_props_with_a_wrong_pkgver() -> None:
    props = plistlib.loads(whole_props().render())
    with pytest.raises(ValueError, match="want NAME-VERSION_REVISION"):
        Props.parse(plistlib.dumps({**props, "pkgver": "dash"}))


def test_one_build_is_told_from_another() -> None:
    """By all that is in its lists but its history; else a rebuild to the same bytes would be changed in the farm."""
    props, files = whole_props(), Manifest.of(ENTRIES).render()
    build = identity(props, files)
    least = Props(PkgVer("dash", "0.5.12", 1), "x86_64", "f" * 64)
    history = {
        "key",
        "inputs",
        "commit",
        "preimage",
        "options",
        "saw",
        "links",
        "exports",
        "outcome",
        "short_desc",
        "license",
        "homepage",
        "maintainer",
    }
    others = {**vars(least), "pkgver": PkgVer("dash", "0.5.13", 1), "arch": "aarch64", "key": "0" * 64}
    for name, other in others.items():
        same = identity(replace(props, **{name: other}), files) == build
        assert same == (name in history), name
    assert identity(props, Manifest.of(ENTRIES[1:]).render()) != build
    assert identity(Props.parse(props.render()), files) == build
    untested = replace(props, build={**props.build, UNTESTED: True})
    assert identity(untested, files) == build, "tests leave no trace in what is built"
    assert (props.untested, Props.parse(untested.render()).untested) == (False, True)
