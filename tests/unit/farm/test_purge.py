"""The plan that removes what packages left behind."""

from __future__ import annotations

from xsrc.farm.place import Act, Conf, FileType, Found
from xsrc.farm.purge import left_behind, plan_purge, watched_by_purge

PATH = "etc/a/a.conf"
SHA = "0" * 64
DISK = {
    "etc": Found(FileType.DIR, mode=0o755),
    "etc/a": Found(FileType.DIR, mode=0o750),
    PATH: Found(FileType.FILE, SHA, mode=0o600),
    f"{PATH}.new": Found(FileType.LINK, "b.conf"),
}


def test_what_was_left_behind() -> None:
    conf = {PATH: Conf("", owner="a"), "etc/b": Conf("", owner="a"), "etc/c": Conf(""), "etc/d": Conf("", owner="d")}
    assert left_behind(conf, {"etc/b"}) == {"a": [PATH], "d": ["etc/d"]}


def test_a_plan() -> None:
    plan = plan_purge({PATH: "a"}, {"etc"}, DISK)
    assert [(op.act, op.placed.path) for op in plan.ops] == [
        (Act.REMOVE, PATH),
        (Act.REMOVE, f"{PATH}.new"),
        (Act.RMDIR, "etc/a"),
    ]
    assert plan.ops[0].placed.mode == 0o600
    assert plan.ops[2].placed.mode == 0o750
    assert plan.copies == {PATH: SHA}
    assert plan.conf == {PATH: None}
    assert plan.conflicts == ()
    assert watched_by_purge([PATH]) == frozenset(DISK)


def test_what_is_gone_is_forgotten() -> None:
    plan = plan_purge({PATH: "a"}, {"etc"}, {"etc": DISK["etc"]})
    assert (plan.ops, plan.conf) == ((), {PATH: None})


def test_what_somebody_has_stays() -> None:
    plan = plan_purge({PATH: "a"}, {"etc", "etc/a", f"{PATH}.new"}, DISK)
    assert [op.placed.path for op in plan.ops] == [PATH]


def test_what_could_not_be_put_back() -> None:
    for found, why in [
        (Found(FileType.FILE, "unreadable"), "cannot be read"),
        (Found(FileType.DIR), "a dir is in its place"),
        (Found(FileType.FILE, SHA, mount=True), "something is mounted there"),
    ]:
        plan = plan_purge({PATH: "a"}, {"etc"}, DISK | {PATH: found})
        assert [str(conflict) for conflict in plan.conflicts] == [f"/{PATH}: a: {why}"]
    dark = {"etc": DISK["etc"], "etc/a": Found(FileType.DIR, "cannot be read: Permission denied")}
    plan = plan_purge({PATH: "a"}, {"etc"}, dark)
    assert [str(conflict) for conflict in plan.conflicts] == ["/etc/a: a: cannot be read: Permission denied"]
