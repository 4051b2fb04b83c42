"""The ladder of outcomes: which rung lets what pass, and what of a manifest each digest is made of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xsrc.core.outcome import Outcome, Rung, difference, same
from xsrc.store.digest import linked_statically, outcome
from xsrc.store.elf import Elf, Role
from xsrc.store.manifest import Entry, Kind

DIGESTS = st.sampled_from(("", "a" * 32, "b" * 32))
KNOWN = DIGESTS.filter(bool)
OUTCOMES = st.builds(Outcome, KNOWN, DIGESTS, DIGESTS)


@given(OUTCOMES)
def test_what_is_the_same_is_the_same_on_every_rung(one: Outcome) -> None:
    assert all(same(rung, one, one) for rung in Rung)
    assert difference(one, one) == ""


@given(OUTCOMES, OUTCOMES)
def test_only_the_digest_of_the_rung_counts_where_the_result_differs(saw: Outcome, now: Outcome) -> None:
    assume(saw.exact != now.exact)
    assert not same(Rung.EXACT, saw, now)
    for rung in (Rung.INTERFACE, Rung.SONAME):
        before, after = getattr(saw, rung.value), getattr(now, rung.value)
        assert same(rung, saw, now) == (before == after != "")


@given(OUTCOMES, OUTCOMES)
def test_nothing_but_the_exact_result_will_do_for_a_static_dependent(saw: Outcome, now: Outcome) -> None:
    for rung in Rung:
        assert same(rung, saw.exactly, now) == (saw.exact == now.exact)


@given(OUTCOMES)
def test_outcomes_as_text(one: Outcome) -> None:
    assert Outcome.parse(str(one)) == one


@pytest.mark.parametrize("text", ["", "a", "a b", "a b c d"])
def test_texts_of_no_outcome(text: str) -> None:
    with pytest.raises(ValueError, match="unpack"):
        Outcome.parse(text)


def test_differences_in_words() -> None:
    saw = Outcome("1", "2", "3")
    assert difference(saw, Outcome("9", "2", "3")) == "another result"
    assert difference(saw, Outcome("9", "9", "3")) == "another interface"
    assert difference(saw, Outcome("9", "9", "9")) == "other sonames"
    assert difference(saw.exactly, Outcome("9", "9", "9")) == "another result"


# ---- from a manifest to its outcome

LIBZ = Elf("libz.so.1", ("libc.so.6",), role=Role.LIBRARY, exports="e" * 32)
ELVES = {"usr/lib/libz.so.1.3": LIBZ, "usr/bin/minigzip": Elf(role=Role.PROGRAM)}
ENTRIES = {
    entry.path: entry
    for entry in (
        Entry("usr", Kind.DIR),
        Entry("usr/bin/minigzip", Kind.FILE, 0o755, 9, "a" * 64),
        Entry("usr/include/zlib.h", Kind.FILE, 0o644, 9, "b" * 64),
        Entry("usr/lib/libz.a", Kind.FILE, 0o644, 9, "c" * 64),
        Entry("usr/lib/libz.so", Kind.LINK, target="libz.so.1"),
        Entry("usr/lib/libz.so.1", Kind.LINK, target="./../lib/libz.so.1.3"),
        Entry("usr/lib/libz.so.1.3", Kind.FILE, 0o755, 9, "d" * 64),
        Entry("usr/lib/pkgconfig/zlib.pc", Kind.FILE, 0o644, 9, "e" * 64),
        Entry("usr/share/man/man3/zlib.3", Kind.FILE, 0o644, 9, "f" * 64),
        Entry("usr/share/licenses/zlib/LICENSE", Kind.FILE, 0o644, 9, "0" * 64),
    )
}
PROSE = {path for path in ENTRIES if path.startswith(("usr/share/man", "usr/share/licenses"))}


def of(entries: dict[str, Entry] = ENTRIES, elves: dict[str, Elf] = ELVES, **more: Any) -> Outcome:
    given: dict[str, Any] = {"rules": {}, "run_depends": (), "shlib_requires": (), "shlib_provides": (), **more}
    return outcome(entries.values(), elves, **given)


def seen(now: Outcome) -> set[str]:
    """The rungs on which something differs from the package of these tests."""
    return {rung.value for rung in Rung if getattr(of(), rung.value) != getattr(now, rung.value)}


@given(st.permutations(sorted(ENTRIES)), st.permutations(sorted(ELVES)))
def test_order_does_not_matter(paths: list[str], elves: list[str]) -> None:
    assert of({path: ENTRIES[path] for path in paths}, {path: ELVES[path] for path in elves}) == of()


@given(st.sampled_from(sorted(path for path, e in ENTRIES.items() if e.kind is Kind.FILE)))
def test_contents_count_where_a_build_reads_them(path: str) -> None:
    now = of({**ENTRIES, path: ENTRIES[path]._replace(sha256="1" * 64)})
    assert seen(now) == ({"exact"} if path in PROSE or path in ELVES else {"exact", "interface"})


@given(st.sampled_from(sorted(ENTRIES)))
def test_names_of_all_paths_count(path: str) -> None:
    without = {name: entry for name, entry in ENTRIES.items() if name != path}
    now = of(without, {name: elf for name, elf in ELVES.items() if name != path})
    lost = path in ("usr/lib/libz.so", "usr/lib/libz.so.1", "usr/lib/libz.so.1.3")
    assert seen(now) == ({"exact"} if path in PROSE else {"exact", "interface", *(["soname"] if lost else [])})


@given(st.sampled_from(sorted(ENTRIES)))
def test_modes_and_inodes_count_for_the_exact_result(path: str) -> None:
    assert "exact" in seen(of({**ENTRIES, path: ENTRIES[path]._replace(mode=0o4711)}))
    assert seen(of({**ENTRIES, path: ENTRIES[path]._replace(inode=1)})) == {"exact"}


@pytest.mark.parametrize(
    ("elf", "rungs"),
    [
        (replace(LIBZ, exports="f" * 32), {"interface"}),
        (replace(LIBZ, needed=()), {"interface"}),
        (replace(LIBZ, soname="libz.so.2"), {"interface", "soname"}),
        (replace(LIBZ, runpath=("/opt",)), set()),
        (replace(LIBZ, role=Role.OTHER, exports=""), {"interface"}),
    ],
)
def test_what_counts_of_a_library(elf: Elf, rungs: set[str]) -> None:
    assert seen(of(elves={**ELVES, "usr/lib/libz.so.1.3": elf})) == rungs


@pytest.mark.parametrize("name", ["rules", "run_depends", "shlib_requires", "shlib_provides"])
def test_what_the_farm_can_notice_counts(name: str) -> None:
    value = {"shells": ["/bin/zsh"]} if name == "rules" else ("zsh",)
    given: dict[str, Any] = {name: value}
    assert seen(of(**given)) == ({"exact", "interface"} if name == "run_depends" else {"exact"})


def test_another_version_in_the_name_of_its_file_is_no_other_soname() -> None:
    moved = {path: entry for path, entry in ENTRIES.items() if path != "usr/lib/libz.so.1.3"}
    moved["usr/lib/libz.so.1"] = Entry("usr/lib/libz.so.1", Kind.LINK, target="libz.so.1.4")
    moved["usr/lib/libz.so.1.4"] = ENTRIES["usr/lib/libz.so.1.3"]._replace(path="usr/lib/libz.so.1.4")
    elves = {"usr/lib/libz.so.1.4": LIBZ, "usr/bin/minigzip": ELVES["usr/bin/minigzip"]}
    assert seen(of(moved, elves)) == {"exact", "interface"}


def test_without_a_soname_only_the_exact_result_counts() -> None:
    assert of(elves={}).soname == ""
    plugin = {**ELVES, "usr/lib/libz.so.1.3": replace(LIBZ, soname="")}
    assert of(elves=plugin).soname == ""


def test_links_that_lead_nowhere_or_round_in_a_ring() -> None:
    ring = {
        "usr/lib/liba.so": Entry("usr/lib/liba.so", Kind.LINK, target="libb.so"),
        "usr/lib/libb.so": Entry("usr/lib/libb.so", Kind.LINK, target="liba.so"),
        "usr/lib/libc.so": Entry("usr/lib/libc.so", Kind.LINK, target="../../../../../libz.so"),
        "usr/lib/libd.so": Entry("usr/lib/libd.so", Kind.LINK, target="/usr/lib/libz.so.1.3"),
    }
    now = of({**ENTRIES, **ring})
    assert now.soname != of().soname, "libd.so leads to the library"
    assert of({path: ring[path] for path in list(ring)[:3]}).soname == of({}).soname


@given(
    st.sets(st.sampled_from(("usr/lib/liba.a", "usr/lib/liba.so", "usr/lib/libb.a", "usr/include/a.h"))),
    st.booleans(),
)
def test_who_holds_code_of_others(paths: set[str], shared: bool) -> None:
    archives = {path for path in paths if path.endswith(".a")}
    static = linked_statically(sorted(paths), ["liba.so.1"], ["liba.so.1"] if shared else ["libc.so.6"])
    assert not static or archives
    if archives and not shared:
        assert static, "it links against the package, and loads nothing of it"
    if "usr/lib/libb.a" in archives:
        assert static, "there is no other way to link against libb"
