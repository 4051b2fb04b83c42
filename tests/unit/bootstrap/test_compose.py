"""A base that is made of packages: who gives which path, and what cannot be in one."""

from __future__ import annotations

from tests.unit.builders import a_file, a_link
from xsrc.bootstrap.compose import compose
from xsrc.store.manifest import Entry, Kind

TOOLS = [a_file("usr/bin/busybox"), a_link("usr/bin/ls", "busybox"), a_link("usr/bin/awk", "busybox")]
LS = [a_file("usr/bin/ls", "better"), a_file("etc/ls.conf")]
RANKS = {"busybox": 1, "coreutils": 2, "gawk": 2}


def test_what_comes_later_is_better_and_only_usr_is_taken() -> None:
    taken, bad = compose({"busybox": TOOLS, "coreutils": LS}, RANKS | {"gawk": 0})
    assert taken == {"usr/bin/busybox": "busybox", "usr/bin/awk": "busybox", "usr/bin/ls": "coreutils"}
    assert bad == ()


def test_within_one_rank_it_is_a_conflict() -> None:
    other = [a_file("usr/bin/ls", "other")]
    _, (conflict,) = compose({"coreutils": LS, "gawk": other}, RANKS)
    assert (conflict.path, conflict.owner, conflict.other) == ("usr/bin/ls", "coreutils", "gawk")
    _, none = compose({"coreutils": LS, "gawk": LS}, RANKS)
    assert none == (), "the same is no conflict"


def test_a_directory_here_and_a_file_there_cannot_be() -> None:
    folder = [Entry("usr/bin/ls", Kind.DIR), a_file("usr/bin/ls/x")]
    _, bad = compose({"busybox": folder, "coreutils": LS}, RANKS)
    assert [str(one) for one in bad] == ["/usr/bin/ls: busybox and coreutils: a directory here, none there"]
