"""The laws of the farm on random packages, against a disk in memory that carries out the operations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.builders import FOLDER, SKELETON, Disk, a_file, a_link, a_member
from xsrc.farm.place import Change, FileType, Found, Member
from xsrc.farm.resume import inverse, resumed
from xsrc.farm.wishes import stands
from xsrc.store.manifest import Entry, Kind
from xsrc.store.merge import conflicts

NAMES = ("a", "b", "c")
FILES = (
    "usr/bin/x",
    "usr/bin/y",
    "usr/share/p",
    "usr/share/p/q",
    "usr/share/p/r/s",
    "usr/libexec/h",
    "etc/c",
    "etc/d/e",
)
STRANGERS = ("usr/bin/x", "usr/bin/mine", "usr/share/p", "usr/share/p/mine", "usr/libexec/h", "etc/c", "opt/mine")
RULES = (
    {"hardlink": ("usr/libexec/*",)},
    {"hardlink": ("usr/*",)},
    {"copy": ("usr/libexec/*", "usr/bin/y")},
    {"ignore": ("usr/bin/y", "etc/d/*")},
)


FOLDER_MODES = (0o755, 0o755, 0o700, 0o750)
MEMBER_BYTES = 1 + len(FILES) // 2
STEP_BYTES = 1 + 2 * MEMBER_BYTES


def read_member(data: bytes, name: str | None = None) -> Member:
    """A package from five bytes: name, version and rules, then half a byte for each file; small ones mean none.

    Bytes and not strategies for every part, for Hypothesis takes ten times as long to draw those as the test takes.
    """
    head, *halves = data
    chosen = name or NAMES[head % 3]
    entries: list[Entry] = []
    for path, half in zip(FILES, [nibble for byte in halves for nibble in (byte & 15, byte >> 4)], strict=True):
        if half < 7 or any(path.startswith(entry.path + "/") for entry in entries):
            continue
        if path == "usr/share/p":  # a directory of the others
            entries += [a_file(path, "same")] if half == 15 else []
        elif half == 15:
            entries.append(a_link(path, "t"))
        else:
            entries.append(a_file(path, chosen if half == 14 else "same", 0o755 if half == 13 else 0o644))
    rules = RULES[head >> 4 & 3] if head & 8 else {}
    if head >> 6:  # a mode for a directory that others may have too
        entries.append(Entry("usr/share/p/r", Kind.DIR, FOLDER_MODES[head >> 6]))
        entries = [entry for entry in entries if entry.path != "usr/share/p"]
    return a_member(f"{chosen}-{1 + (head >> 2 & 1)}_1", *entries, **rules)


def members(name: str | None = None) -> st.SearchStrategy[Member]:
    """A package of one of three names (or of the given one) and two versions; most contents are alike in all."""
    return st.binary(min_size=MEMBER_BYTES, max_size=MEMBER_BYTES).map(lambda data: read_member(data, name))


def read_disk(data: bytes) -> Disk:
    """A new masterdir with files and links of somebody else in it, each in a real directory."""
    disk = Disk.fresh()
    for byte in data:
        path = STRANGERS[byte % len(STRANGERS)]
        parent = path.rpartition("/")[0]
        if disk.nodes.get(path) is None and disk.nodes.get(parent, FOLDER).kind is FileType.DIR:
            disk.nodes.setdefault(parent, FOLDER)
            disk.nodes[path] = Found(FileType.FILE, "theirs") if byte & 128 else Found(FileType.LINK, "/theirs")
    return disk


disks = st.binary(max_size=1).map(read_disk)

Step = tuple[tuple[Member, ...], tuple[str, ...]]
"""Packages to stow, or names to unstow."""


def read_step(data: bytes) -> Step:
    """A step: one or two packages to stow, or some names to unstow."""
    kind = data[0]
    if kind & 3 == 3:
        return (), tuple(name for bit, name in enumerate(NAMES) if kind >> 2 & 1 << bit)
    first = read_member(data[1 : 1 + MEMBER_BYTES])
    second = read_member(data[1 + MEMBER_BYTES :])
    return ((first, second) if kind & 1 and second.name != first.name else (first,)), ()


def read_story(data: bytes) -> list[Step]:
    """Several steps."""
    return [read_step(data[at : at + STEP_BYTES]) for at in range(0, len(data), STEP_BYTES)]


steps = st.binary(min_size=6 * STEP_BYTES, max_size=6 * STEP_BYTES).map(read_story)


def go(disk: Disk, story: Sequence[Step]) -> None:
    """Take all steps that can be taken."""
    for adding, dropping in story:
        names = [name for name in dropping if name in disk.stowed]
        if adding and not disk.plan(adding).conflicts:
            disk.stow(*adding)
        elif names:
            disk.unstow(*names)


def picture(disk: Disk) -> tuple[dict[str, Found], dict[str, int]]:
    return disk.nodes, disk.modes


@settings(max_examples=200)
@given(disks, steps)
def test_the_disk_is_a_function_of_what_is_stowed(disk: Disk, story: list[Step]) -> None:
    """Hence the order of stowing does not matter, unstow is the inverse of stow, an upgrade equals out and in."""
    fresh = disk.copy()
    go(disk, story)
    fresh.stow(*disk.stowed.values())
    assert picture(disk) == picture(fresh)


@settings(max_examples=200)
@given(st.tuples(*(members(name) for name in NAMES)))
def test_the_order_of_stowing_does_not_matter(packages: tuple[Member, ...]) -> None:
    pictures = []
    for order in permutations(packages):
        disk = Disk.fresh()
        if disk.plan(order).conflicts:
            return
        for member in order:
            disk.stow(member)
        pictures.append(picture(disk))
    assert all(other == pictures[0] for other in pictures)


@settings(max_examples=200)
@given(disks, steps, members())
def test_unstow_is_the_inverse_of_stow(disk: Disk, story: list[Step], member: Member) -> None:
    go(disk, story)
    if member.name in disk.stowed or disk.plan([member]).conflicts:
        return
    before = disk.copy()
    disk.stow(member)
    disk.unstow(member.name)
    assert picture(disk) == picture(before)


@settings(max_examples=200)
@given(disks, steps)
def test_twice_is_once(disk: Disk, story: list[Step]) -> None:
    go(disk, story)
    everything = tuple(disk.stowed)
    assert disk.restow(*everything).ops == ()
    for name in everything:
        assert disk.restow(name).ops == ()
        assert disk.plan([disk.stowed[name]]).ops == ()


@settings(max_examples=200)
@given(disks, steps)
def test_plan_and_disk_agree(disk: Disk, story: list[Step]) -> None:
    strangers = {
        path: found for path, found in disk.nodes.items() if path not in SKELETON and found.kind is not FileType.DIR
    }
    go(disk, story)
    wanted = set(strangers) | set(SKELETON) | {path.rpartition("/")[0] for path in strangers}
    for name in sorted(disk.stowed, reverse=True):
        for path, placed in disk.stowed[name].places.items():
            first = min(m.name for m in disk.stowed.values() if path in m.places)
            if first == name:
                assert stands(placed, disk.nodes[path]), f"{path} does not stand as {name} has it"
            wanted.add(path)
    assert set(disk.nodes) == wanted, "what nobody has is not there"
    assert {path: disk.nodes[path] for path in strangers} == strangers


@settings(max_examples=200)
@given(disks, steps, st.tuples(members("a"), members("c")))
def test_a_refused_plan_does_nothing_and_a_good_one_can_be_carried_out(
    disk: Disk, story: list[Step], adding: tuple[Member, ...]
) -> None:
    go(disk, story)
    plan = disk.plan(adding)
    if plan.conflicts:
        assert plan.ops == ()
        assert plan.notes == ()
        assert len({conflict.path for conflict in plan.conflicts}) == len(plan.conflicts), "each path is told once"
        return
    named = {path for m in (*adding, *disk.stowed.values()) for path in m.places}
    assert {op.placed.path for op in plan.ops} <= named
    disk.apply(plan.ops)  # raises for an operation that no disk could do


@settings(max_examples=200)
@given(disks, steps, members(), st.data())
def test_a_change_that_was_cut_off_is_finished_or_undone(
    disk: Disk, story: list[Step], member: Member, data: st.DataObject
) -> None:
    go(disk, story)
    add, drop = data.draw(st.sampled_from([([member], ()), ([], tuple(disk.stowed)[:2])]))
    plan = disk.plan(add, drop)
    ops = Change.parse(Change(ops=plan.ops).render()).ops
    whole = disk.copy()
    whole.apply(ops)
    cut = disk.copy()
    at = data.draw(st.integers(0, len(ops)))
    cut.apply(ops[:at])
    undone = cut.copy()
    undone.apply(inverse(ops[: data.draw(st.sampled_from((at, min(at + 1, len(ops)))))]))
    assert picture(undone) == picture(disk), "undone, whether or not the last operation was begun"
    cut.apply(ops)
    assert picture(cut) == picture(whole), "finished by doing it again from the first"


@settings(max_examples=200)
@given(members("a"), members("b"))
def test_a_conflict_is_one_from_both_sides(one: Member, two: Member) -> None:
    def against(stowed: Member, adding: Member) -> set[str]:
        disk = Disk.fresh()
        disk.stow(stowed)
        return {conflict.path for conflict in disk.plan([adding]).conflicts}

    together = {conflict.path for conflict in Disk.fresh().plan([one, two]).conflicts}
    assert against(one, two) == against(two, one) == together
    manifests = {m.name: [entry for entry in m.entries if entry.path in m.places] for m in (one, two)}
    merged = conflicts(manifests)
    assert {conflict.path for conflict in merged} == together
    assert merged == conflicts(dict(reversed(manifests.items())))


@settings(max_examples=200)
@given(steps, st.integers(0, 6))
def test_what_the_user_wrote_into_a_conf_file_is_never_lost(story: list[Step], at: int) -> None:
    disk = Disk.fresh()
    go(disk, story[:at])
    if disk.nodes.get("etc/c", Found(FileType.OTHER)).kind is not FileType.FILE:
        return
    disk.nodes["etc/c"] = Found(FileType.FILE, "mine")
    go(disk, story[at:])
    assert disk.nodes["etc/c"] == Found(FileType.FILE, "mine")


# ---- the disk under the plan

OBSTACLES = (None, Found(FileType.FILE, "theirs"), Found(FileType.LINK, "/theirs"), Found(FileType.LINK, "/theirs/"))
SHARED = ("usr/share/p", "usr/share/p/r", "usr/libexec", "usr/share", "usr", "etc/d", "etc")


def meddle(disk: Disk, path: str, obstacle: Found | None) -> dict[str, Found]:
    """Let somebody remove a directory with all that is in it, and put something else there; return what was removed."""
    lost = {other: disk.nodes.pop(other) for other in list(disk.nodes) if f"{other}/".startswith(f"{path}/")}
    above = path.rpartition("/")[0]
    if obstacle is not None and (not above or disk.nodes.get(above, obstacle).kind is FileType.DIR):
        disk.nodes[path] = obstacle
    return lost


@settings(max_examples=300)
@given(disks, steps, st.sampled_from(SHARED), st.sampled_from(OBSTACLES), members("b"), st.booleans())
def test_whatever_became_of_a_directory_is_planned_for(
    disk: Disk, story: list[Step], path: str, obstacle: Found | None, member: Member, out: bool
) -> None:
    """A plan is refused with a command that helps, or can be carried out, undone, and finished from any point."""
    go(disk, story)
    lost = meddle(disk, path, obstacle)
    plan = disk.plan((), tuple(disk.stowed)[:1]) if out else disk.plan([member])
    if plan.conflicts:
        assert plan.ops == ()
        assert all(c.cure for c in plan.conflicts if c.path == path and path in lost)
        return
    before = disk.copy()
    ops = Change.parse(Change(ops=plan.ops).render()).ops
    whole = disk.copy()
    whole.apply(ops)
    undo = inverse(ops)
    for at in range(len(ops) + 1):
        cut = before.copy()
        cut.apply(ops[:at])
        undone = cut.copy()
        left, blocked = resumed(undo, undone.look_again(undo))
        undone.apply(op for op in left if op.placed.path not in blocked)
        assert blocked == ()
        assert undone.nodes == before.nodes
        left, blocked = resumed(ops, cut.look_again(ops))
        cut.apply(left)
        assert (blocked, cut.nodes) == ((), whole.nodes)


@settings(max_examples=300)
@given(disks, steps, members("b"), st.integers(0, 40), st.sampled_from(SHARED), st.sampled_from(OBSTACLES))
def test_no_state_of_the_disk_keeps_a_change_from_being_undone(
    disk: Disk, story: list[Step], member: Member, at: int, path: str, obstacle: Found | None
) -> None:
    """Somebody meddles while a change is cut off: what is left of it can be finished or undone, at any depth."""
    go(disk, story)
    plan = disk.plan([member])
    disk.apply(plan.ops[: at % (len(plan.ops) + 1)])
    meddle(disk, path, obstacle)
    undo = inverse(plan.ops)
    for ops in (plan.ops, undo):
        left, blocked = resumed(ops, disk.look_again(ops))
        again = disk.copy()
        again.apply(op for op in left if op.placed.path not in blocked)


@settings(max_examples=300)
@given(steps, st.integers(0, 6), st.sampled_from(("etc/c", "etc/d/e")), st.sampled_from(("mode", "link", "gone")))
def test_the_users_word_below_etc_outlives_every_change(story: list[Step], at: int, path: str, what: str) -> None:
    disk = Disk.fresh()
    go(disk, story[:at])
    found = disk.nodes.get(path)
    if found is None or found.kind is FileType.DIR or (what == "mode" and found.kind is not FileType.FILE):
        return
    mine = {"mode": found._replace(mode=0o600), "link": Found(FileType.LINK, "mine"), "gone": None}[what]
    disk.nodes.pop(path)
    disk.nodes |= {path: mine} if mine else {}
    for step in story[at:]:
        had = {member.name for member in disk.stowed.values() if path in member.places}
        go(disk, [step])
        disk.do(disk.restow(*disk.stowed))
        if what != "link" and not any(m.name in had and path in m.places for m in disk.stowed.values()):
            return  # nobody had it meanwhile: who comes anew brings it
        if what == "gone":
            assert path not in disk.nodes
        elif what == "link":
            assert disk.nodes[path] == mine
        else:
            there = disk.nodes[path]
            assert there.mode == 0o600 or there.kind is FileType.LINK
    disk.do(disk.restow(*disk.stowed))
    assert (disk.restow(*disk.stowed).ops, disk.restow(*disk.stowed).conf) == ((), {})


@settings(max_examples=300)
@given(disks, steps)
def test_the_mode_of_a_directory_follows_from_what_is_stowed(disk: Disk, story: list[Step]) -> None:
    go(disk, story)
    wishes = {m.places["usr/share/p/r"].mode for m in disk.stowed.values() if "usr/share/p/r" in m.places} - {0o755}
    if any("usr/share/p/r" in m.places for m in disk.stowed.values()):
        assert len(wishes) <= 1
        assert disk.nodes["usr/share/p/r"].mode == next(iter(wishes), 0o755)
        disk.nodes["usr/share/p/r"] = FOLDER._replace(mode=0o711)
        disk.do(disk.restow(*disk.stowed))
        assert disk.nodes["usr/share/p/r"].mode == next(iter(wishes), 0o755)
