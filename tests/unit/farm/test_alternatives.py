"""Which package gives the links of a group of alternatives, and what becomes of them on disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from tests.unit.builders import Disk, a_file, a_link, a_member, stranger
from xsrc.farm.alternatives import default_entries, offers, providers
from xsrc.farm.alternatives import links_of as places_of
from xsrc.farm.place import Act, Class, FileType, Found, Member, Op, Placed
from xsrc.farm.stow import STRANGER
from xsrc.store.manifest import Entry, Kind
from xsrc.store.rules import Alternative


def links_of(members: Iterable[Member], choices: Mapping[str, str]) -> dict[str, Placed]:
    """The links alone; the directories that they are in are placed too."""
    return {path: placed for path, placed in places_of(members, choices).items() if placed.how is Class.SHIPPED}


def test_the_directories_of_links_are_placed() -> None:
    found = places_of((a_member("a-1_1", alternatives=(Alternative("g", "/opt/new/g", "x"),)),), {})
    assert {path for path, placed in found.items() if placed.how is Class.DIR} == {"opt", "opt/new"}


def shell(name: str, priority: int, *, link: str = "/usr/bin/sh", group: str = "sh") -> Member:
    """A shell that offers one link."""
    path = f"usr/bin/{name}"
    return a_member(f"{name}-1_1", path, alternatives=(Alternative(group, link, f"/{path}", priority),))


ASH, BASH, DASH = shell("ash", 10), shell("bash", 20), shell("dash", 10)
EDITOR = a_member(
    "vim-9_1",
    "usr/bin/vim",
    alternatives=(
        Alternative("vi", "/usr/bin/vi", "vim", 5),
        Alternative("vi", "/usr/bin/view", "vim", 7),
        Alternative("sh", "/usr/bin/sh", "vim", 1),
    ),
)


def test_where_nobody_chooses_the_highest_priority_gives_the_link() -> None:
    folders = [Entry("usr/bin", Kind.DIR), Entry("usr", Kind.DIR)]
    assert default_entries((ASH, BASH)) == {"bash-1_1": [a_link("usr/bin/sh", "bash"), *folders]}
    assert default_entries((a_member("a-1_1", "usr/bin/a"),)) == {}


def test_offers_name_who_gives_a_group_first() -> None:
    assert offers((ASH, BASH, DASH, EDITOR)) == {
        "sh": {"bash": 20, "ash": 10, "dash": 10, "vim": 1},
        "vi": {"vim": 7},
    }
    assert [*offers((EDITOR, DASH, ASH, BASH))["sh"]] == ["bash", "ash", "dash", "vim"], "whatever their order"
    assert offers((a_member("a-1_1", "usr/bin/a"),)) == {}


@pytest.mark.parametrize(
    ("members", "choices", "want"),
    [
        ((), {}, {}),
        ((), {"sh": "dash"}, {}),
        ((DASH,), {}, {"sh": "dash"}),
        ((DASH, BASH), {}, {"sh": "bash"}),
        ((DASH, ASH), {}, {"sh": "ash"}),
        ((DASH, BASH), {"sh": "dash"}, {"sh": "dash"}),
        ((DASH, BASH), {"sh": "zsh"}, {"sh": "bash"}),
        ((DASH, BASH), {"sh": ""}, {"sh": "bash"}),
        ((BASH, EDITOR), {"sh": "vim", "none": "x"}, {"sh": "vim", "vi": "vim"}),
        ((BASH, EDITOR), {"vi": "bash"}, {"sh": "bash", "vi": "vim"}),
    ],
    ids=[
        "nobody",
        "a choice of nobody",
        "the only one",
        "the higher priority",
        "the first by name",
        "the chosen one",
        "a choice that is not stowed",
        "an empty choice",
        "two groups",
        "a choice that does not offer it",
    ],
)
def test_who_gives_a_group(members: tuple[Member, ...], choices: dict[str, str], want: dict[str, str]) -> None:
    assert providers(members, choices) == want
    assert providers(reversed(members), choices) == want


@pytest.mark.parametrize(
    ("link", "target", "text"),
    [
        ("/usr/bin/sh", "/usr/bin/dash", "dash"),
        ("/usr/bin/vi", "vim", "vim"),
        ("/etc/x/y", "/usr/share/z", "../../usr/share/z"),
        ("/sh", "/usr/bin/dash", "usr/bin/dash"),
        ("/usr/bin/sh", "../libexec/sh", "../libexec/sh"),
    ],
)
def test_the_text_of_a_link_reads_the_same_from_the_host(link: str, target: str, text: str) -> None:
    member = a_member("a-1_1", alternatives=(Alternative("g", link, target),))
    path = link[1:]
    assert links_of((member,), {}) == {path: Placed(path, "a-1_1", Class.SHIPPED, text)}


def test_links_of_all_groups() -> None:
    assert {path: (p.owner, p.text) for path, p in links_of((DASH, BASH, EDITOR), {"sh": "dash"}).items()} == {
        "usr/bin/sh": ("dash-1_1", "dash"),
        "usr/bin/vi": ("vim-9_1", "vim"),
        "usr/bin/view": ("vim-9_1", "vim"),
    }


def test_where_two_groups_want_one_link_the_first_by_name_has_it() -> None:
    other = shell("zsh", 99, group="posix-sh")
    for members in ((ASH, other), (other, ASH)):
        assert {path: p.owner for path, p in links_of(members, {}).items()} == {"usr/bin/sh": "ash-1_1"}


# ---- on disk


def sh(disk: Disk) -> str | None:
    found = disk.nodes.get("usr/bin/sh")
    return found.text if found else None


def test_the_link_follows_who_comes_and_goes() -> None:
    disk = Disk.fresh()
    seen = []
    for act, member in ((1, DASH), (1, BASH), (1, ASH), (0, BASH), (0, ASH), (0, DASH)):
        disk.stow(member) if act else disk.unstow(member.name)
        seen.append(sh(disk))
    assert seen == ["dash", "bash", "bash", "ash", "dash", None]
    assert disk.nodes == Disk.fresh().nodes


def test_a_better_one_takes_the_link_over_in_one_operation() -> None:
    disk = Disk.fresh()
    disk.stow(DASH)
    plan = disk.stow(BASH)
    old, new = (Placed("usr/bin/sh", f"{name}-1_1", Class.SHIPPED, name) for name in ("dash", "bash"))
    assert [op for op in plan.ops if op.placed.path == "usr/bin/sh"] == [Op(Act.PUT, new, old)]


def test_a_choice_holds_until_it_is_taken_back() -> None:
    disk = Disk.fresh()
    disk.stow(DASH, BASH)
    plan = disk.choose(sh="dash")
    assert [(op.act, op.placed.path) for op in plan.ops] == [(Act.PUT, "usr/bin/sh")]
    disk.stow(ASH)
    assert sh(disk) == "dash"
    assert disk.choose(sh="dash").ops == ()
    disk.unstow("dash")
    assert sh(disk) == "bash", "who is chosen is not there"
    disk.stow(DASH)
    assert sh(disk) == "dash", "and has it again"
    disk.choose()
    assert sh(disk) == "bash"


def test_an_upgrade_without_the_offer_passes_the_link_on() -> None:
    disk = Disk.fresh()
    disk.stow(DASH, BASH)
    disk.stow(a_member("bash-2_1", "usr/bin/bash"))
    assert sh(disk) == "dash"


def test_a_link_that_a_package_has_as_a_file_is_a_conflict() -> None:
    disk = Disk.fresh()
    busybox = a_member("busybox-1_1", a_file("usr/bin/sh"))
    disk.stow(DASH)
    (conflict,) = disk.plan([busybox]).conflicts
    assert str(conflict) == "/usr/bin/sh: busybox-1_1 and dash-1_1: a file in the one, a link in the other"
    disk = Disk.fresh()
    disk.stow(busybox)
    (conflict,) = disk.plan([DASH]).conflicts
    assert str(conflict) == "/usr/bin/sh: dash-1_1 and busybox-1_1: a link in the one, a file in the other"


# Only who gives the link is in the way: who merely could is not.
def test_an_offer_that_is_not_taken_is_in_nobodys_way() -> None:
    disk = Disk.fresh()
    link = a_member("links-1_1", a_file("usr/bin/x"))
    one = shell("one", 2, link="/usr/bin/sh")
    two = shell("two", 1, link="/usr/bin/x")
    disk.stow(one, two)
    disk.stow(link)
    assert [str(c) for c in disk.plan(choices={"sh": "two"}).conflicts] == [
        "/usr/bin/x: links-1_1 and two-1_1: a file in the one, a link in the other"
    ]


@pytest.mark.parametrize("found", [stranger(), Found(FileType.LINK, "/opt/sh")], ids=["file", "link"])
def test_a_strangers_file_in_place_of_the_link(found: Found) -> None:
    disk = Disk.fresh()
    disk.nodes["usr/bin/sh"] = found
    before = disk.copy()
    (conflict,) = disk.plan([DASH]).conflicts
    assert str(conflict) == f"/usr/bin/sh: dash-1_1 and {STRANGER}"
    assert conflict.stranger
    disk.stow(DASH, adopt=True)
    assert sh(disk) == "dash"
    disk.stow(BASH)
    disk.unstow("dash")
    assert sh(disk) == "bash"
    disk.unstow("bash")
    assert disk.nodes == before.nodes, "it comes back when the last one goes"


def test_the_directory_of_a_link_is_made_where_nobody_has_it() -> None:
    deep = a_member("a-1_1", "usr/bin/a", alternatives=(Alternative("g", "/usr/share/new/g", "/usr/bin/a"),))
    disk = Disk.fresh()
    disk.stow(deep)
    assert disk.nodes["usr/share/new/g"].text == "../../bin/a"
    disk.unstow("a")
    assert disk.nodes == Disk.fresh().nodes
