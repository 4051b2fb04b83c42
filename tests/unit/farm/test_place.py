"""A change of the farm as text: recovery after a crash reads what was written before anything was touched."""

from __future__ import annotations

import pytest

from xsrc.farm.place import Act, Change, Class, Conf, Op, Placed, merge_lines, placed_read, placed_text
from xsrc.store.rules import Account, Alternative, Directory, Owned, Rules

OLD, NEW = "dash-0.5.11_2", "dash-0.5.12_1"
COPY = Placed("etc/é", NEW, Class.COPY, "f" * 64, 0o600, "pkg-destdir/dash-0.5.12_1/etc/é")
OPS = (
    Op(Act.BRING, Placed(NEW, NEW, Class.DIR, "b" * 20), Placed(NEW, NEW, Class.DIR, "a" * 20)),
    Op(Act.MKDIR, Placed("usr/bin", NEW, Class.DIR, mode=0o1777)),
    Op(
        Act.PUT,
        Placed("usr/bin/dash", NEW, Class.LINK, "../../x y\n", 0o4755),
        Placed("usr/bin/dash", OLD, Class.HARD),
    ),
    Op(Act.PUT, COPY, Placed("etc/é", "", Class.THEIRS, "0" * 64)),
    Op(Act.PUT, Placed("usr/bin/sh", NEW, Class.SHIPPED, "dash")),
    Op(Act.PUT, Placed("etc/localtime", NEW, Class.POINTER, "../usr/share/zoneinfo/UTC")),
    Op(Act.PUT, Placed("etc/ld.so.cache", "triggers", Class.MADE, "0" * 64)),
    Op(Act.MERGE, Placed("etc/shells", "accounts", Class.MERGED, "/bin/a\n/bin/b")),
    Op(Act.REMOVE, Placed("a", OLD, Class.LINK, "b"), Placed("a", OLD, Class.LINK, "b")),
    Op(Act.RMDIR, Placed("b", OLD, Class.DIR), Placed("b", OLD, Class.DIR)),
)
CHANGE = Change(
    why="stow dash",
    at="2026-01-01T00:00:00Z",
    add={NEW: True, "libedit-3_1": False},
    drop=("dash", "ash"),
    ops=OPS,
    builds={NEW: "b" * 20},
    conf={"etc/é": Conf("0" * 64, COPY), "etc/b": Conf(""), "etc/c": None},
    aside={"usr/a": OPS[3].before, "usr/b": None},
    choices={"sh": "dash"},
    fire=("ldconfig",),
    made={"etc/ld.so.cache": ("ldconfig", "0" * 64), "usr/share/info/dir": None},
    nostow={"dash": ("usr/share/doc", "usr/share/locale/**")},
)


def test_change_round_trip() -> None:
    assert Change.parse(CHANGE.render()) == CHANGE
    assert {op.act for op in OPS} == set(Act)
    assert {op.placed.how for op in OPS} | {op.before.how for op in OPS if op.before} == set(Class)
    least = Change()
    assert not [name for name in vars(least) if getattr(least, name) == getattr(CHANGE, name)], "every field is tried"


def test_change_of_nothing() -> None:
    assert Change.parse(Change().render()) == Change()


def test_a_place_round_trip() -> None:
    assert placed_read(placed_text(COPY)) == COPY


@pytest.mark.parametrize(
    ("text", "old", "new", "want"),
    [
        ("", "", "a:1", "a:1\n"),
        ("root:0\n", "", "b:2\na:1", "root:0\nb:2\na:1\n"),
        ("root:0\na:1\n", "a:1", "", "root:0\n"),
        ("a:1\n", "a:1", "", ""),
        ("root:0\na:1\nmine:5\n", "a:1", "b:2", "root:0\nmine:5\nb:2\n"),
        ("a:mine\n", "", "a:1", "a:mine\n"),
        ("a:changed\n", "a:1", "", "a:changed\n"),
        ("root:0", "", "a:1", "root:0\na:1\n"),
    ],
    ids=["empty", "added", "taken out", "nothing left", "replaced", "the user's name", "changed", "no newline"],
)
def test_lines_that_are_merged(text: str, old: str, new: str, want: str) -> None:
    assert merge_lines(text, old, new) == want
    assert merge_lines(want, old, new) == want, "twice is once"
    if text.endswith("\n"):
        assert merge_lines(want, new, old) in (text, want) or old, "and undone"


RULES = Rules(
    conf_files=("/etc/a",),
    provides=("sh",),
    conflicts=("b>=1",),
    replaces=("c",),
    hardlink=("usr/bin/*",),
    copy=("usr/c",),
    ignore=("usr/i",),
    protect=True,
    accounts=(Account("_a", groups=("g",)), Account("_b", "/b", "/bin/sh", "The b")),
    make_dirs=(Directory("/var/a", "0700", "_a:_a"),),
    shells=("/usr/bin/a",),
    alternatives=(Alternative("sh", "/usr/bin/sh", "a", 5),),
    triggers=("ldconfig",),
    owned=(Owned("/usr/bin/a", "_a:_a", "cap_net_raw=ep"),),
)


def test_rules_round_trip() -> None:
    assert Rules.of(RULES.table()) == RULES
    assert not [name for name in vars(Rules()) if getattr(Rules(), name) == getattr(RULES, name)]
    assert Rules.of({}) == Rules()
    assert Rules().table() == {}


PUBLIC = ("provides", "conflicts", "replaces", "protect", "accounts", "shells", "alternatives", "triggers")


@pytest.mark.parametrize("name", PUBLIC)
def test_rules_that_reach_beyond_a_package(name: str) -> None:
    assert Rules(**{name: getattr(RULES, name)}).public
    assert not Rules(conf_files=("/etc/a",), hardlink=("x",), copy=("y",), ignore=("z",)).public
