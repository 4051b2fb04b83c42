"""The laws of what the farm remembers: alternatives, accounts, adopted and changed files, ways back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.test_stow import (
    MEMBER_BYTES,
    NAMES,
    STRANGERS,
    go,
    members,
    picture,
    read_disk,
    read_member,
    read_step,
    steps,
)
from tests.unit.builders import SKELETON, Disk, a_member
from xsrc.core.pkgver import PkgVer
from xsrc.farm.place import Change, Class, FileType, Found, Member
from xsrc.farm.resume import inverse, resumed
from xsrc.store.manifest import Kind
from xsrc.store.rules import Account, Alternative, Rules

LINKS = ("usr/bin/g", "usr/share/h", "usr/bin/i")
PEOPLE = ("_a", "_b", "_c")
PASSWD = Found(FileType.FILE, "root:x:0:0:root:/root:/bin/sh\n")


def ruled(member: Member, byte: int) -> Member:
    """The same package with alternatives, an account and a shell as a byte has it."""
    offered = [
        Alternative(group, f"/{link}", f"/usr/bin/{member.name}", (byte >> bit) % 3)
        for bit, (group, link) in enumerate(zip("ghi", LINKS, strict=True))
        if byte >> bit & 1
    ]
    person = PEOPLE[byte >> 3 & 1], PEOPLE[1 + (byte >> 4 & 1)]
    rules: dict[str, object] = {"alternatives": tuple(offered)}
    if byte >> 5 & 1:
        rules["accounts"] = (Account(person[0], groups=(person[1],)),)
    if byte >> 6 & 1:
        rules["shells"] = (f"/usr/bin/{'x' if byte >> 7 else member.name}",)
    return Member(member.pkgver, member.entries, replace(member.rules, **rules))  # type: ignore[arg-type]


def ruled_members(name: str) -> st.SearchStrategy[Member]:
    """A package of a name, with rules that reach beyond it."""
    size = MEMBER_BYTES + 1
    return st.binary(min_size=size, max_size=size).map(lambda data: ruled(read_member(data[1:], name), data[0]))


def strange_disk(data: bytes) -> Disk:
    """A masterdir with users of its own and files of somebody else."""
    disk = read_disk(data)
    disk.nodes["etc/passwd"] = PASSWD
    return disk


disks = st.binary(max_size=3).map(strange_disk)
choices = st.dictionaries(st.sampled_from("ghi"), st.sampled_from(NAMES), max_size=2)


@settings(max_examples=120)
@given(st.tuples(*(ruled_members(name) for name in NAMES)), choices)
def test_the_order_of_stowing_does_not_matter_with_alternatives_and_accounts(
    packages: tuple[Member, ...], chosen: Mapping[str, str]
) -> None:
    pictures = []
    for order in permutations(packages):
        disk = strange_disk(b"")
        disk.choices = dict(chosen)
        if disk.plan(order).conflicts:
            return
        for member in order:
            disk.stow(member)
        pictures.append(picture(disk))
        disk.unstow(*(member.name for member in order))
        assert picture(disk) == picture(strange_disk(b"")), "and all of it goes"
    assert all(other == pictures[0] for other in pictures)


@settings(max_examples=150)
@given(disks, steps, ruled_members("c"))
def test_unstow_is_the_inverse_of_stow_also_with_adoption(disk: Disk, story: list[object], member: Member) -> None:
    go(disk, story)  # type: ignore[arg-type]
    if "c" in disk.stowed:
        disk.unstow("c")
    if disk.plan([member], adopt=True).conflicts:
        return
    before = disk.copy()
    disk.stow(member, adopt=True)
    disk.unstow("c")
    assert picture(disk) == picture(before)
    assert disk.aside == before.aside


# ---- going back


@dataclass
class State:
    """What a generation was: what was stowed, who was chosen, and how the disk looked."""

    stowed: dict[str, Member]
    choices: dict[str, str]
    disk: Disk


@dataclass
class Story:
    """A disk, the states it went through, and when its user changed which file."""

    disk: Disk
    states: list[State] = field(default_factory=list)
    edits: dict[str, int] = field(default_factory=dict)

    def note(self) -> None:
        """Take note of a state before the next step."""
        self.states.append(State(dict(self.disk.stowed), dict(self.disk.choices), self.disk.copy()))

    def edit(self, path: str) -> None:
        """Let the user change a file, where it is one."""
        if self.disk.nodes.get(path, Found(FileType.OTHER)).kind is FileType.FILE:
            self.disk.nodes[path] = Found(FileType.FILE, f"mine, {len(self.states)}")
            self.edits[path] = len(self.states)

    def step(self, data: bytes) -> None:
        """Stow, upgrade, unstow or choose, where that can be done."""
        kind, disk = data[0], self.disk
        self.note()
        if kind & 12 == 12:
            chosen = {group: NAMES[data[1] >> bit & 1] for bit, group in enumerate("gh") if data[1] >> 4 + bit & 1}
            if not disk.plan(choices=chosen).conflicts:
                disk.choose(**chosen)
            return
        adding, dropping = read_step(data[1:])
        go(disk, [(tuple(ruled(member, kind) for member in adding), dropping)])


def return_to(disk: Disk, state: State, later: Sequence[str]) -> bool:
    """Go back to a state as rollback does: one change, from what is stowed to what was.

    It may be refused where a link, or hard link, was then and a file is now that the user changed later.
    """
    add = [member for name, member in state.stowed.items() if disk.stowed.get(name) != member]
    gone = [name for name in disk.stowed if name not in state.stowed]
    plan = disk.plan(add, gone, choices=state.choices)
    if plan.conflicts:
        assert {conflict.path for conflict in plan.conflicts} <= set(later)
        stood = {m.places[c.path].how for c in plan.conflicts for m in state.stowed.values() if c.path in m.places}
        assert Class.COPY not in stood
        return False
    disk.do(plan)
    disk.stowed, disk.choices = dict(state.stowed), dict(state.choices)
    return True


def compared(disk: Disk, later: Sequence[str]) -> tuple[dict[str, Found], dict[str, int]]:
    """The disk without files that were changed later, what is put beside these, and the folders that they keep."""
    hidden = {path + end for path in later for end in ("", ".new")}
    hidden |= {path.rpartition("/")[0] for path in later if path.count("/") > 1}
    nodes, modes = picture(disk)
    return (
        {path: found for path, found in nodes.items() if path not in hidden},
        {path: mode for path, mode in modes.items() if path not in hidden},
    )


STORY_BYTES = 2 + 2 * MEMBER_BYTES
stories = st.binary(min_size=4 * STORY_BYTES, max_size=4 * STORY_BYTES).map(
    lambda data: [data[at : at + STORY_BYTES] for at in range(0, len(data), STORY_BYTES)]
)
edits = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(("etc/c", "etc/d/e", "usr/libexec/h"))), max_size=2)


@settings(max_examples=150)
@given(disks, stories, edits, st.booleans())
def test_each_earlier_state_can_be_returned_to(
    disk: Disk, told: list[bytes], changed: list[tuple[int, str]], at_once: bool
) -> None:
    """Bit for bit, with what the user wrote kept wherever he wrote it, and the packages' own beside it."""
    story = Story(disk)
    for number, data in enumerate(told):
        for when, path in changed:
            # what is no copy is nobody's to change: a link of ours that became a file is told, not restored
            if when == number and any(m.places[path].how.value == "copy" for m in owners(disk, path)):
                story.edit(path)
        story.step(data)
    texts = {path: disk.nodes[path] for path in story.edits if path in disk.nodes}
    for number in [0] if at_once else range(len(story.states) - 1, -1, -1):
        state = story.states[number]
        later = [path for path, when in story.edits.items() if when > number]
        if not return_to(disk, state, later):
            return
        assert compared(disk, later) == compared(state.disk, later)
        assert {path: disk.nodes[path] for path in texts} == texts, "what the user wrote"


def owners(disk: Disk, path: str) -> list[Member]:
    """The stowed packages that have a path."""
    return [member for member in disk.stowed.values() if path in member.places]


# ---- cut off

MINE = Found(FileType.FILE, "put there meanwhile")


def finish(disk: Disk, ops: Sequence[object]) -> None:
    """What the next command does with operations that were cut off: finish them, else undo them."""

    def look() -> dict[str, Found]:
        return disk.look_again(todo)

    todo = Change.parse(Change(ops=tuple(ops)).render()).ops  # type: ignore[arg-type]
    left, blocked = resumed(todo, look())
    if not blocked:
        disk.apply(left)
        return
    todo = inverse(todo)
    left, theirs = resumed(todo, look())
    disk.apply(op for op in left if op.placed.path not in theirs)


@settings(max_examples=200)
@given(disks, steps, ruled_members("b"), st.integers(0, 40), st.integers(0, 40), st.sampled_from(("stow", "unstow")))
def test_a_file_put_in_the_way_of_a_cut_off_change_is_never_lost(
    disk: Disk, story: list[object], member: Member, at: int, where: int, act: str
) -> None:
    go(disk, story)  # type: ignore[arg-type]
    plan = disk.plan([member]) if act == "stow" else disk.plan((), tuple(disk.stowed)[:2])
    disk.apply(plan.ops[: at % (len(plan.ops) + 1)])
    paths = sorted({path for op in plan.ops for path in (op.placed.path, op.placed.path + ".new")} | set(STRANGERS))
    paths = [path for path in paths if can_put(disk, path)]
    path = paths[where % len(paths)]
    disk.nodes[path] = MINE
    finish(disk, plan.ops)
    assert disk.nodes[path] == MINE


def can_put(disk: Disk, path: str) -> bool:
    """Whether a user could put a file there without removing a directory."""
    parent = path.rpartition("/")[0]
    merged = path in ("etc/passwd", "etc/group", "etc/shells")
    return (
        not merged
        and disk.nodes.get(parent, Found(FileType.OTHER)).kind is FileType.DIR
        and bool(disk.survey([parent]))
        and disk.nodes.get(path, Found(FileType.OTHER)).kind is not FileType.DIR
    )


@pytest.mark.parametrize("at", [0, 1])
def test_a_file_put_in_the_way_of_a_cut_off_adoption_is_never_lost(at: int) -> None:
    disk = Disk.fresh()
    disk.nodes["usr/bin/x"] = Found(FileType.FILE, "theirs")
    plan = disk.plan([a_member("a-1_1", "usr/bin/x")], adopt=True)
    disk.apply(plan.ops[:at])
    disk.nodes["usr/bin/x"] = MINE
    finish(disk, plan.ops)
    assert disk.nodes["usr/bin/x"] == MINE


def test_rules_are_of_every_kind() -> None:
    members = [ruled(a_member("a-1_1"), byte) for byte in range(256)]
    assert {len(m.rules.alternatives) for m in members} == {0, 1, 2, 3}
    assert any(m.rules.accounts and m.rules.shells for m in members)
    assert any(m.rules == Rules() for m in members)


@settings(max_examples=100)
@given(members("a"), st.integers(0, 2**16 - 1))
def test_subpackages_are_parts_of_one_package(whole: Member, cut: int) -> None:
    """Parts stowed together are the whole, but that links lead into the destdir of each; each part can go alone."""
    one, disk = Disk.fresh(), Disk.fresh()
    one.stow(whole)
    chosen = {entry.path for number, entry in enumerate(whole.entries) if cut >> number & 1}
    parts = tuple(
        Member(
            PkgVer(f"a{part}", whole.pkgver.version, 1),
            tuple(e for e in whole.entries if e.kind is Kind.DIR or (e.path in chosen) == bool(part)),
            whole.rules,
        )
        for part in range(2)
    )
    disk.stow(*parts)
    of_one = {path: node._replace(text=re.sub("/a[01]-", "/a-", node.text)) for path, node in disk.nodes.items()}
    assert of_one == one.nodes
    disk.unstow("a0")
    left = {path for path in chosen if path in whole.places and path not in SKELETON}
    assert all((path in disk.nodes) for path in left)
    disk.unstow("a1")
    assert disk.nodes == Disk.fresh().nodes
