"""A folder of distfiles that others may write to: links, swapped files, a team, a folder that is read-only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.security.kit.people import Person, as_person, as_root, group_of
from tests.security.kit.stage import people
from tests.security.kit.tcp import answer, raw
from xsrc.core.errors import ChecksumError, HostError, XsrcError
from xsrc.core.settings import Limits
from xsrc.sources.disk.distdir import Place, path_of, verified
from xsrc.sources.disk.fetch import Supply, fetch
from xsrc.sources.distfile import Distfile

DATA = b"what the template means\n" * 5000
SUM = hashlib.sha256(DATA).hexdigest()
LIMITS = Limits(distfile_mib=1)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Person, Person]]:
    """P and E, who share a group."""
    if not as_root():
        pytest.skip("needs root: two users")
    with people() as (p, e):
        assert e is not None
        yield p, e


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder that other users can reach, as those of pytest need not be."""
    with tempfile.TemporaryDirectory(prefix="xsrc-distfiles-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A private folder of whoever runs the test."""
    (tmp_path / "private").mkdir(mode=0o700)
    return tmp_path / "private"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "distfiles").mkdir()
    return tmp_path / "distfiles"


def wanted(*urls: str) -> Distfile:
    return Distfile(urls, SUM, "file.tar")


def brought(top: Path, private: Path, *urls: str, said: list[str] | None = None) -> Path:
    return fetch(wanted(*urls), urls, Supply(top, private, LIMITS), (said if said is not None else []).append)


def read(top: Path, private: Path) -> bytes:
    with verified(wanted(), top, private, LIMITS) as file:
        return file.file.read()


def place(top: Path) -> Path:
    """The folder of the distfile, made by hand."""
    folder = path_of(wanted(), top).parent
    folder.mkdir(exist_ok=True)
    return folder


# ---- links


def test_no_planted_link_is_followed(top: Path, mine: Path, tmp_path: Path) -> None:
    victims = {
        name: tmp_path / f"victim-{number}"
        for number, name in enumerate(
            (".file.tar.part", ".file.tar.named", ".file.tar.0123456789abcdef.part", ".file.tar.ffffffffffffffff.note")
        )
    }
    for name, victim in victims.items():
        victim.write_text("precious")
        (place(top) / name).symlink_to(victim)
    with raw(answer(DATA)) as server:
        path = brought(top, mine, server.at)
    assert path.read_bytes() == DATA and not path.is_symlink()
    assert all(victim.read_text() == "precious" for victim in victims.values())
    assert not (place(top) / ".file.tar.named").is_symlink()


@pytest.mark.parametrize("kind", ["link to a file", "link to nothing", "FIFO", "folder", "socket"])
def test_a_distfile_is_a_plain_file(top: Path, mine: Path, tmp_path: Path, kind: str) -> None:
    (tmp_path / "victim").write_bytes(DATA)
    path = place(top) / "file.tar"
    match kind:
        case "link to a file":
            path.symlink_to(tmp_path / "victim")
        case "link to nothing":
            path.symlink_to(tmp_path / "nothing")
        case "FIFO":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case _:
            os.mknod(path, stat.S_IFSOCK | 0o600)
    with raw(answer(DATA)) as server:
        for action in (lambda: brought(top, mine, server.at), lambda: read(top, mine)):
            with pytest.raises(HostError, match="want a plain file") as caught:
                action()
            assert str(path) in caught.value.message
    assert (tmp_path / "victim").read_bytes() == DATA and not (tmp_path / "nothing").exists()


def test_the_folder_of_a_distfile_is_no_link(top: Path, mine: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file.tar").write_bytes(DATA)
    path_of(wanted(), top).parent.symlink_to(tmp_path / "elsewhere")
    with raw(answer(DATA)) as server, pytest.raises(HostError, match="found a link"):
        brought(top, mine, server.at)
    with pytest.raises(HostError, match="found a link"):
        read(top, mine)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["file.tar"]


def test_the_folder_itself_may_be_a_link_of_the_user(top: Path, mine: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(top)
    with raw(answer(DATA)) as server:
        brought(tmp_path / "link", mine, server.at)
    assert read(tmp_path / "link", mine) == DATA


# ---- what is verified is what is read


def test_a_file_that_is_swapped_is_not_what_is_read(top: Path, mine: Path) -> None:
    path = place(top) / "file.tar"
    path.write_bytes(DATA)
    with verified(wanted(), top, mine, LIMITS) as file:
        (place(top) / "other").write_bytes(b"evil" * 30_000)
        os.replace(place(top) / "other", path)
        assert file.file.read() == DATA


@pytest.mark.parametrize("case", ["of another user", "writable by the group", "writable by all"])
def test_a_file_that_another_could_write_is_copied_first(
    top: Path, mine: Path, pair: tuple[Person, Person], case: str
) -> None:
    p, e = pair
    path = place(top) / "file.tar"
    path.write_bytes(DATA)
    os.chmod(path, {"of another user": 0o644, "writable by the group": 0o664, "writable by all": 0o666}[case])
    os.chown(path, e.uid if case == "of another user" else p.uid, group_of(e))
    mine.chmod(0o755)
    os.chown(mine, p.uid, p.gid)

    def use() -> bytes:
        with verified(wanted(), top, mine, LIMITS) as file:
            begun.release()
            assert ended.acquire(timeout=20)
            return file.file.read()

    begun, ended = _semaphores()
    got: list[bytes] = []
    using = threading.Thread(target=lambda: got.append(as_person(p, use)))
    using.start()
    assert begun.acquire(timeout=20)
    as_person(e, lambda: _overwrite(path))
    ended.release()
    using.join()
    assert got == [DATA] and path.read_bytes()[:4] == b"evil"
    assert list(mine.iterdir()) == []


def _semaphores() -> tuple[_Semaphore, _Semaphore]:
    return _Semaphore(), _Semaphore()


class _Semaphore:
    """One that a forked process shares."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()

    def release(self) -> None:
        os.write(self.writing, b"x")

    def acquire(self, timeout: float) -> bool:
        import select

        return bool(select.select([self.reading], [], [], timeout)[0]) and os.read(self.reading, 1) == b"x"


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"evil" * 1000)


def test_a_file_of_another_sum_is_refused_and_kept_aside(top: Path, mine: Path) -> None:
    """It is kept where a distfile of its own checksum is, and one of them at a time."""
    for text, action in (
        (b"evil", lambda: read(top, mine)),
        (b"bad", lambda: brought(top, mine, "http://127.0.0.1:9/")),
    ):
        path = place(top) / "file.tar"
        path.write_bytes(text)
        with pytest.raises(ChecksumError, match="the template says") as caught:
            action()
        assert not path.exists()
        aside = path_of(Distfile((), hashlib.sha256(text).hexdigest(), "file.tar"), top)
        assert aside.read_bytes() == text and str(aside) in "".join(caught.value.detail)
        assert [path for path in top.rglob("file.tar") if path.is_file()] == [aside]


def test_a_sparse_file_beyond_the_limit_is_not_hashed(top: Path, mine: Path) -> None:
    path = place(top) / "file.tar"
    with path.open("wb") as file:
        file.truncate(1 << 43)
    for action in (lambda: read(top, mine), lambda: brought(top, mine, "http://127.0.0.1:9/")):
        with pytest.raises(HostError, match=r"limits\.distfile_mib"):
            action()


def test_what_is_wrong_from_new_addresses_takes_nothing_away(top: Path, mine: Path) -> None:
    with raw(answer(DATA)) as good, raw(answer(b"evil")) as bad:
        path = brought(top, mine, good.at)
        with pytest.raises(ChecksumError):
            brought(top, mine, bad.at)
    assert path.read_bytes() == DATA
    assert sorted(file.name for file in place(top).iterdir()) == [
        f".{os.geteuid()}.lock",
        ".file.tar.named",
        ".file.tar.other",
        "file.tar",
    ]


# ---- parts


def cut(server_data: bytes, at: int) -> Callable[..., None]:
    def talk(line: object, request: bytes) -> None:
        first = int(request.partition(b"Range: bytes=")[2].partition(b"-")[0] or 0)
        text = f"HTTP/1.1 {'206 Partial' if first else '200 OK'}\r\nContent-Length: {len(server_data) - first}\r\n"
        text += f"Content-Range: bytes {first}-{len(server_data) - 1}/{len(server_data)}\r\n\r\n"
        line.sendall(text.encode() + server_data[first : max(first, at)])  # type: ignore[attr-defined]

    return talk


def test_a_part_is_private_and_gone_on_with(top: Path, mine: Path) -> None:
    with raw(cut(DATA, 70_000)) as server:
        with pytest.raises(XsrcError):
            brought(top, mine, server.at)
        (part,) = place(top).glob(".file.tar.*.part")
        assert stat.S_IMODE(part.stat().st_mode) == 0o600 and 0 < part.stat().st_size <= 70_000
        server.talk = cut(DATA, len(DATA))
        assert brought(top, mine, server.at).read_bytes() == DATA
        assert b"Range: bytes=" in server.requests[-1]
    assert not part.exists()


def test_a_part_of_another_is_left_alone(top: Path, mine: Path, pair: tuple[Person, Person]) -> None:
    part = place(top) / ".file.tar.0123456789abcdef.part"
    part.write_bytes(b"evil" * 20_000)
    os.chown(part, pair[1].uid, -1)
    (place(top) / ".file.tar.1111111111111111.part").write_bytes(b"loose")
    (place(top) / ".file.tar.1111111111111111.part").chmod(0o666)
    os.link(mine.parent / "victim", place(top) / ".file.tar.2222222222222222.part") if _victim(mine.parent) else None
    with raw(answer(DATA)) as server:
        assert brought(top, mine, server.at).read_bytes() == DATA
        assert b"Range" not in server.requests[0]
    assert part.read_bytes() == b"evil" * 20_000 and (mine.parent / "victim").read_text() == "precious"


def _victim(folder: Path) -> bool:
    (folder / "victim").write_text("precious")
    return True


# ---- a team


@pytest.fixture
def team(tmp_path: Path, pair: tuple[Person, Person]) -> Path:
    """A folder that the group of both may write to."""
    folder = tmp_path / "team"
    folder.mkdir()
    os.chown(folder, 0, group_of(pair[0]))
    folder.chmod(0o2775)
    for person in pair:
        (tmp_path / person.name).mkdir(mode=0o700)
        os.chown(tmp_path / person.name, person.uid, person.gid)
    return folder


@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
@pytest.mark.parametrize("mode", [0o2775, 0o2770])
def test_a_team_shares_a_folder(team: Path, pair: tuple[Person, Person], umask: int, mode: int) -> None:
    team.chmod(mode)
    p, e = pair
    with raw(answer(DATA)) as server:
        for person in (p, e, p):
            private = team.parent / person.name
            as_person(person, lambda: brought(team, private, server.at), lambda: _umask(umask))  # noqa: B023
            assert as_person(person, lambda: read(team, private)) == DATA  # noqa: B023
        assert len(server.requests) == 1
        path = path_of(wanted(), team)
        assert stat.S_IMODE(path.stat().st_mode) == 0o444 & (mode | 0o400)
        folder = path.parent.stat()
        assert stat.S_IMODE(folder.st_mode) == mode and folder.st_gid == group_of(p)
        # another member removes it and brings it again, beside the other's lock
        as_person(e, path.unlink)
        as_person(e, lambda: brought(team, team.parent / e.name, server.at), lambda: _umask(umask))
    assert path.stat().st_uid == e.uid
    assert {file.name for file in path.parent.glob(".*.lock")} == {f".{p.uid}.lock", f".{e.uid}.lock"}


def _umask(mask: int) -> None:
    os.umask(mask)


def test_nobody_else_can_hold_the_lock(team: Path, pair: tuple[Person, Person]) -> None:
    import fcntl

    p, e = pair
    with raw(answer(DATA)) as server:
        as_person(p, lambda: brought(team, team.parent / p.name, server.at))
    lock = path_of(wanted(), team).parent / f".{p.uid}.lock"

    def hold() -> None:
        fcntl.flock(os.open(lock, os.O_RDONLY), fcntl.LOCK_EX)

    with pytest.raises(PermissionError):
        as_person(e, hold)


def test_a_lock_of_another_is_refused_by_name(team: Path, pair: tuple[Person, Person]) -> None:
    p, e = pair
    folder = place(team)
    folder.chmod(0o2775)
    os.chown(folder, e.uid, group_of(e))
    lock = folder / f".{p.uid}.lock"
    as_person(e, lambda: lock.write_text("mine"))
    lock.chmod(0o666)
    with pytest.raises(HostError, match="want a plain file of your own") as caught:
        as_person(p, lambda: brought(team, team.parent / p.name, "http://127.0.0.1:9/"))
    assert str(lock) in caught.value.message


def test_a_folder_that_cannot_be_written(team: Path, pair: tuple[Person, Person]) -> None:
    p = pair[0]
    team.chmod(0o755)
    private = team.parent / p.name
    with pytest.raises(HostError, match="cannot be put or read there: Permission denied") as caught:
        as_person(p, lambda: brought(team, private, "http://127.0.0.1:9/"))
    assert str(team) in caught.value.message and "srcdistdir" in (caught.value.hint or "")
    (place(team) / "file.tar").write_bytes(DATA)
    assert as_person(p, lambda: brought(team, private, "http://127.0.0.1:9/")) == path_of(wanted(), team)
    assert as_person(p, lambda: read(team, private)) == DATA


def test_a_folder_on_a_read_only_mount(team: Path, pair: tuple[Person, Person]) -> None:
    (place(team) / "file.tar").write_bytes(DATA)
    p, private = pair[0], team.parent / pair[0].name
    other = Distfile((), "0" * 64, "other.tar")
    with _read_only(team):
        assert as_person(p, lambda: brought(team, private, "http://127.0.0.1:9/")) == path_of(wanted(), team)
        assert as_person(p, lambda: read(team, private)) == DATA
        with pytest.raises(HostError, match="Read-only file system"):
            as_person(p, lambda: fetch(other, (), Supply(team, private, LIMITS), lambda text: None))


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    for words in (("mount", "--bind", folder, folder), ("mount", "-o", "remount,bind,ro", folder)):
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("this machine allows no bind mounts")
    try:
        yield
    finally:
        subprocess.run(("umount", folder), check=True)


def test_two_commands_of_one_user_fetch_once(top: Path, mine: Path) -> None:
    import time

    def talk(line: object, request: bytes) -> None:
        time.sleep(0.7)
        line.sendall(answer(DATA))  # type: ignore[attr-defined]

    said: list[str] = []
    with raw(talk) as server:
        both = [threading.Thread(target=brought, args=(top, mine, server.at), kwargs={"said": said}) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert len(server.requests) == 1
    assert read(top, mine) == DATA


def test_a_note_of_another_is_no_news(top: Path, mine: Path, tmp_path: Path) -> None:
    """What was noted by somebody else, or is no file, only makes the addresses be asked once more."""
    with raw(answer(DATA)) as server:
        brought(top, mine, server.at)
        note = place(top) / ".file.tar.named"
        note.unlink()
        os.mkfifo(note)
        said: list[str] = []
        brought(top, mine, server.at, said=said)
        assert len(server.requests) == 2 and "other addresses" in said[0]
        assert note.read_text() == f"{server.at}\n"


def test_the_place_says_what_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(HostError, match="want a plain file in a folder"),
        Place.open(wanted(), tmp_path / "file", LIMITS),
    ):
        pass
