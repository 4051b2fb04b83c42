"""A change of the farm as text: recovery after a crash reads what was written before anything was touched."""

from __future__ import annotations

from xsrc.model.farm import Act, Change, Class, Op, Placed
from xsrc.model.pkgver import PkgVer

OLD, NEW = PkgVer("dash", "0.5.11", 2), PkgVer("dash", "0.5.12", 1)


def test_change_round_trip() -> None:
    ops = (
        Op(Act.MKDIR, Placed("usr/bin", NEW, Class.DIR, mode=0o1777)),
        Op(
            Act.PUT,
            Placed("usr/bin/dash", NEW, Class.LINK, "../../x y\n", 0o4755),
            Placed("usr/bin/dash", OLD, Class.HARD),
        ),
        Op(Act.KEEP, Placed("etc/é", NEW, Class.COPY, "f" * 64, 0o600)),
        Op(Act.PUT, Placed("usr/bin/sh", NEW, Class.SHIPPED, "dash")),
        Op(Act.REMOVE, Placed("a", OLD, Class.LINK, "b"), Placed("a", OLD, Class.LINK, "b")),
        Op(Act.RMDIR, Placed("b", OLD, Class.DIR), Placed("b", OLD, Class.DIR)),
    )
    change = Change({"dash-0.5.12_1": True, "libedit-3_1": False}, ("dash", "ash"), ops)
    assert Change.parse(change.render()) == change
    assert {op.act for op in ops} == set(Act)
    assert {op.placed.how for op in ops} | {op.before.how for op in ops if op.before} == set(Class)


def test_change_of_nothing() -> None:
    assert Change.parse(Change({}, (), ()).render()) == Change({}, (), ())
