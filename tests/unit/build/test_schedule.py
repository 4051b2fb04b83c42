"""The order in which the tasks of a run begin, what failures take with them, and how memory is shared."""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import CycleError
from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsrc.build.schedule import Schedule, Task
from xsrc.runs.forecast import Left


def a_task(name: str, needs: str = "", seconds: float = 1.0, memory: int = 0) -> Task:
    return Task(name, frozenset(needs.split()), seconds, memory)


def test_the_longest_way_to_the_end_comes_first() -> None:
    schedule = Schedule([a_task("short"), a_task("long", seconds=5.0), a_task("base"), a_task("top", "base", 9.0)], 2)
    assert schedule.waiting == ("base", "top", "long", "short")
    assert schedule.begin() == ("base", "long")
    assert schedule.begin() == ()
    schedule.finished("base")
    assert schedule.begin() == ("top",)
    assert [*schedule.running, "-", *schedule.waiting, "-", *schedule.done] == [
        "long",
        "top",
        "-",
        "short",
        "-",
        "base",
    ]


def test_equal_tasks_go_in_the_order_of_names() -> None:
    names = ["d", "b", "e", "a", "c"]
    for _ in names:
        names = [*names[1:], names[0]]
        assert Schedule(map(a_task, names), 9).begin() == ("a", "b", "c", "d", "e")


def test_a_task_begins_when_the_last_of_its_needs_is_over() -> None:
    schedule = Schedule([a_task("a"), a_task("b"), a_task("c", "a b")], 3)
    assert schedule.begin() == ("a", "b")
    schedule.finished("b")
    assert schedule.begin() == ()
    schedule.finished("a")
    assert schedule.begin() == ("c",)


@pytest.mark.parametrize(
    ("workers", "running", "share"), [(1, 1, 1), (2, 1, 2), (2, 2, 2), (4, 3, 3), (4, 4, 2), (32, 5, 13), (32, 32, 2)]
)
def test_a_make_may_begin_twice_its_share_of_processes(workers: int, running: int, share: int) -> None:
    schedule = Schedule([a_task(str(number)) for number in range(running)], workers)
    assert len(schedule.begin()) == running
    assert schedule.share() == share


def test_no_tasks_are_done_at_once() -> None:
    schedule = Schedule([], 4, 100)
    assert (schedule.begin(), schedule.waiting, schedule.running, schedule.done) == ((), (), (), ())
    assert schedule.remaining() == Left(0.0, 0)
    assert schedule.critical_path() == (Left(0.0, 0), ())


def test_a_cycle_and_a_need_outside_the_run_are_mistakes_of_the_caller() -> None:
    with pytest.raises(CycleError):
        Schedule([a_task("a", "b"), a_task("b", "a")], 1)
    with pytest.raises(KeyError):
        Schedule([a_task("a", "elsewhere")], 1)


def test_a_failure_takes_all_that_needs_it_with_it_once() -> None:
    tasks = [
        a_task("a"),
        a_task("b", "a"),
        a_task("c", "a", 5.0),
        a_task("d", "b c x", 2.0),
        a_task("x"),
        a_task("y", "x"),
    ]
    schedule = Schedule(tasks, 2)
    assert schedule.begin() == ("a", "x")
    assert schedule.failed("a") == ("c", "b", "d")
    assert schedule.failed("x") == ("y",)
    assert schedule.begin() == ()
    assert schedule.waiting == schedule.running == ()
    assert sorted(schedule.done) == ["a", "b", "c", "d", "x", "y"]


def test_a_failure_before_the_beginning_counts_as_well() -> None:
    schedule = Schedule([a_task("a"), a_task("b", "a"), a_task("z")], 1)
    assert schedule.failed("a") == ("b",)
    assert schedule.begin() == ("z",)


def test_what_depends_on_something_dropped_goes_on() -> None:
    schedule = Schedule([a_task("a"), a_task("b", "a"), a_task("c", "b"), a_task("d", "b")], 3)
    assert schedule.begin() == ("a",)
    schedule.dropped("b")
    assert schedule.begin() == ("c", "d")
    schedule.dropped("a")
    schedule.finished("d")
    assert schedule.done == ("b", "a", "d")
    assert schedule.running == ("c",)
    assert schedule.begin() == ()


def test_ending_twice_is_a_mistake() -> None:
    schedule = Schedule([a_task("a")], 1)
    schedule.begin()
    schedule.finished("a")
    with pytest.raises(AssertionError, match="a ended twice"):
        schedule.failed("a")


def test_the_critical_path_is_the_longest_of_what_is_left() -> None:
    tasks = [a_task("a", seconds=2.0), a_task("b", "a", 3.0), a_task("c", "a", 3.0), a_task("d", "c", 0.0)]
    schedule = Schedule([*tasks, a_task("e", seconds=4.0)], 2)
    assert schedule.critical_path() == (Left(5.0, 0), ("a", "b"))
    schedule.begin()
    schedule.finished("a")
    assert schedule.critical_path() == (Left(4.0, 0), ("e",))
    assert schedule.failed("c") == ("d",)
    assert schedule.failed("e") == ()
    assert schedule.critical_path() == (Left(3.0, 0), ("b",))


def test_what_remains_is_the_longest_way_or_the_work_over_the_workers() -> None:
    tasks = [a_task("a", seconds=10.0), a_task("b", "a", 2.0), a_task("c", seconds=6.0), a_task("d", "b", 20.0)]
    schedule = Schedule(tasks, 2)
    assert schedule.remaining() == Left(32.0, 0)
    assert Schedule(tasks, 1).remaining() == Left(38.0, 0)
    assert schedule.begin() == ("a", "c")
    schedule.failed("a")
    assert schedule.remaining() == Left(0.0, 0)


def test_nothing_is_told_of_times_that_nobody_knows() -> None:
    """68 packages that were never built were said to take a second each."""
    schedule = Schedule([Task("a"), Task("b", frozenset("a")), Task("c", seconds=9.0)], 1)
    assert schedule.remaining() == Left(9.0, 2)
    assert schedule.critical_path() == (Left(0.0, 2), ("a", "b")), "the order takes them as usual ones"
    assert Schedule([Task("a")], 1).remaining().known is None


def test_expected_peaks_add_up_to_the_room_at_most() -> None:
    tasks = [a_task("a", seconds=4.0, memory=60), a_task("b", seconds=3.0, memory=50), a_task("c", memory=40)]
    schedule = Schedule([*tasks, a_task("unknown", seconds=0.5)], 3, 100)
    assert schedule.begin() == ("a", "c", "unknown")
    schedule.finished("c")
    assert schedule.begin() == ()
    schedule.finished("a")
    assert schedule.begin() == ("b",)
    assert Schedule(tasks, 3).begin() == ("a", "b", "c")


def test_what_is_larger_than_the_room_runs_alone() -> None:
    schedule = Schedule([a_task("huge", seconds=9.0, memory=500), a_task("small", memory=1), a_task("unknown")], 3, 100)
    assert schedule.begin() == ("huge",)
    schedule.finished("huge")
    assert schedule.begin() == ("small", "unknown")


def test_room_is_reserved_for_a_large_one_when_as_many_went_past_as_there_are_workers() -> None:
    small = [a_task(f"s{at}", memory=30) for at in range(5)]
    tiny = [a_task(f"t{at}", seconds=0.5, memory=10) for at in range(4)]
    schedule = Schedule([a_task("go", seconds=99.0), a_task("big", "go", 50.0, 90), *small, *tiny], 2, 100)
    assert schedule.begin() == ("go", "s0")
    schedule.finished("go")
    assert schedule.begin() == ("s1",), "the first past big"
    schedule.finished("s0")
    assert schedule.begin() == ("s2",), "the second"
    schedule.finished("s1")
    for name in ("t0", "t1", "t2"):
        assert schedule.begin() == (name,), "from now on only what fits beside it"
        if name != "t2":
            schedule.finished(name)
    schedule.finished("s2")
    assert schedule.begin() == ("big",)
    schedule.finished("t2")
    assert schedule.begin() == ("t3",)
    schedule.finished("big")
    assert schedule.begin() == ("s3",)


def test_what_fits_beside_a_reservation_has_to_fit_now_as_well() -> None:
    small = [a_task("s0", seconds=3.0, memory=60), *(a_task(f"s{at}", seconds=2.0, memory=40) for at in (1, 2))]
    schedule = Schedule(
        [a_task("go", seconds=9.0), a_task("big", "go", 5.0, 50), *small, a_task("late", memory=45)], 2, 100
    )
    assert schedule.begin() == ("go", "s0")
    schedule.finished("go")
    for name in ("s1", "s2"):
        assert schedule.begin() == (name,)
        schedule.finished(name)
    assert schedule.begin() == (), "late fits beside big, but not beside s0"
    schedule.finished("s0")
    assert schedule.begin() == ("big", "late")


def test_a_reservation_holds_against_what_would_be_first_by_now() -> None:
    gate = [a_task("gate", seconds=8.0, memory=30), a_task("keen", "gate", 90.0, memory=40)]
    small = [a_task(f"s{at}", memory=50) for at in range(4)]
    schedule = Schedule([a_task("go", seconds=99.0), a_task("big", "go", 50.0, 80), *gate, *small], 3, 100)
    assert schedule.begin() == ("go", "gate", "s0")
    schedule.finished("go")
    schedule.finished("s0")
    for name in ("s1", "s2", "s3"):
        assert schedule.begin() == (name,)
        schedule.finished(name)
    schedule.finished("gate")
    assert schedule.begin() == ("big",)


def test_a_reservation_ends_with_the_task_that_has_it() -> None:
    small = [a_task(f"s{at}", memory=30) for at in range(9)]
    schedule = Schedule([a_task("go", seconds=99.0, memory=30), a_task("big", "go", 50.0, 80), *small], 1 + 1, 100)
    schedule.begin()
    schedule.finished("go")
    for name in ("s0", "s1"):
        assert len(schedule.begin()) == 1
        schedule.finished(name)
    assert schedule.begin() == ()
    schedule.dropped("big")
    assert schedule.begin() == ("s3",)


@st.composite
def tasks(draw: st.DrawFn) -> tuple[Task, ...]:
    """Up to 25 tasks without a cycle, in no order that means anything."""
    size = draw(st.integers(1, 25))
    names = draw(st.permutations([f"p{at}" for at in range(size)]))
    seconds = st.sampled_from([0.0, 1.0, 1.0, 2.0, 7.5, 100.0])
    memory = st.sampled_from([0, 1, 10, 40, 60, 100, 300])
    return tuple(
        Task(
            name,
            frozenset(draw(st.sets(st.sampled_from(names[:at]), max_size=4)) if at else ()),
            draw(seconds),
            draw(memory),
        )
        for at, name in enumerate(names)
    )


@dataclass
class Play:
    """A run without a clock: any of the running ends next, by chance; the laws of a schedule are looked at."""

    tasks: tuple[Task, ...]
    workers: int
    room: int | None
    chance: Random
    failing: frozenset[str] = frozenset()
    known: dict[str, Task] = field(init=False)
    ended: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)

    def run(self) -> None:
        self.known = {task.name: task for task in self.tasks}
        schedule = Schedule(self.tasks, self.workers, self.room)
        for moment in count():
            begun = schedule.begin()
            self.begun += begun
            self.look(schedule, begun)
            if not schedule.running:
                break
            name = self.chance.choice(schedule.running)
            self.ended[name] = moment
            if name not in self.failing:
                schedule.finished(name)
                continue
            for other in schedule.failed(name):
                assert other not in self.skipped
                self.skipped[other] = name
        assert not schedule.waiting, "stuck"
        assert schedule.remaining() == Left(0.0, 0)
        assert sorted([*self.begun, *self.skipped]) == sorted(self.known) == sorted(schedule.done)

    def look(self, schedule: Schedule, begun: tuple[str, ...]) -> None:
        running = schedule.running
        assert len(running) <= self.workers
        assert sorted((*running, *schedule.waiting, *schedule.done)) == sorted(self.known)
        for name in begun:
            assert self.known[name].needs <= self.ended.keys() - self.failing
        if self.room is not None and len(running) > 1:
            assert sum(self.known[name].memory for name in running) <= self.room
        assert running or not schedule.waiting, "nothing runs while something waits"


workers = st.integers(1, 5)
rooms = st.one_of(st.none(), st.sampled_from([1, 50, 100, 150]))


@settings(max_examples=60)
@given(tasks(), workers, rooms, st.randoms(use_true_random=False))
def test_all_is_done_once_in_order_within_workers_and_memory(
    tasks: tuple[Task, ...], workers: int, room: int | None, chance: Random
) -> None:
    play = Play(tasks, workers, room, chance)
    play.run()
    assert len(play.begun) == len(tasks)


@settings(max_examples=60)
@given(tasks(), workers, rooms, st.randoms(use_true_random=False), st.data())
def test_failures_take_exactly_what_needs_them(
    tasks: tuple[Task, ...], workers: int, room: int | None, chance: Random, data: st.DataObject
) -> None:
    failing = data.draw(st.sets(st.sampled_from(sorted(task.name for task in tasks))))
    play = Play(tasks, workers, room, chance, frozenset(failing))
    play.run()
    lost: set[str] = set()
    for task in tasks:
        if task.needs & (lost | failing):
            lost.add(task.name)
    assert play.skipped.keys() == lost
    for name, because in play.skipped.items():
        assert because in play.ended
        assert because in failing
        assert because in closure(name, play.known)


def closure(name: str, known: dict[str, Task]) -> set[str]:
    found = set(known[name].needs)
    return found.union(*(closure(need, known) for need in found))


@settings(max_examples=60)
@given(tasks(), workers, rooms)
def test_the_order_does_not_depend_on_the_order_of_asking(
    tasks: tuple[Task, ...], workers: int, room: int | None
) -> None:
    assert begun(tasks, workers, room) == begun(tasks[::-1], workers, room)


def begun(tasks: tuple[Task, ...], workers: int, room: int | None) -> list[str]:
    play = Play(tasks, workers, room, Random(0))
    play.run()
    return play.begun


@settings(max_examples=60)
@given(tasks(), workers)
def test_a_free_worker_is_never_idle_while_something_could_be_done(tasks: tuple[Task, ...], workers: int) -> None:
    schedule = Schedule(tasks, workers)
    known = {task.name: task for task in tasks}
    while schedule.begin() or schedule.running:
        could = [name for name in schedule.waiting if known[name].needs <= set(schedule.done)]
        assert len(schedule.running) == workers or not could
        schedule.finished(schedule.running[0])


@settings(max_examples=60)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.integers(61, 100), st.integers(2, 5), st.randoms())
def test_small_ones_do_not_starve_a_large_one(small: list[int], large: int, workers: int, chance: Random) -> None:
    """However long small ones keep coming, those that do not fit beside it go past it at most once a worker."""
    crowd = [a_task(f"s{at}", memory=memory) for at, memory in enumerate(small)]
    schedule = Schedule(
        [a_task("go", seconds=99.0, memory=1), a_task("large", "go", 50.0, large), *crowd], workers, 100
    )
    schedule.begin()
    schedule.finished("go")
    past = 0
    while "large" not in (begun := schedule.begin()):
        past += sum(small[int(name[1:])] + large > 100 for name in begun)
        schedule.finished(chance.choice(schedule.running))
    assert past <= workers


def test_ten_thousand_tasks_over_a_thousand_workers() -> None:
    chance = Random(5)
    tasks = [
        Task(
            f"p{at}",
            frozenset(f"p{chance.randrange(at)}" for _ in range(min(at, 5))),
            1.0 + at % 97,
            chance.randrange(90),
        )
        for at in range(10_000)
    ]
    schedule = Schedule(tasks, 1000, 9000)
    while schedule.begin() or schedule.running:
        for name in schedule.running[: 1 + len(schedule.running) // 2]:
            schedule.finished(name)
    assert len(schedule.done) == 10_000
