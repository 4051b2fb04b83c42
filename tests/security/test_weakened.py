"""Each test is shown a helper with a hole and must find it: one that passes all the same is defective."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from tests.security.kit import again
from tests.security.kit.box import Stage
from tests.security.kit.people import Person, as_root, make_people, remove_people
from tests.security.kit.stage import NEEDS_ROOT

CAPS, PLAIN, BOTH = ("caps",), ("plain",), ("caps", "plain")

SWAPS = tuple(f"attack swap_{what}" for what in ("root", "destination", "source", "layer"))

HOLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # hole: (tests that must find it, modes in which it is one)
    "SETUID": (("r01_setuid_copy",), BOTH),
    "CAP_CHECK": (("r02_unexpected",), BOTH),
    "ENV": (("r05_environment_is_the_list", "r05_no_environment"), BOTH),
    "CLOSE_RANGE": (("r07_only_three", "attack inherited_descriptors"), BOTH),
    "STDIO_DIRECTORY": (("r07_directory_as", "attack directory_as_stdin"), BOTH),
    "SETSID": (("r08_terminal_is",), BOTH),
    "TERMINAL": (("attack terminal_input",), BOTH),
    "TIOCSTI_ROWS": (("r08_filter_alone",), BOTH),
    "TIOCSTI_64": (("r08_filter_alone",), BOTH),
    "OWNER": (("r11_what_cannot", "r11_root_of_another", "r42_layers_that", "r42_layer_of_another"), BOTH),
    "MODE": (("r11_what_cannot", "r42_layers_that"), BOTH),
    "SLASH": (("r11_what_cannot", "r13_sources_that"), BOTH),
    "FOLLOW": (("r11_what_cannot", "r12_destinations", "r13_sources_that", "r42_layers_that"), BOTH),
    "BENEATH": (("r12_destinations",), BOTH),
    "LSTAT": (("r11_swap_race", "r12_swap_race", "r13_swap_race", "r42_swap_race", *SWAPS[:1], *SWAPS[2:]), CAPS),
    "MAGIC": (("r13_sources_that", "r47_process", "attack host_proc"), BOTH),
    "MAGIC_LAYER": (("attack process_as_layer",), CAPS),
    "PEEL": (("r13_over_mount", "r43_over_mount_in_a_layer", "attack over_mount"), CAPS),
    "NOSUID": (("r14_flags_of", "r14_mounts_below"), BOTH),
    "NODEV": (("r14_flags_of", "r14_mounts_below"), BOTH),
    "READONLY": (("r14_flags_of", "r14_nothing_can"), BOTH),
    "FLAGS_NOT_BELOW": (("r14_mounts_below",), BOTH),
    "PROPAGATION": (("r15_nothing_appears",), CAPS),
    "HOST_PROC": (("r17_proc_is", "r23_no_foreign"), BOTH),
    "HOST_PROC_ROOT": (("attack proc_pid_root",), CAPS),
    "SIZE": (("r19_size_is_limited", "r20_no_text"), BOTH),
    "NETNS": (("r22_no_network", "attack network", "attack abstract_socket"), CAPS),
    "IPCNS": (("r23_namespaces", "r23_shared_memory"), BOTH),
    "CGROUPNS": (("r23_namespaces",), BOTH),
    "KEY_ROWS": (("r24_native", "r24_compat"), BOTH),
    "KEYRING": (("attack keyring",), CAPS),
    "COMPAT_KEY_ROWS": (("r24_compat",), BOTH),
    "COMPAT_ROWS": (("r24_compat",), BOTH),
    "NO_FILTER": (("r24_native", "r24_compat", "r26_capabilities_of_the_payload"), BOTH),
    "NNP": (("r26_capabilities_of_the_payload", "r26_capabilities_of_the_helpers", "r36_no_new_privs"), BOTH),
    "NNP_FORGED": (("r36_hard_link", "attack forged_su_hard_link"), CAPS),
    "KEEP_CAPS": (("r26_capabilities_of_the_helpers",), BOTH),
    "BOUNDING": (("r26_capabilities_of_the_payload",), PLAIN),
    "DUMPABLE": (("r29_from_inside", "r29_from_outside_by_the_caller"), PLAIN),
    "LIFELINE": (("r31_kill_during", "attack survivors"), BOTH),
    "PIDFD": (("r31_end_of_the_caller",), BOTH),
    "PARENT": (("r31_caller_that_ended_before",), BOTH),
    "THREAD_DEATH": (("r32_end",), BOTH),
    "EXIT": (("r33_signals",), BOTH),
    "REAP": (("r34_orphans",), BOTH),
    "SIGNALS": (("r34_signals",), BOTH),
    "EXEC_IN_ROOT": (("r35_root_with_an_x",), BOTH),
    "OVERMOUNT": (("r43_over_mount_in_a_layer", "r48_rename_race_of_a_source", "attack rename_over_mount"), CAPS),
    "LAYER_NAMES": (("r48_rename_race_of_a_covered",), CAPS),
    "FAMILY_ROWS": (("r44_families", "attack vsock"), BOTH),
    "FAMILY_MORE": (("r44_families", "attack vsock"), BOTH),
    "COMPAT_FAMILY_ROWS": (("r44_compat",), BOTH),
    "SOCKETCALL_ROW": (("r44_compat",), BOTH),
    "IO_URING_ROWS": (("r45_calls", "r45_compat"), BOTH),
    "EARLY_EXIT": (("r45_calls", "r45_compat"), BOTH),
    "KEY_FILES": (("r46_keys_are", "attack keys_listed"), BOTH),
    "FUSE": (("r47_fuse_of_the_caller",), CAPS),
    "INODES": (("r49_inodes", "attack inode_flood"), BOTH),
    "PIE": (("r50_position",), BOTH),
    "REPORT_ON_STDERR": (("r51_refusal_of_each",), BOTH),
    "REPORT_KEPT": (("r51_command_has", "attack forged_refusal"), BOTH),
    "NOT_ENTERED": (("r51_build_that_speaks",), BOTH),
    "SETID_ROWS": (("r52_no_way", "r52_compat", "attack setid_in_stowed_root"), BOTH),
    "SETID_CREATE": (("r52_no_way", "r52_compat"), BOTH),
    "SETID_MODE": (("r52_no_way", "r52_compat"), BOTH),
    "COMPAT_SETID_ROWS": (("r52_compat",), BOTH),
    "OPENAT2_ROW": (("r52_no_way", "r52_compat"), BOTH),
    "CORE": (("r53_no_core", "r53_compat"), BOTH),
    "CORE_ROWS": (("r53_no_core", "attack core_handler"), BOTH),
    "LAYER_FLAGS": (("r54_noexec",), BOTH),
}
ALIVE = "r28_files_look"
"""A test that any build must pass which enters a sandbox at all."""

HARMLESS = {"SLOW_START": ("r31_kill_during",), "LEGACY_OVERLAY": ("r42_", "r43_", "r48_", "r54_")}
"""What makes a race wider, or answers as an older kernel does, without being a hole: the same tests must hold."""

SANITIZED = {
    "sanitized 1": tuple(f"r{number:02d}_" for number in range(1, 20) if number not in (4, 9)),
    "sanitized 2": tuple(f"r{number:02d}_" for number in (*range(20, 38), *range(42, 55)) if number not in (21, 50)),
}
"""What the helpers do; R4, R9, R21, R38 to R41 and R50 say nothing of how they were compiled."""
SANITIZED_SKIPS = "plain and not nothing_privileged_before and not first_call and not few_descriptors"
"""Call by call, and with four descriptors, the sanitizers' own start is in the way."""

Recorder = Callable[[str, object], None]
Outcomes = dict[str, again.Outcome]


@pytest.fixture(scope="module")
def runs(stage: Stage) -> Iterator[dict[str, Future[Outcomes]]]:
    """All builds, tried two at a time: each by people of its own, for a test ends all that its P runs."""
    if not as_root():
        pytest.skip(NEEDS_ROOT)
    assert stage.e is not None
    others = make_people(secrets.token_hex(2))
    pairs: SimpleQueue[tuple[Person, ...]] = SimpleQueue()
    for pair in ((stage.p, stage.e), others):
        pairs.put(pair)

    def one(build: str, names: tuple[str, ...], only: str = "") -> Outcomes:
        pair = pairs.get()
        try:
            return again.run(stage, pair, build, names, only, seconds="0.2" if only else "0.5")
        finally:
            pairs.put(pair)

    try:
        with ThreadPoolExecutor(2) as pool:
            begun = {part: pool.submit(one, "asan", names, SANITIZED_SKIPS) for part, names in SANITIZED.items()}
            wanted = {hole: names for hole, (names, _) in HOLES.items()} | HARMLESS
            yield begun | {hole: pool.submit(one, f"weak:{hole}", (*names, ALIVE)) for hole, names in wanted.items()}
            pool.shutdown(cancel_futures=True)
    finally:
        remove_people(*others)


@pytest.mark.parametrize("hole", HOLES)
def test_weakened_build_is_caught(runs: dict[str, Future[Outcomes]], hole: str) -> None:
    names, modes = HOLES[hole]
    found = runs[hole].result()
    alive = {mode: found[f"test_{ALIVE}_the_same[{mode}]"].how for mode in modes}
    assert set(alive.values()) == {"passed"}, f"a build that does nothing is not weak but broken: {alive}"
    missed = []
    for name in names:
        for mode in modes:
            words = (mode, name.removeprefix("attack ")) if name.startswith("attack ") else (mode, f"test_{name}")
            mine = {test: outcome for test, outcome in found.items() if all(word in test for word in words)}
            if not any(outcome.found_it for outcome in mine.values()):
                missed.append(f"test_{name} in mode {mode}: {mine}")
    assert not missed, "the hole was not found by:\n" + "\n".join(missed)


@pytest.mark.parametrize("change", HARMLESS)
def test_harmless_change_is_not_caught(runs: dict[str, Future[Outcomes]], change: str) -> None:
    """The control of the control: a slow start-up by itself; the way in which layers were given before Linux 6.5."""
    found = runs[change].result()
    assert found
    assert {outcome.how for outcome in found.values()} == {"passed"}, found


def test_sanitized_build_meets_the_requirements(runs: dict[str, Future[Outcomes]], record_property: Recorder) -> None:
    """ASan and UBSan; xsrc-chroot must be static and has UBSan alone."""
    found = {test: outcome for part in SANITIZED for test, outcome in runs[part].result().items()}
    failed = {test: outcome.message for test, outcome in found.items() if outcome.how in ("failed", "error")}
    record_property("figure: tests held by the sanitized build", f"{len(found) - len(failed)} of {len(found)}")
    assert not failed
    assert len(found) > 100
