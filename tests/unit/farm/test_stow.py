"""The plan of the stowed root: exact operations, and everything that refuses a request before anything is touched."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.unit.builders import FOLDER, SKELETON, Disk, a_file, a_link, a_member, changed, stranger
from xsrc.core.pkgver import PkgVer
from xsrc.farm.place import Act, Class, FileType, Found, Op, Placed, link_text
from xsrc.farm.resume import inverse, resumed
from xsrc.farm.stow import STRANGER, StowPlan, StowRequest, plan_stow
from xsrc.farm.wishes import stands
from xsrc.store.manifest import Entry
from xsrc.store.merge import Conflict

DASH = a_member("dash-1_1", "usr/bin/dash", "usr/share/dash/doc")
DASH2 = a_member("dash-2_1", "usr/bin/dash", "usr/share/dash/new")


def acts(plan: StowPlan) -> list[tuple[str, str]]:
    return [(op.act.value, op.placed.path) for op in plan.ops]


def troubles(plan: StowPlan) -> list[str]:
    assert plan.ops == (), "a refused plan has no operations"
    assert plan.notes == ()
    return [str(conflict) for conflict in plan.conflicts]


def text(disk: Disk, path: str) -> str:
    return disk.nodes[path].text


# ---- how a path stands


def how(path: str, **rules: object) -> Class:
    return a_member("a-1_1", path, **rules).places[path].how


def test_files_are_linked_and_directories_are_real() -> None:
    places = DASH.places
    assert places["usr/bin/dash"] == Placed(
        "usr/bin/dash", "dash-1_1", Class.LINK, "../../pkg-destdir/dash-1_1/usr/bin/dash", 0o644
    )
    assert places["usr/share/dash"].how is Class.DIR
    assert list(places) == sorted(places)


def test_links_that_a_package_ships_are_made_again_verbatim() -> None:
    place = a_member("a-1_1", a_link("usr/bin/sh", "../x/dash")).places["usr/bin/sh"]
    assert (place.how, place.text) == (Class.SHIPPED, "../x/dash")


def test_etc_and_conf_files_are_copied() -> None:
    assert how("etc/a.conf") is Class.COPY
    assert how("etc/deep/down") is Class.COPY
    assert how("usr/etc/a.conf") is Class.LINK
    assert how("usr/share/x", conf_files=("/usr/share/x",)) is Class.COPY
    assert how("usr/share/x", copy=("usr/share/*",)) is Class.COPY


def test_hard_links_and_what_is_left_out() -> None:
    assert how("usr/bin/python3", hardlink=("usr/bin/python*",)) is Class.HARD
    assert how("usr/bin/python3", hardlink=("?usr/bin/python*",)) is Class.HARD
    assert how("etc/x", hardlink=("*",)) is Class.COPY, "what is the user's to change is never shared with the destdir"
    assert how("usr/x", hardlink=("usr/*",), copy=("usr/x",)) is Class.COPY
    assert "usr/share/x" not in a_member("a-1_1", "usr/share/x", ignore=("usr/share/*",)).places


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("x", "pkg-destdir/a-1_1/x"),
        ("usr/bin/x", "../../pkg-destdir/a-1_1/usr/bin/x"),
        ("a/b/c/d", "../../../pkg-destdir/a-1_1/a/b/c/d"),
    ],
)
def test_the_text_of_a_link(path: str, want: str) -> None:
    assert link_text(PkgVer("a", "1", 1), path) == want


@pytest.mark.parametrize(
    ("how", "found", "want"),
    [
        (Class.DIR, FOLDER, True),
        (Class.DIR, Found(FileType.LINK, "t"), False),
        (Class.LINK, Found(FileType.LINK, "t"), True),
        (Class.LINK, Found(FileType.LINK, "other"), False),
        (Class.LINK, Found(FileType.FILE, "t"), False),
        (Class.SHIPPED, Found(FileType.LINK, "t"), True),
        (Class.HARD, Found(FileType.FILE, "t"), True),
        (Class.HARD, Found(FileType.LINK, "t"), False),
        (Class.COPY, Found(FileType.FILE, "t"), True),
        (Class.COPY, Found(FileType.FILE, "other"), False),
        (Class.COPY, Found(FileType.OTHER, "t"), False),
    ],
)
def test_stands(how: Class, found: Found, want: bool) -> None:
    assert stands(Placed("p", "a-1_1", how, "t"), found) is want


# ---- in and out


def test_a_fresh_package() -> None:
    disk = Disk.fresh()
    plan = disk.stow(DASH)
    assert acts(plan) == [
        ("put", "usr/bin/dash"),
        ("mkdir", "usr/share/dash"),
        ("put", "usr/share/dash/doc"),
    ], "directories before what is in them; what is there is not made"
    assert all(op.before is None for op in plan.ops)
    assert text(disk, "usr/bin/dash") == "../../pkg-destdir/dash-1_1/usr/bin/dash"


def test_nothing_to_do() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    assert disk.plan([DASH]).ops == ()
    assert disk.restow("dash").ops == ()
    assert plan_stow(StowRequest(), {}) == StowPlan()


def test_out_again() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    plan = disk.unstow("dash")
    assert acts(plan) == [("remove", "usr/share/dash/doc"), ("rmdir", "usr/share/dash"), ("remove", "usr/bin/dash")]
    assert disk.nodes == Disk.fresh().nodes


def test_directories_of_the_skeleton_are_never_removed() -> None:
    disk = Disk.fresh()
    disk.stow(a_member("a-1_1", "usr/lib/a"))
    assert "usr/lib" in SKELETON
    plan = disk.unstow("a")
    assert acts(plan) == [("remove", "usr/lib/a")]


def test_directories_of_another_package_are_not_removed() -> None:
    disk = Disk.fresh()
    disk.stow(DASH, a_member("ash-1_1", "usr/share/dash/ash"))
    plan = disk.unstow("dash")
    assert acts(plan) == [("remove", "usr/share/dash/doc"), ("remove", "usr/bin/dash")]


def test_a_directory_with_something_of_the_users_in_it_stays() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    disk.nodes["usr/share/dash/mine"] = stranger()
    disk.unstow("dash")
    assert disk.nodes == {
        **Disk.fresh().nodes,
        "usr/share/dash": FOLDER,
        "usr/share/dash/mine": stranger(),
    }


def test_what_is_missing_needs_no_removal() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    del disk.nodes["usr/bin/dash"]
    assert ("remove", "usr/bin/dash") not in acts(disk.plan((), ["dash"]))


def test_what_is_no_longer_ours_is_left_alone_and_told() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    disk.nodes["usr/bin/dash"] = stranger()
    plan = disk.unstow("dash")
    assert plan.notes == ("/usr/bin/dash: not as it was stowed, left alone",)
    assert disk.nodes == {**Disk.fresh().nodes, "usr/bin/dash": stranger()}


def test_several_packages_at_once() -> None:
    disk = Disk.fresh()
    ash = a_member("ash-1_1", "usr/share/dash/ash")
    plan = disk.stow(DASH, ash)
    assert [path for _, path in acts(plan)] == [
        "usr/bin/dash",
        "usr/share/dash",
        "usr/share/dash/ash",
        "usr/share/dash/doc",
    ]
    disk.unstow("ash", "dash")
    assert disk.nodes == Disk.fresh().nodes


# ---- upgrades


def test_an_upgrade_replaces_adds_and_removes() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    plan = disk.stow(DASH2)
    assert acts(plan) == [
        ("put", "usr/bin/dash"),
        ("put", "usr/share/dash/new"),
        ("remove", "usr/share/dash/doc"),
    ], "what is new stands before what is old goes"
    assert plan.ops[0].before == DASH.places["usr/bin/dash"]
    assert plan.ops[1].before is None
    assert text(disk, "usr/bin/dash") == "../../pkg-destdir/dash-2_1/usr/bin/dash"
    disk.unstow("dash")
    assert disk.nodes == Disk.fresh().nodes


def test_a_downgrade_is_an_upgrade() -> None:
    disk = Disk.fresh()
    disk.stow(DASH2)
    disk.stow(DASH)
    fresh = Disk.fresh()
    fresh.stow(DASH)
    assert disk.nodes == fresh.nodes


def test_a_path_that_goes_from_one_package_to_another() -> None:
    disk = Disk.fresh()
    disk.stow(a_member("a-1_1", "usr/bin/x", "usr/bin/a"), a_member("b-1_1", "usr/bin/b"))
    plan = disk.stow(a_member("a-2_1", "usr/bin/a"), a_member("b-2_1", "usr/bin/b", "usr/bin/x"))
    assert text(disk, "usr/bin/x") == "../../pkg-destdir/b-2_1/usr/bin/x"
    assert ("remove", "usr/bin/x") not in acts(plan)


def test_a_package_in_place_of_another_that_has_the_same_path() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    plan = disk.plan([a_member("ash-1_1", "usr/bin/dash")], ["dash"])
    assert not plan.conflicts
    disk.apply(plan.ops)
    assert text(disk, "usr/bin/dash") == "../../pkg-destdir/ash-1_1/usr/bin/dash"
    assert "usr/share/dash" not in disk.nodes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (a_file("usr/x"), a_file("usr/x/y")),
        (a_file("usr/x/y"), a_file("usr/x")),
        (a_file("usr/x/y/z"), a_link("usr/x", "z")),
        (a_file("etc/x"), a_file("etc/x/y")),
        (a_file("etc/x/y"), a_link("etc/x", "y")),
    ],
)
def test_a_file_that_becomes_a_directory(old: Entry, new: Entry) -> None:
    """Once it was refused, so that no upgrade and no rollback could pass it."""
    disk, want = Disk.fresh(), Disk.fresh()
    one, two = a_member("a-1_1", old), a_member("a-2_1", new)
    disk.stow(one)
    want.stow(two)
    before = disk.copy()
    plan = disk.plan([two])
    for done in range(len(plan.ops) + 1):
        cut = before.copy()
        cut.apply(plan.ops[:done])
        left, blocked = resumed(plan.ops, cut.look_again(plan.ops))
        assert blocked == ()
        undone = cut.copy()
        undo = inverse(plan.ops)
        undone.apply(resumed(undo, undone.look_again(undo))[0])
        assert undone.nodes == before.nodes
        cut.apply(left)
        assert cut.nodes == want.nodes
    disk.stow(two)
    assert disk.nodes == want.nodes


def test_a_directory_with_something_of_its_users_does_not_become_a_file() -> None:
    disk = Disk.fresh()
    disk.stow(a_member("a-1_1", "usr/x/y"))
    disk.nodes["usr/x/mine"] = stranger()
    (conflict,) = disk.plan([a_member("a-2_1", "usr/x")]).conflicts
    assert str(conflict) == "/usr/x: a-2_1: usr/x/mine is in a directory that is to become a link"
    assert conflict.cure == "mv {} {}.mine"


# The content is the same; once the file stayed as it was, with its old mode.
@pytest.mark.parametrize("path", ["etc/a.sh", "usr/libexec/a"])
def test_an_upgrade_that_changes_a_mode_only(path: str) -> None:
    disk, want = Disk.fresh(), Disk.fresh()
    old, new = (
        a_member(f"a-{n}_1", a_file(path, "same", mode), hardlink=("usr/libexec/*",))
        for n, mode in ((1, 0o644), (2, 0o755))
    )
    want.stow(new)
    disk.stow(old)
    disk.stow(new)
    assert disk.modes == want.modes
    assert disk.modes[path] == 0o755


# ---- files that the user may change

CONF = a_member("a-1_1", a_file("etc/a.conf", "one"))
CONF2 = a_member("a-2_1", a_file("etc/a.conf", "two"))


def test_a_conf_file_is_put_and_taken_away_again() -> None:
    disk = Disk.fresh()
    plan = disk.stow(CONF)
    source = "pkg-destdir/a-1_1/etc/a.conf"
    assert plan.ops == (Op(Act.PUT, Placed("etc/a.conf", "a-1_1", Class.COPY, "one", 0o644, source)),)
    disk.unstow("a")
    assert disk.nodes == Disk.fresh().nodes


def test_an_unchanged_conf_file_is_replaced() -> None:
    disk = Disk.fresh()
    disk.stow(CONF)
    disk.stow(CONF2)
    assert text(disk, "etc/a.conf") == "two"
    assert "etc/a.conf.new" not in disk.nodes


def test_a_changed_conf_file_is_kept_with_the_new_one_beside_it() -> None:
    disk = Disk.fresh()
    disk.stow(CONF)
    disk.nodes["etc/a.conf"] = Found(FileType.FILE, "mine")
    plan = disk.stow(CONF2)
    assert acts(plan) == [("put", "etc/a.conf.new")]
    assert plan.notes == ("/etc/a.conf: changed by you, kept; the package's own is etc/a.conf.new",)
    assert (text(disk, "etc/a.conf"), text(disk, "etc/a.conf.new")) == ("mine", "two")


def test_a_conf_file_that_was_changed_into_the_new_one_is_as_it_should_be() -> None:
    disk = Disk.fresh()
    disk.stow(CONF)
    disk.nodes["etc/a.conf"] = Found(FileType.FILE, "two")
    assert disk.plan([CONF2]).ops == ()


# As xbps does (formats, section 5): where the package's own did not change there is nothing new to set beside.
def test_a_changed_conf_file_whose_own_did_not_change_is_just_kept() -> None:
    disk = Disk.fresh()
    disk.stow(CONF)
    disk.nodes["etc/a.conf"] = Found(FileType.FILE, "mine")
    same = a_member("a-3_1", a_file("etc/a.conf", "one"))
    assert acts(disk.plan([same])) == []
    assert acts(disk.restow("a")) == []


def test_a_changed_conf_file_stays_when_its_package_goes() -> None:
    disk = Disk.fresh()
    disk.stow(CONF)
    disk.nodes["etc/a.conf"] = Found(FileType.FILE, "mine")
    plan = disk.unstow("a")
    assert plan.notes == ("/etc/a.conf: not as it was stowed, left alone",)
    assert text(disk, "etc/a.conf") == "mine"


# ---- shared paths

LICENSE = a_file("usr/share/LICENSE", "same")
A = a_member("a-1_1", LICENSE, "usr/bin/a")
B = a_member("b-1_1", LICENSE, "usr/bin/b")
C = a_member("c-1_1", LICENSE, "usr/bin/c")
A2 = a_member("a-2_1", LICENSE, "usr/bin/a")


def owner(disk: Disk) -> str:
    return text(disk, "usr/share/LICENSE").split("/")[3]


def test_an_equal_file_of_two_packages_belongs_to_the_first_by_name() -> None:
    disk = Disk.fresh()
    disk.stow(A, B)
    assert owner(disk) == "a-1_1"
    one_by_one = Disk.fresh()
    one_by_one.stow(A)
    assert ("put", "usr/share/LICENSE") not in acts(one_by_one.stow(B))
    assert one_by_one.nodes == disk.nodes


# Once who came first kept it, so that the root depended on the order of commands.
def test_the_order_of_stowing_does_not_matter() -> None:
    disk, want = Disk.fresh(), Disk.fresh()
    want.stow(A, B)
    disk.stow(B)
    disk.stow(A)
    assert owner(disk) == "a-1_1"
    assert disk.nodes == want.nodes


def test_a_shared_file_passes_to_its_heir() -> None:
    disk = Disk.fresh()
    disk.stow(A, B, C)
    disk.unstow("a")
    assert owner(disk) == "b-1_1"
    disk.unstow("b")
    assert owner(disk) == "c-1_1"
    disk.unstow("c")
    assert disk.nodes == Disk.fresh().nodes


def test_when_another_owner_goes_nothing_changes() -> None:
    disk = Disk.fresh()
    disk.stow(A, B, C)
    assert acts(disk.unstow("b")) == [("remove", "usr/bin/b")]
    assert owner(disk) == "a-1_1"


def test_a_shared_file_is_removed_when_all_its_owners_go() -> None:
    disk = Disk.fresh()
    disk.stow(A, B)
    disk.unstow("a", "b")
    assert disk.nodes == Disk.fresh().nodes


# Once the second one's link was nobody's when both went.
def test_a_shared_file_is_removed_whoever_came_first() -> None:
    disk = Disk.fresh()
    disk.stow(B)
    disk.stow(A)
    disk.unstow("a", "b")
    assert disk.nodes == Disk.fresh().nodes


# Once the link led on into the destdir of the old version, which is removed some day.
def test_an_upgrade_takes_its_shared_files_along() -> None:
    disk = Disk.fresh()
    disk.stow(A, B)
    disk.stow(A2)
    assert owner(disk) == "a-2_1"
    want = Disk.fresh()
    want.stow(A2, B)
    assert disk.nodes == want.nodes


def test_an_upgrade_that_drops_a_shared_file_leaves_it_to_its_heir() -> None:
    disk = Disk.fresh()
    disk.stow(A, B)
    disk.stow(a_member("a-2_1", "usr/bin/a"))
    assert owner(disk) == "b-1_1"


# Once a link that leads elsewhere was put right for every path but a shared one.
def test_a_shared_file_can_be_repaired() -> None:
    disk = Disk.fresh()
    disk.stow(A, B)
    good = dict(disk.nodes)
    disk.nodes["usr/share/LICENSE"] = Found(FileType.LINK, "/nowhere")
    disk.apply(disk.restow("a", "b").ops)
    assert disk.nodes == good
    disk.nodes["usr/share/LICENSE"] = Found(FileType.LINK, "/nowhere")
    disk.apply(disk.restow("a").ops)
    assert disk.nodes == good
    disk.nodes["usr/share/LICENSE"] = Found(FileType.LINK, "/nowhere")
    disk.apply(disk.restow("b").ops)
    assert disk.nodes == good, "and by a repair of the other one"


def test_what_became_of_anothers_path_is_not_the_business_of_who_shares_it() -> None:
    disk = Disk.fresh()
    disk.stow(A)
    disk.nodes["usr/share/LICENSE"] = stranger()
    plan = disk.stow(B)
    assert acts(plan) == [("put", "usr/bin/b")]
    assert acts(disk.unstow("b")) == [("remove", "usr/bin/b")]
    assert disk.nodes["usr/share/LICENSE"] == stranger()


# Once the rules of those that stay were not known: a path was linked although its heir wanted a hard link
# (and, the other way round, what one package hard-links stays as it is for one that wants a link, and is then nobody's)
def test_packages_that_share_a_path_in_different_ways() -> None:
    hard = changed(A, hardlink=("usr/share/*",))
    disk = Disk.fresh()
    disk.stow(hard)
    disk.stow(B)
    disk.unstow("a")
    disk.unstow("b")
    assert disk.nodes == Disk.fresh().nodes


def test_a_file_equal_to_the_skeletons_stays_when_its_package_goes() -> None:
    disk = Disk.fresh()
    assert acts(disk.stow(a_member("a-1_1", a_file("etc/passwd", "root")))) == []
    assert acts(disk.unstow("a")) == []
    assert disk.nodes == Disk.fresh().nodes


# ---- conflicts


def test_two_packages_that_come_together() -> None:
    disk = Disk.fresh()
    x, y = a_member("x-1_1", a_file("usr/bin/sh", "x")), a_member("y-1_1", a_file("usr/bin/sh", "y"))
    assert troubles(disk.plan([y, x])) == ["/usr/bin/sh: x-1_1 and y-1_1: different contents"]


@pytest.mark.parametrize(
    ("mine", "its", "why"),
    [
        (a_file("usr/x", "1"), a_file("usr/x", "2"), "different contents"),
        (a_file("usr/x", "1", 0o755), a_file("usr/x", "1", 0o644), "different modes"),
        (a_link("usr/x", "1"), a_link("usr/x", "2"), "links to 1 and to 2"),
        (a_file("usr/x"), a_file("usr/x/y"), "a file in the one, a dir in the other"),
        (a_file("usr/x/y"), a_link("usr/x", "z"), "a dir in the one, a link in the other"),
    ],
)
def test_two_owners_are_both_named(mine: Entry, its: Entry, why: str) -> None:
    disk = Disk.fresh()
    disk.stow(a_member("b-1_1", its))
    assert f"/usr/x: a-1_1 and b-1_1: {why}" in troubles(disk.plan([a_member("a-1_1", mine)]))


# Once a path was told again as what no package owns, beside the owner that is known.
@pytest.mark.parametrize("its", [a_file("usr/x", "2"), a_link("usr/x", "z")])
@pytest.mark.parametrize("mine", [a_file("usr/x", "1"), a_file("usr/x/y")])
def test_a_conflict_is_told_once(mine: Entry, its: Entry) -> None:
    disk = Disk.fresh()
    disk.stow(a_member("b-1_1", its))
    (trouble,) = troubles(disk.plan([a_member("a-1_1", mine)]))
    assert trouble.startswith("/usr/x: a-1_1 and b-1_1: ")


@pytest.mark.parametrize(
    ("entry", "found", "why"),
    [
        (a_file("usr/bin/x"), Found(FileType.FILE, "theirs"), STRANGER),
        (a_file("usr/bin/x"), Found(FileType.LINK, "/opt/x"), STRANGER),
        (a_file("usr/bin/x"), Found(FileType.OTHER), STRANGER),
        (a_file("usr/bin/x"), FOLDER, "a directory is in the way"),
        (a_link("usr/bin/x", "y"), Found(FileType.LINK, "z"), STRANGER),
        (a_file("usr/bin/x/y"), Found(FileType.FILE, "theirs"), "a file is in the way of a directory"),
        (a_file("usr/bin/x/y"), Found(FileType.LINK, "/opt"), "a link is in the way of a directory"),
        (a_file("etc/x"), FOLDER, "a directory is in the way"),
    ],
)
def test_what_a_stranger_put_there(entry: Entry, found: Found, why: str) -> None:
    disk = Disk.fresh()
    path = "etc/x" if entry.path == "etc/x" else "usr/bin/x"
    disk.nodes[path] = found
    told = f"/{path}: a-1_1 and {STRANGER}" + f": {why}" * (why != STRANGER)
    assert troubles(disk.plan([a_member("a-1_1", entry)])) == [told]


def test_a_link_of_the_skeleton_is_in_the_way_of_a_directory() -> None:
    disk = Disk.fresh()
    assert "/bin: a-1_1 and masterdir-skel: a dir in the one, a link in the other" in troubles(
        disk.plan([a_member("a-1_1", "bin/x")])
    )


def test_every_conflict_is_told_and_nothing_is_done() -> None:
    disk = Disk.fresh()
    disk.nodes |= {"usr/bin/x": stranger(), "usr/lib/y": stranger()}
    member = a_member("a-1_1", "usr/bin/x", "usr/lib/y", "usr/share/z")
    assert [line.split(":")[0] for line in troubles(disk.plan([member]))] == ["/usr/bin/x", "/usr/lib/y"]


def test_a_good_package_does_not_go_in_beside_a_bad_one() -> None:
    disk = Disk.fresh()
    disk.nodes["usr/bin/x"] = stranger()
    assert troubles(disk.plan([DASH, a_member("a-1_1", "usr/bin/x")]))


def test_a_link_of_ours_that_became_a_file_stops_an_upgrade() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    disk.nodes["usr/bin/dash"] = stranger()
    assert troubles(disk.plan([DASH2])) == [
        "/usr/bin/dash: dash-2_1 and dash-1_1: link of dash-1_1 was replaced by a file"
    ]


# What a package leaves out by [stow] ignore cannot be in anybody's way.
def test_what_is_left_out_conflicts_with_nothing() -> None:
    disk = Disk.fresh()
    x = a_member("x-1_1", a_file("usr/bin/sh", "x"), ignore=("usr/bin/sh",))
    y = a_member("y-1_1", a_file("usr/bin/sh", "y"))
    assert not disk.plan([x, y]).conflicts
    disk.stow(y)
    assert not disk.plan([x]).conflicts


def test_an_equal_file_that_stands_there_already_is_taken_over() -> None:
    disk = Disk.fresh()
    disk.nodes["etc/a.conf"] = Found(FileType.FILE, "one")
    assert disk.plan([CONF]) == StowPlan()


# ---- repair


def damaged(*paths: str, into: Found | None) -> Disk:
    disk = Disk.fresh()
    disk.stow(DASH)
    for path in paths:
        disk.nodes.pop(path)
        if into is not None:
            disk.nodes[path] = into
    return disk


def repaired(disk: Disk) -> Iterable[tuple[str, str]]:
    plan = disk.restow("dash")
    assert not plan.conflicts
    disk.apply(plan.ops)
    want = Disk.fresh()
    want.stow(DASH)
    assert disk.nodes == want.nodes
    return acts(plan)


def test_missing_links_are_made_again() -> None:
    assert repaired(damaged("usr/bin/dash", into=None)) == [("put", "usr/bin/dash")]
    assert repaired(damaged("usr/share/dash", "usr/share/dash/doc", into=None)) == [
        ("mkdir", "usr/share/dash"),
        ("put", "usr/share/dash/doc"),
    ]


def test_links_that_lead_elsewhere_are_replaced_in_a_repair_only() -> None:
    disk = damaged("usr/bin/dash", into=Found(FileType.LINK, "/opt/dash"))
    assert disk.plan([DASH2]).conflicts
    assert repaired(disk) == [("put", "usr/bin/dash")]


def test_files_are_nobodys_to_replace_even_in_a_repair() -> None:
    plan = damaged("usr/bin/dash", into=stranger()).restow("dash")
    assert troubles(plan) == ["/usr/bin/dash: dash-1_1: link of dash-1_1 was replaced by a file"]


# Once: "was a dir, is to be a dir".
def test_a_link_in_place_of_a_directory_is_told_as_such() -> None:
    disk = damaged("usr/share/dash/doc", "usr/share/dash", into=None)
    disk.nodes["usr/share/dash"] = Found(FileType.LINK, "/opt/dash")
    (trouble,) = troubles(disk.restow("dash"))
    assert trouble == "/usr/share/dash: dash-1_1: a link is in the way of a directory"


# ---- undoing


def test_the_inverse_of_each_operation() -> None:
    new, old = (Placed("etc/p", f"a-{version}_1", Class.COPY, version) for version in "21")
    link, folder = Placed("l", "a-1_1", Class.LINK, "t"), Placed("d", "a-1_1", Class.DIR)
    theirs = Placed("l", "", Class.THEIRS, "mine")
    built, before = (Placed("a-1_1", "a-1_1", Class.DIR, build) for build in "ba")
    lines, former = (Placed("etc/shells", "accounts", Class.MERGED, text) for text in ("x", ""))
    assert inverse(
        (
            Op(Act.BRING, built, before),
            Op(Act.MKDIR, folder),
            Op(Act.PUT, link),
            Op(Act.PUT, new, old),
            Op(Act.PUT, link, theirs),
            Op(Act.MERGE, lines, former),
            Op(Act.REMOVE, link, link),
            Op(Act.RMDIR, folder, folder),
        )
    ) == (
        Op(Act.BRING, before, built),
        Op(Act.MKDIR, folder),
        Op(Act.PUT, link, link),
        Op(Act.MERGE, former, lines),
        Op(Act.PUT, theirs, link),
        Op(Act.PUT, old, new),
        Op(Act.REMOVE, link),
        Op(Act.RMDIR, folder),
    )


def test_an_upgrade_undone() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    before = dict(disk.nodes)
    plan = disk.plan([DASH2])
    disk.apply(plan.ops)
    assert disk.nodes != before
    disk.apply(inverse(plan.ops))
    assert disk.nodes == before


def test_conflicts_are_sorted_and_each_once() -> None:
    disk = Disk.fresh()
    disk.nodes |= {f"usr/bin/{name}": stranger() for name in "zya"}
    plan = disk.plan([a_member("a-1_1", "usr/bin/z", "usr/bin/y", "usr/bin/a")])
    assert plan.conflicts == tuple(sorted(set(plan.conflicts)))
    assert all(isinstance(conflict, Conflict) for conflict in plan.conflicts)
    assert len(plan.conflicts) == 3
