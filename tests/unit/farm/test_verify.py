"""What is wrong with a stowed root, found and named."""

from __future__ import annotations

import pytest

from tests.unit.builders import MASTERDIR, SKELETON, a_file, a_link, a_member
from xsrc.core.pkgver import PkgVer
from xsrc.farm.accounts import merged
from xsrc.farm.place import LEFT_OUT, TRIGGERS, Class, Conf, FileType, Found, Member, Placed, Records, made_member
from xsrc.farm.place import SKELETON as SKEL
from xsrc.farm.verify import Damage, Finding, compare_destdir, compare_root, expected
from xsrc.store.manifest import Entry, Kind
from xsrc.store.rules import Account, Alternative

A = a_member(
    "a-1_1",
    "usr/bin/a",
    "usr/libexec/a",
    "etc/a.conf",
    a_link("usr/lib/liba.so", "liba.so.1"),
    hardlink=("usr/libexec/*",),
    shells=("/usr/bin/a",),
    accounts=(Account("_a"),),
    alternatives=(Alternative("sh", "/usr/bin/sh", "/usr/bin/a", 5),),
)
MADE = made_member({"etc/ld.so.cache": ("ldconfig", "sum")})
MEMBERS = (A, MADE, Member(PkgVer(SKEL, "0", 1), tuple(SKELETON.values())))
NOTHING = Records()
INODE = (1, 42)
SOURCES = {f"pkg-destdir/a-1_1/{path}": INODE for path in ("usr/bin/a", "usr/libexec/a")}
LINES = merged(MEMBERS)

FILE, LINK, DIR, OTHER = FileType


def found_of(placed: Placed) -> Found:
    match placed.how:
        case Class.DIR:
            return Found(DIR, mode=0o755)
        case Class.LINK | Class.SHIPPED:
            return Found(LINK, placed.text)
        case Class.HARD:
            return Found(FILE, placed.text, INODE, placed.mode)
    return Found(FILE, placed.text, mode=placed.mode | 0o200)


def right(records: Records = NOTHING) -> dict[str, Found]:
    """A disk on which everything is as it should be."""
    disk = {path: found_of(placed) for path, placed in expected(MEMBERS, records).items()}
    for path, text in LINES.items():
        before = disk[path].text + "\n" if path in disk else ""
        disk[path] = Found(FILE, before + text + "\n", mode=0o644)
    return disk


def findings(disk: dict[str, Found], records: Records = NOTHING, sources: object = SOURCES) -> list[str]:
    return [str(one) for one in compare_root(MEMBERS, records, disk, sources)]  # type: ignore[arg-type]


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert findings(right()) == []
    assert {placed.how for placed in expected(MEMBERS, NOTHING).values()} == {
        *(Class.DIR, Class.LINK, Class.SHIPPED, Class.HARD, Class.COPY, Class.MADE)
    }


@pytest.mark.parametrize(
    ("path", "found", "want"),
    [
        ("usr/bin/a", None, "missing  /usr/bin/a: a-1_1"),
        ("usr/bin/a", Found(LINK, "/x"), "drift    /usr/bin/a: a-1_1: is a link to /x, is to be a link"),
        ("usr/bin/a", Found(FILE, "x"), "drift    /usr/bin/a: a-1_1: is a file, is to be a link"),
        (
            "usr/lib/liba.so",
            Found(LINK, "x"),
            "drift    /usr/lib/liba.so: a-1_1: is a link to x, is to be a link",
        ),
        ("usr/bin/sh", None, "missing  /usr/bin/sh: a-1_1"),
        ("usr/bin/sh", Found(LINK, "b"), "drift    /usr/bin/sh: a-1_1: is a link to b, is to be a link"),
        ("usr/libexec", Found(DIR, mode=0o700), "mode     /usr/libexec: a-1_1: is 0700, is to be 0755"),
        ("usr/libexec", Found(LINK, "/x"), "drift    /usr/libexec: a-1_1: is a link to /x, is to be a directory"),
        (
            "usr/libexec",
            Found(DIR, mode=0o500),
            "mode     /usr/libexec: a-1_1: is 0500: the farm cannot get in",
        ),
        (
            "usr/libexec/a",
            Found(FILE, "a-1_1:usr/libexec/a", (1, 7), 0o755),
            "drift    /usr/libexec/a: a-1_1: is another file than its destdir's",
        ),
        (
            "usr/libexec/a",
            Found(FILE, "x", INODE),
            "drift    /usr/libexec/a: a-1_1: is a file, is to be a hard link",
        ),
        ("etc/a.conf", None, "changed  /etc/a.conf: a-1_1: removed by its user"),
        ("etc/a.conf", Found(FILE, "mine", mode=0o644), "changed  /etc/a.conf: a-1_1: by its user"),
        ("etc/a.conf", Found(LINK, "/mine"), "changed  /etc/a.conf: a-1_1: by its user"),
        ("etc/a.conf", Found(DIR, mode=0o755), "drift    /etc/a.conf: a-1_1: is a dir, is to be a copy"),
        (
            "etc/a.conf",
            Found(FILE, "a-1_1:etc/a.conf", mode=0o600),
            "changed  /etc/a.conf: a-1_1: its mode, to 0600",
        ),
        ("etc/ld.so.cache", None, "missing  /etc/ld.so.cache: triggers"),
        (
            "etc/ld.so.cache",
            Found(FILE, "x"),
            "drift    /etc/ld.so.cache: triggers: is a file, is to be a file of a trigger",
        ),
        ("bin", Found(DIR, mode=0o755), "drift    /bin: masterdir-skel: is a dir, is to be a link"),
        ("usr/bin/mine", Found(FILE), "alien    /usr/bin/mine: file"),
        ("opt/mine", Found(OTHER), "alien    /opt/mine: other"),
        ("etc/shells", None, "lines    /etc/shells: accounts: /usr/bin/a"),
        ("etc/passwd", Found(FILE, "root\n"), f"lines    /etc/passwd: accounts: {LINES['etc/passwd']}"),
    ],
)
def test_one_thing_is_wrong(path: str, found: Found | None, want: str) -> None:
    disk = right()
    disk.pop(path, None)
    if found is not None:
        disk[path] = found
    assert findings(disk) == [want]


def test_a_link_into_a_destdir_that_has_no_such_file() -> None:
    sources = {path: inode for path, inode in SOURCES.items() if "bin" not in path}
    assert findings(right(), sources=sources) == ["dangling /usr/bin/a: a-1_1: ../../pkg-destdir/a-1_1/usr/bin/a"]


def test_a_hard_link_on_another_file_system_is_a_copy() -> None:
    sources = dict.fromkeys(SOURCES, (2, 42))
    assert findings(right(), sources=sources) == []


def test_a_line_of_a_name_that_its_user_has_is_enough() -> None:
    disk = right()
    disk["etc/passwd"] = Found(FILE, "_a:x:1:1:mine:/:/bin/sh\n")
    assert findings(disk) == []


def test_a_package_that_gives_nothing_is_missed_nowhere() -> None:
    chosen = a_member("b-1_1", "usr/bin/b", alternatives=(Alternative("sh", "/usr/bin/sh", "/usr/bin/b", 1),))
    places = expected((*MEMBERS, chosen), NOTHING)
    assert places["usr/bin/sh"].owner == "a-1_1"
    assert expected((*MEMBERS, chosen), Records(choices={"sh": "b"}))["usr/bin/sh"].owner == "b-1_1"


# ---- what is remembered

BESIDE = Placed("etc/a.conf.new", "a-1_1", Class.COPY, "two", 0o644)
THEIRS = Placed("usr/bin/a", "", Class.THEIRS, "theirs")
REMEMBERED = Records({"etc/a.conf": Conf("one", BESIDE)}, {"usr/bin/a": THEIRS})


def test_what_is_remembered_is_looked_for() -> None:
    disk = right(REMEMBERED)
    assert {"etc/a.conf.new", "usr/bin/a.orig"} <= disk.keys()
    disk["etc/a.conf"] = Found(FILE, "mine", mode=0o644)
    assert findings(disk, REMEMBERED) == ["changed  /etc/a.conf: a-1_1: by its user"]
    del disk["etc/a.conf.new"], disk["usr/bin/a.orig"]
    assert findings(disk, REMEMBERED) == [
        "changed  /etc/a.conf: a-1_1: by its user",
        "missing  /usr/bin/a.orig: a file that was adopted",
    ]


# https://github.com/voidlinux/xbps/issues/97: once this was reported for ever, and no repair ended it.
def test_a_new_one_that_its_user_merged_is_nothing_to_mend() -> None:
    disk = right(REMEMBERED)
    del disk["etc/a.conf.new"]
    assert findings(disk, REMEMBERED) == []


def test_a_file_that_its_user_keeps_of_a_package_that_is_gone_is_no_alien() -> None:
    disk = right()
    disk["etc/b.conf"] = Found(FILE, "mine")
    assert findings(disk) == ["alien    /etc/b.conf: file"]
    assert findings(disk, Records({"etc/b.conf": Conf("x")})) == []


def test_what_is_grave() -> None:
    assert {trouble for trouble in Damage if not trouble.grave} == {Damage.ALIEN, Damage.CHANGED}
    assert {trouble for trouble in Damage if trouble.in_destdir} == {Damage.WRITTEN, Damage.GONE, Damage.EXTRA}


def test_findings_are_in_order() -> None:
    disk = {path: found for path, found in right().items() if path in SKELETON}
    paths = [one.path for one in compare_root(MEMBERS, NOTHING, disk, SOURCES)]
    assert len(paths) > 5
    assert paths == sorted(paths)


@pytest.mark.parametrize("path", ["home", "tmp", "var/db/xsrc", "pkg-destdir", "dev"])
def test_places_of_the_user_are_left_out(path: str) -> None:
    assert path in LEFT_OUT
    disk = right()
    disk[path] = Found(LINK, "/elsewhere")
    assert findings(disk) == []


# ---- destdirs

A_FILE, A_DIR, A_LINK = a_file("usr/a", "sum", 0o755), Entry("usr", Kind.DIR, 0o755), a_link("usr/l", "t")
BUILT = (A_DIR, A_FILE, A_LINK)
SEALED = (A_DIR._replace(mode=0o555), A_FILE._replace(mode=0o555), A_LINK)


def in_destdir(*there: Entry) -> list[str]:
    return [str(one) for one in compare_destdir("a-1_1", BUILT, there)]


def test_a_sealed_destdir_is_as_it_was_built() -> None:
    assert in_destdir(*SEALED) == []
    assert in_destdir(*(e._replace(sha256="") for e in SEALED)) == [], "contents that were not looked at"


@pytest.mark.parametrize(
    ("number", "entry", "want"),
    [
        (0, None, "gone     /pkg-destdir/a-1_1/usr: a-1_1"),
        (1, None, "gone     /pkg-destdir/a-1_1/usr/a: a-1_1"),
        (
            1,
            A_FILE._replace(mode=0o555, sha256="x"),
            "written  /pkg-destdir/a-1_1/usr/a: a-1_1: its content was changed",
        ),
        (1, a_link("usr/a", "x"), "written  /pkg-destdir/a-1_1/usr/a: a-1_1: is a link x"),
        (1, Entry("usr/a", Kind.DIR, 0o555), "written  /pkg-destdir/a-1_1/usr/a: a-1_1: is a dir"),
        (1, A_FILE, "mode     /pkg-destdir/a-1_1/usr/a: a-1_1: is 0755, was sealed as 0555"),
        (0, A_DIR, "mode     /pkg-destdir/a-1_1/usr: a-1_1: is 0755, was sealed as 0555"),
        (2, a_link("usr/l", "x"), "written  /pkg-destdir/a-1_1/usr/l: a-1_1: is a link x"),
    ],
)
def test_one_thing_is_wrong_in_a_destdir(number: int, entry: Entry | None, want: str) -> None:
    there = list(SEALED)
    there[number : number + 1] = [entry] if entry else []
    assert in_destdir(*there) == [want]


def test_a_file_more_than_was_built() -> None:
    assert in_destdir(*SEALED, a_file("usr/x")) == ["extra    /pkg-destdir/a-1_1/usr/x: a-1_1"]


def test_what_a_trigger_made_is_owned() -> None:
    assert expected(MEMBERS, NOTHING)["etc/ld.so.cache"].owner == TRIGGERS
    assert Finding("p", Damage.GONE, "o", "t") == Finding("p", Damage.GONE, "o", "t")


def test_all_that_a_masterdir_has_beside_its_root_is_left_out() -> None:
    own = (MASTERDIR.srcdistdir, MASTERDIR.builddir, MASTERDIR.destdirs, MASTERDIR.bases, MASTERDIR.db)
    assert {str(path.relative_to(MASTERDIR.root)) for path in own} <= LEFT_OUT
