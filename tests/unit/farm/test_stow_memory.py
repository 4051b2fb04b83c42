"""What the farm remembers beside what is stowed: changed conf files, adopted files, changes that were cut off."""

from __future__ import annotations

import pytest

from tests.unit.builders import FOLDER, Disk, a_file, a_link, a_member, changed, stranger
from xsrc.farm.place import Act, Class, Conf, FileType, Found, Member, Op, Placed
from xsrc.farm.resume import looked_at, resumed
from xsrc.farm.stow import STRANGER, StowPlan

PATH, NEW = "etc/a.conf", "etc/a.conf.new"


def conf(version: int, content: str) -> Member:
    """A version of a package with one conf file."""
    return a_member(f"a-{version}_1", a_file(PATH, content))


ONE, TWO, THREE, SAME = conf(1, "one"), conf(2, "two"), conf(3, "three"), conf(4, "one")


def beside(member: Member) -> Placed:
    """What is put beside as `.new`."""
    placed = member.places[PATH]
    return Placed(NEW, placed.owner, Class.COPY, placed.text, placed.mode, placed.source)


def acts(plan: StowPlan) -> list[tuple[str, str]]:
    return [(op.act.value, op.placed.path) for op in plan.ops]


def edited(member: Member = ONE, text: str = "mine") -> Disk:
    """A disk on which somebody changed the conf file of a stowed package."""
    disk = Disk.fresh()
    disk.stow(member)
    disk.nodes[PATH] = Found(FileType.FILE, text)
    return disk


def texts(disk: Disk) -> tuple[str | None, str | None]:
    """The conf file and what stands beside it."""
    return tuple(disk.nodes[path].text if path in disk.nodes else None for path in (PATH, NEW))  # type: ignore[return-value]


# ---- conf files, from upgrade to upgrade

STORIES = {
    "kept, the new one beside": ((TWO,), ("mine", "two"), Conf("one", beside(TWO), "a")),
    "the one beside is replaced": ((TWO, THREE), ("mine", "three"), Conf("one", beside(THREE), "a")),
    "taken away on the way back": ((TWO, ONE), ("mine", None), Conf("one", owner="a")),
    "taken away where its own is the base again": ((TWO, SAME), ("mine", None), Conf("one", owner="a")),
    "nothing new to set beside": ((SAME,), ("mine", None), Conf("one", owner="a")),
    "there and back and there": ((TWO, ONE, TWO), ("mine", "two"), Conf("one", beside(TWO), "a")),
}


@pytest.mark.parametrize(("story", "want", "row"), STORIES.values(), ids=STORIES)
def test_a_changed_conf_file(story: tuple[Member, ...], want: tuple[str, str | None], row: Conf) -> None:
    disk = edited()
    for member in story:
        disk.stow(member)
    assert texts(disk) == want
    assert disk.conf == {PATH: row}
    assert disk.restow("a").ops == (), "a repair has nothing to add"
    assert disk.restow("a").conf == {}, "nor to record"
    assert disk.restow("a").notes == (), "and nothing to say again"


@pytest.mark.parametrize("member", [TWO, THREE])
def test_a_conf_file_that_its_user_made_the_packages_own_is_forgotten(member: Member) -> None:
    disk = edited()
    disk.stow(TWO)
    disk.nodes[PATH] = Found(FileType.FILE, member.places[PATH].text, mode=0o644)
    disk.stow(member) if member is THREE else disk.do(disk.restow("a"))
    assert texts(disk) == (member.places[PATH].text, None)
    assert disk.conf == {}
    disk.unstow("a")
    assert disk.nodes == Disk.fresh().nodes


# https://github.com/bareos/bareos/issues/2365, https://github.com/openhab/openhab-linuxpkg/issues/185: once it came
# back at the next upgrade, without a word. dpkg keeps it away.
def test_a_conf_file_that_its_user_removed_stays_away_until_its_package_is_restowed() -> None:
    disk = edited()
    disk.stow(TWO)
    del disk.nodes[PATH]
    plan = disk.restow("a")
    assert (acts(plan), plan.notes) == ([("remove", NEW)], ())
    disk.do(plan)
    plan = disk.stow(THREE)
    assert (plan.ops, texts(disk), disk.conf) == ((), (None, None), {})
    assert plan.notes == (f"/{PATH}: removed by you, left out; xsrc restow a puts it there again",)
    disk.do(disk.restow("a", revive=True))
    assert texts(disk) == ("three", None)


def test_a_removed_conf_file_comes_with_its_package_anew() -> None:
    disk = Disk.fresh()
    disk.stow(ONE)
    del disk.nodes[PATH]
    disk.unstow("a")
    disk.stow(TWO)
    assert texts(disk) == ("two", None)


# https://github.com/voidlinux/xbps/issues/97: once a repair put it again, and what its user had merged was reported.
def test_a_new_one_that_its_user_removed_stays_away_until_there_is_another() -> None:
    disk = edited()
    disk.stow(TWO)
    del disk.nodes[NEW]
    assert (disk.restow("a").ops, disk.restow("a").conf) == ((), {})
    disk.do(disk.restow("a", revive=True))
    assert texts(disk) == ("mine", "two")
    del disk.nodes[NEW]
    disk.stow(THREE)
    assert texts(disk) == ("mine", "three")


def test_a_new_one_that_its_user_changed_is_left_alone() -> None:
    disk = edited()
    disk.stow(TWO)
    disk.nodes[NEW] = Found(FileType.FILE, "mine too")
    plan = disk.stow(ONE)
    assert texts(disk) == ("mine", "mine too")
    assert plan.notes == (f"/{NEW}: not as it was put there, left alone",)


# Once it was a conflict, which stopped the upgrade for the sake of a copy that the destdir has too.
def test_a_strangers_file_where_the_new_one_goes_stays() -> None:
    disk = edited()
    disk.nodes[NEW] = stranger()
    plan = disk.stow(TWO)
    assert plan.ops == ()
    assert plan.notes == (f"/{PATH}: changed by you, kept; the package's own is pkg-destdir/a-2_1/{PATH}",)
    assert disk.conf == {PATH: Conf("one", owner="a")}
    assert disk.restow("a").notes == (), "said once"
    disk = edited()
    disk.nodes[NEW] = Found(FileType.FILE, "two")
    assert acts(disk.stow(TWO)) == [], "unless it is what would be put there"


# xbps takes a link for a file that nobody changed (its issue 276).
def test_a_conf_file_that_became_a_link_is_kept() -> None:
    disk = edited()
    disk.nodes[PATH] = Found(FileType.LINK, "/etc/mine")
    disk.stow(TWO)
    assert (disk.nodes[PATH], disk.nodes[NEW].text) == (Found(FileType.LINK, "/etc/mine"), "two")
    disk.unstow("a")
    assert disk.nodes[PATH] == Found(FileType.LINK, "/etc/mine")
    assert NEW not in disk.nodes


# ---- out and in again


@pytest.mark.parametrize(("again", "want"), [(ONE, ("mine", None)), (TWO, ("mine", "two")), (SAME, ("mine", None))])
def test_a_changed_conf_file_outlives_its_package(again: Member, want: tuple[str, str | None]) -> None:
    disk = edited()
    assert disk.unstow("a").notes == (f"/{PATH}: not as it was stowed, left alone",)
    assert texts(disk) == ("mine", None)
    assert disk.conf == {PATH: Conf("one", owner="a")}
    disk.stow(again)
    assert texts(disk) == want
    disk.unstow("a")
    assert texts(disk) == ("mine", None)


def test_what_stands_beside_goes_with_its_package_and_comes_back() -> None:
    disk = edited()
    disk.stow(TWO)
    disk.unstow("a")
    assert texts(disk) == ("mine", None)
    disk.stow(TWO)
    assert texts(disk) == ("mine", "two")


def test_a_conf_file_removed_after_its_package_went_is_new_again() -> None:
    disk = edited()
    disk.unstow("a")
    del disk.nodes[PATH]
    disk.stow(TWO)
    assert texts(disk) == ("two", None)
    assert disk.conf == {}


def test_the_same_change_in_copies_outside_of_etc() -> None:
    old, new = (a_member(f"a-{n}_1", a_file("var/a", str(n)), conf_files=("/var/a",)) for n in (1, 2))
    disk = Disk.fresh()
    disk.stow(old)
    disk.nodes["var/a"] = Found(FileType.FILE, "mine")
    disk.stow(new)
    assert (disk.nodes["var/a"].text, disk.nodes["var/a.new"].text) == ("mine", "2")


# ---- names without room for more


@pytest.mark.parametrize(("length", "room"), [(250, True), (251, False), (255, False)])
def test_a_conf_file_with_a_long_name(length: int, room: bool) -> None:
    path = "etc/" + "x" * length
    one, two = (a_member(f"a-{n}_1", a_file(path, str(n))) for n in (1, 2))
    disk = Disk.fresh()
    disk.stow(one)
    disk.nodes[path] = Found(FileType.FILE, "mine")
    plan = disk.stow(two)
    where = f"{path}.new" if room else f"pkg-destdir/a-2_1/{path}"
    assert plan.notes == (f"/{path}: changed by you, kept; the package's own is {where}",)
    assert (f"{path}.new" in disk.nodes) == room
    disk.stow(one)
    disk.unstow("a")
    assert disk.nodes[path].text == "mine"
    assert f"{path}.new" not in disk.nodes


def test_names_are_counted_in_bytes() -> None:
    path = "usr/" + "é" * 126
    disk = Disk.fresh()
    disk.nodes[path] = stranger()
    (conflict,) = disk.plan([a_member("a-1_1", path)], adopt=True).conflicts
    assert conflict.why == "its name leaves no room for .orig"
    assert not conflict.stranger


# ---- adoption

BIN = a_member("a-1_1", "usr/bin/x")


@pytest.mark.parametrize("found", [stranger(), Found(FileType.LINK, "/opt/x")], ids=["file", "link"])
@pytest.mark.parametrize(
    "member", [BIN, changed(BIN, hardlink=("usr/bin/*",)), a_member("a-1_1", a_link("usr/bin/x", "y"))]
)
def test_an_adopted_file_stands_aside_and_comes_back(found: Found, member: Member) -> None:
    disk = Disk.fresh()
    disk.nodes["usr/bin/x"] = found
    before = disk.copy()
    plan = disk.stow(member, adopt=True)
    theirs = Placed("usr/bin/x", "", Class.THEIRS, found.text, found.mode)
    assert plan.ops == (Op(Act.PUT, member.places["usr/bin/x"], theirs),)
    assert plan.notes == ("/usr/bin/x: adopted; what stood there is usr/bin/x.orig",)
    assert disk.nodes["usr/bin/x.orig"] == found
    assert disk.aside == {"usr/bin/x": theirs}
    disk.stow(a_member("a-2_1", "usr/bin/x"))
    assert disk.nodes["usr/bin/x.orig"] == found, "an upgrade leaves it aside"
    disk.unstow("a")
    assert (disk.nodes, disk.modes, disk.aside) == (before.nodes, before.modes, {})


def test_an_upgrade_without_the_path_gives_it_back() -> None:
    disk = Disk.fresh()
    disk.nodes["usr/bin/x"] = stranger()
    disk.stow(BIN, adopt=True)
    disk.stow(a_member("a-2_1", "usr/bin/y"))
    assert disk.nodes["usr/bin/x"] == stranger()
    assert "usr/bin/x.orig" not in disk.nodes


def test_what_somebody_put_in_place_of_the_adopting_link_is_left_alone() -> None:
    disk = Disk.fresh()
    disk.nodes["usr/bin/x"] = stranger()
    disk.stow(BIN, adopt=True)
    disk.nodes["usr/bin/x"] = stranger("later")
    disk.unstow("a")
    assert (disk.nodes["usr/bin/x"], disk.nodes["usr/bin/x.orig"]) == (stranger("later"), stranger())


def test_an_adopting_link_that_was_removed_gives_its_path_back() -> None:
    disk = Disk.fresh()
    disk.nodes["usr/bin/x"] = stranger()
    disk.stow(BIN, adopt=True)
    del disk.nodes["usr/bin/x"]
    disk.unstow("a")
    assert disk.nodes["usr/bin/x"] == stranger()
    assert "usr/bin/x.orig" not in disk.nodes


def test_an_adopted_conf_file_is_its_users_own() -> None:
    disk = Disk.fresh()
    disk.nodes[PATH] = Found(FileType.FILE, "mine")
    plan = disk.stow(ONE, adopt=True)
    assert acts(plan) == [("put", NEW)]
    assert texts(disk) == ("mine", "one")
    assert disk.conf == {PATH: Conf("", beside(ONE), "a")}
    assert disk.aside == {}
    disk.stow(TWO)
    assert texts(disk) == ("mine", "two")
    disk.unstow("a")
    assert texts(disk) == ("mine", None)


@pytest.mark.parametrize(
    ("path", "found", "why"),
    [
        ("usr/bin/x", FOLDER, "a directory is in the way"),
        ("usr/bin/x", Found(FileType.OTHER), STRANGER),
        ("usr/bin/x/y", stranger(), "a file is in the way of a directory"),
        ("usr/bin/x/y", Found(FileType.LINK, "/opt"), "a link is in the way of a directory"),
        (PATH, FOLDER, "a directory is in the way"),
    ],
)
def test_what_is_never_adopted(path: str, found: Found, why: str) -> None:
    disk = Disk.fresh()
    where = path.removesuffix("/y")
    disk.nodes[where] = found
    (conflict,) = disk.plan([a_member("a-1_1", path)], adopt=True).conflicts
    assert (conflict.path, conflict.why, conflict.stranger) == (where, why, False)


def test_only_what_no_package_owns_is_adopted() -> None:
    disk = Disk.fresh()
    disk.stow(a_member("b-1_1", "usr/bin/x"))
    (conflict,) = disk.plan([BIN], adopt=True).conflicts
    assert str(conflict) == "/usr/bin/x: a-1_1 and b-1_1: different contents"


def test_a_file_that_is_called_orig_already_is_in_the_way() -> None:
    disk = Disk.fresh()
    disk.nodes |= {"usr/bin/x": stranger(), "usr/bin/x.orig": stranger("older")}
    (conflict,) = disk.plan([BIN], adopt=True).conflicts
    assert (conflict.path, conflict.why) == ("usr/bin/x.orig", "it is in the way of what is adopted")


def test_conflicts_that_adoption_would_end_say_so() -> None:
    disk = Disk.fresh()
    disk.nodes |= {"usr/bin/x": stranger(), "usr/bin/y": FOLDER}
    plan = disk.plan([a_member("a-1_1", "usr/bin/x", "usr/bin/y")])
    assert [(c.path, c.stranger) for c in plan.conflicts] == [("usr/bin/x", True), ("usr/bin/y", False)]


def test_an_upgrade_that_may_adopt_knows_what_stands_beside() -> None:
    disk = edited()
    disk.stow(TWO)
    (op,) = disk.stow(THREE, adopt=True).ops
    assert op == Op(Act.PUT, beside(THREE), beside(TWO))
    assert texts(disk) == ("mine", "three")
    disk.nodes[NEW] = stranger()
    assert disk.plan([TWO], adopt=True).ops == ()


# ---- what was cut off

LINK = Placed("usr/bin/x", "a-1_1", Class.LINK, "t")
OLD = Placed("usr/bin/x", "a-0_1", Class.LINK, "old")
MADE = Placed("etc/cache", "triggers", Class.MADE, "sum")
THEIRS = Placed("usr/bin/x", "", Class.THEIRS, "theirs")
PLACE = Placed("usr/d", "a-1_1", Class.DIR)
LINES = Placed("etc/shells", "accounts", Class.MERGED, "x")
HERE, THERE, ELSE = Found(FileType.LINK, "t"), Found(FileType.LINK, "old"), stranger("else")


@pytest.mark.parametrize(
    ("op", "found", "left", "blocked"),
    [
        (Op(Act.PUT, LINK), None, True, False),
        (Op(Act.PUT, LINK), HERE, False, False),
        (Op(Act.PUT, LINK), ELSE, True, True),
        (Op(Act.PUT, LINK), FOLDER, True, True),
        (Op(Act.PUT, LINK, OLD), THERE, True, False),
        (Op(Act.PUT, LINK, OLD), HERE, True, False),
        (Op(Act.PUT, LINK, OLD), None, True, False),
        (Op(Act.PUT, LINK, OLD), ELSE, True, True),
        (Op(Act.PUT, LINK, THEIRS), Found(FileType.FILE, "theirs"), True, False),
        (Op(Act.PUT, LINK, THEIRS), HERE, True, False),
        (Op(Act.PUT, LINK, THEIRS), ELSE, True, True),
        (Op(Act.PUT, THEIRS, LINK), HERE, True, False),
        (Op(Act.PUT, MADE), ELSE, True, False),
        (Op(Act.MKDIR, PLACE), None, True, False),
        (Op(Act.MKDIR, PLACE), FOLDER, True, False),
        (Op(Act.MKDIR, PLACE), ELSE, True, True),
        (Op(Act.REMOVE, LINK, LINK), HERE, True, False),
        (Op(Act.REMOVE, LINK, LINK), None, False, False),
        (Op(Act.REMOVE, LINK, LINK), ELSE, False, False),
        (Op(Act.RMDIR, PLACE, PLACE), FOLDER, True, False),
        (Op(Act.MERGE, LINES), Found(FileType.FILE, ""), True, False),
        (Op(Act.BRING, PLACE, PLACE), None, True, False),
    ],
)
def test_what_is_left_of_an_operation(op: Op, found: Found | None, left: bool, blocked: bool) -> None:
    disk = dict.fromkeys(looked_at([op]) - {op.placed.path}, FOLDER) | ({op.placed.path: found} if found else {})
    assert resumed([op], disk) == ((op,) if left else (), (op.placed.path,) if blocked else ())


def test_what_is_left_keeps_its_order() -> None:
    ops = (Op(Act.MKDIR, PLACE), Op(Act.PUT, LINK), Op(Act.MERGE, LINES))
    folders = dict.fromkeys(("usr", "usr/bin", "etc"), FOLDER)
    assert resumed(ops, {**folders, "usr/bin/x": HERE}) == ((ops[0], ops[2]), ())
    assert resumed(ops, folders) == (ops, ())
