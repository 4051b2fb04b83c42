"""Whom xsrc believes: properties of the rule."""

from __future__ import annotations

import stat
from pathlib import PurePath

from hypothesis import given
from hypothesis import strategies as st

from xsrc.core.trust import EVERY, Seen, Trust

ME, OTHER = 1000, 1001
BELIEVED = Trust.of(ME)
UIDS = st.sampled_from((0, ME, OTHER))
PERMISSIONS = st.integers(0, 0o7777)
TYPES = st.sampled_from((stat.S_IFDIR, stat.S_IFREG))


@given(UIDS, PERMISSIONS, TYPES, st.booleans(), st.booleans(), st.booleans())
def test_what_another_user_owns_or_may_write_is_never_believed(
    uid: int, mode: int, kind: int, private: bool, acl: bool, way: bool
) -> None:
    writer = BELIEVED.writer(Seen(uid, kind | mode, private, acl), on_the_way=way)
    sticky = way and kind == stat.S_IFDIR and bool(mode & stat.S_ISVTX)
    if uid == OTHER:
        assert writer == "owner"
    elif mode & 0o002 and not sticky:
        assert writer == "others"
    elif mode & 0o020 and (acl or not private) and not sticky:
        assert writer == "group"
    else:
        assert writer is None


@given(UIDS, PERMISSIONS, TYPES, st.booleans(), st.booleans())
def test_a_stricter_mode_is_never_less_believed(uid: int, mode: int, kind: int, private: bool, acl: bool) -> None:
    def believed(mode: int) -> bool:
        return BELIEVED.writer(Seen(uid, kind | mode, private, acl)) is None

    assert believed(mode & ~0o022) or not believed(mode)


def test_root_is_always_believed() -> None:
    assert Trust.of(ME).uids == {0, ME}
    assert Trust.of(0).uids == {0}


def test_who_vouches_for_a_directory_vouches_for_what_is_below_it() -> None:
    trust = Trust.of(ME, safe=("/srv/team",))
    inside = {"/srv/team": True, "/srv/team/a/b": True, "/srv": False, "/srv/team2": False, "/": False}
    assert {path: trust.vouched(PurePath(path)) for path in inside} == inside
    assert Trust.of(ME, safe=(EVERY,)).vouched(PurePath("/anything"))
    assert not Trust.of(ME).vouched(PurePath("/anything"))
