"""The lines that packages have in etc/passwd, etc/group and etc/shells."""

from __future__ import annotations

import pytest

from tests.unit.builders import Disk, a_member
from xsrc.core import numbers as core_numbers
from xsrc.farm import accounts
from xsrc.farm.accounts import merged, numbers
from xsrc.farm.place import Act, Class, FileType, Found, Op, Placed
from xsrc.store.rules import Account


# These numbers are on disks: they must never change.
@pytest.mark.parametrize(("name", "number"), [("_ldap", 23138), ("_www", 26674), ("ntpd", 41240)])
def test_a_number_follows_from_its_name(name: str, number: int) -> None:
    assert numbers([name]) == {name: number}


def test_numbers_are_in_their_range_and_each_once() -> None:
    found = numbers(f"_{n}" for n in range(2000))
    assert len(set(found.values())) == 2000
    assert min(found.values()) >= 10_000 and max(found.values()) < 60_000


def test_of_two_that_want_one_number_the_second_by_name_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "COUNT", 3)
    monkeypatch.setattr(core_numbers, "COUNT", 3)
    want = numbers(["a", "b", "c"])
    assert sorted(want.values()) == [10_000, 10_001, 10_002]
    assert numbers(["c", "a", "b", "a"]) == want
    assert numbers(["a"])["a"] == want["a"], "the first never gives way"


def test_the_lines_of_an_account() -> None:
    member = a_member(
        "a-1_1",
        accounts=(
            Account("_www", "/srv/www", "/bin/sh", "The server", ("tape", "_log")),
            Account("_log"),
        ),
        shells=("/usr/bin/zsh", "/usr/bin/bash"),
    )
    n = numbers(["_www", "_log", "tape"])
    assert merged([member]) == {
        "etc/group": f"_log:x:{n['_log']}:_www\n_www:x:{n['_www']}:\ntape:x:{n['tape']}:_www",
        "etc/passwd": f"_log:x:{n['_log']}:{n['_log']}:_log:/var/empty:/usr/sbin/nologin\n"
        f"_www:x:{n['_www']}:{n['_www']}:The server:/srv/www:/bin/sh",
        "etc/shells": "/usr/bin/bash\n/usr/bin/zsh",
    }


def test_files_without_lines_are_left_out() -> None:
    assert merged([]) == {}
    assert merged([a_member("a-1_1", "usr/bin/a")]) == {}
    assert merged([a_member("a-1_1", shells=("/x",)), a_member("b-1_1", shells=("/x",))]) == {"etc/shells": "/x"}


def test_one_account_of_two_packages_has_one_line() -> None:
    both = [a_member(f"{name}-1_1", accounts=(Account("_log"),)) for name in "ab"]
    assert merged(both) == merged(both[:1])


# Once the last of them had its way, so that a third package's coming or going could change the lines.
def test_an_account_that_two_packages_have_differently() -> None:
    one = a_member("a-1_1", accounts=(Account("_log", shell="/bin/a", groups=("g",)),))
    two = a_member("b-1_1", accounts=(Account("_log", shell="/bin/b", groups=("h",)),))
    found = merged([one, two])
    assert found == merged([two, one])
    assert found["etc/passwd"].endswith("/bin/a"), "the first by name has its way"
    members = {line.split(":")[0]: line.split(":")[3] for line in found["etc/group"].splitlines()}
    assert members == {"_log": "", "g": "_log", "h": "_log"}


# ---- on disk

USER = "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000:me:/home/me:/bin/sh\n"


def with_passwd(text: str = USER) -> Disk:
    disk = Disk.fresh()
    disk.nodes["etc/passwd"] = Found(FileType.FILE, text)
    return disk


WWW = a_member("www-1_1", "usr/bin/www", accounts=(Account("_www"),), shells=("/usr/bin/www",))
LOG = a_member("log-1_1", "usr/bin/log", accounts=(Account("_log", groups=("_www",)),))


def lines(disk: Disk, name: str = "passwd") -> list[str]:
    found = disk.nodes.get(f"etc/{name}")
    return [line.split(":")[0] for line in found.text.splitlines()] if found else []


def test_in_and_out_again() -> None:
    disk = with_passwd()
    plan = disk.stow(WWW)
    text = merged([WWW])["etc/passwd"]
    was, now = (Placed("etc/passwd", "accounts", Class.MERGED, t) for t in ("", text))
    assert Op(Act.MERGE, now, was) in plan.ops
    assert (lines(disk), lines(disk, "group"), lines(disk, "shells")) == (
        ["root", "me", "_www"],
        ["_www"],
        ["/usr/bin/www"],
    )
    disk.unstow("www")
    assert disk.nodes == with_passwd().nodes


def test_a_second_package_changes_the_group_of_the_first() -> None:
    disk = with_passwd()
    disk.stow(WWW)
    alone = dict(disk.nodes)
    disk.stow(LOG)
    assert lines(disk, "group") == ["_log", "_www"]
    assert disk.nodes["etc/group"].text.splitlines()[1].endswith(":_log"), "_log belongs to the group of the other"
    disk.unstow("log")
    assert disk.nodes == alone


def test_lines_of_a_user_stay_where_they_are() -> None:
    disk = with_passwd()
    disk.stow(WWW)
    disk.nodes["etc/passwd"] = Found(
        FileType.FILE, disk.nodes["etc/passwd"].text + "you:x:1001:1001::/home/you:/bin/sh\n"
    )
    disk.stow(LOG)
    assert sorted(lines(disk)) == ["_log", "_www", "me", "root", "you"]
    disk.unstow("www", "log")
    assert lines(disk) == ["root", "me", "you"]


def test_a_line_that_its_user_changed_stays_his() -> None:
    disk = with_passwd()
    disk.stow(WWW)
    mine = disk.nodes["etc/passwd"].text.replace("/usr/sbin/nologin", "/bin/sh")
    disk.nodes["etc/passwd"] = Found(FileType.FILE, mine)
    disk.stow(LOG)
    assert lines(disk) == ["root", "me", "_www", "_log"]
    disk.unstow("log")
    assert disk.nodes["etc/passwd"].text == mine
    disk.unstow("www")
    assert disk.nodes["etc/passwd"].text == mine, "what is not ours is not taken away"


def test_a_name_that_is_taken_keeps_its_line() -> None:
    taken = USER + "_www:x:5:5:mine:/:/bin/sh\n"
    disk = with_passwd(taken)
    disk.stow(WWW)
    assert disk.nodes["etc/passwd"].text == taken
    disk.unstow("www")
    assert disk.nodes["etc/passwd"].text == taken


def test_lost_lines_are_put_back_by_a_repair_only() -> None:
    disk = with_passwd()
    disk.stow(WWW)
    good = disk.nodes["etc/passwd"]
    disk.nodes["etc/passwd"] = Found(FileType.FILE, USER)
    assert disk.stow(a_member("x-1_1", "usr/bin/x")).ops[-1].act is Act.PUT, "somebody else's stow leaves them"
    assert disk.nodes["etc/passwd"].text == USER
    disk.do(disk.restow("www"))
    assert disk.nodes["etc/passwd"] == good
    assert disk.restow("www").ops == ()
