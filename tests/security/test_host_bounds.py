"""What git servers, archives, builds and templates can make xsrc itself do outside of a sandbox: it has an end."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import struct
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.pack import Member
from tests.e2e.kit.site import Site
from tests.security.kit.tcp import answer, raw, to
from xsrc.core.command import Command
from xsrc.core.errors import ArchiveError, BuildFailed
from xsrc.core.settings import Limits
from xsrc.sources.disk import archives
from xsrc.sources.disk.distdir import OpenFile
from xsrc.sources.disk.git import archive
from xsrc.sources.disk.web import Bounds, Clock, Unanswered
from xsrc.store.disk import scan
from xsrc.unix.process import bounded, capture, stream

TREE = Path(__file__).resolve().parents[2]
QUICK = Bounds(size=4 << 20, seconds=60, wait=5, pause=0.01)


# ---- git


class Repository:
    """A repository that its files alone serve."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "r.git"
        subprocess.run(["git", "init", "-q", "--bare", self.path], check=True)

    def git(self, *words: str, given: bytes = b"") -> str:
        done = subprocess.run(["git", *words], cwd=self.path, input=given, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def blob(self, data: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", given=data)

    def tree(self, *rows: str) -> str:
        return self.git("mktree", given=os.fsencode("".join(f"{row}\n" for row in rows)))

    def commit(self, tree: str, committer: str = "committer A <a@b> 1600000000 +0000") -> str:
        text = f"tree {tree}\nauthor A <a@b> 1600000000 +0000\n{committer}\n\ncommitter B <b@c> 5 +0000\n"
        made = self.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", given=text.encode())
        self.git("update-ref", "refs/heads/main", made)
        self.git("update-server-info")
        return made


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def address(repository: Repository) -> Iterator[str]:
    handler = functools.partial(_Handler, directory=str(repository.path.parent))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/r.git"
    server.shutdown()
    server.server_close()


def brought(address: str, commit: str, folder: Path, bounds: Bounds = QUICK) -> bytes:
    with (folder / "part").open("w+b") as out:
        try:
            archive(address, commit, out, folder, bounds)
        finally:
            assert sorted(path.name for path in folder.iterdir()) == ["part", "r.git"], "nothing is left"
        out.seek(0)
        return out.read()


def test_a_commit_comes(repository: Repository, address: str, tmp_path: Path) -> None:
    commit = repository.commit(repository.tree(f"100644 blob {repository.blob(b'hello')}\ta"))
    assert b"hello" in brought(address, commit, tmp_path)


def test_an_archive_has_the_same_bytes_everywhere(repository: Repository, address: str, tmp_path: Path) -> None:
    """Checksums of templates stand for them: another Python may not write other bytes."""
    blob, long = repository.blob(b"hello"), "n" * 150
    names = ("a", long, "\u00e9", os.fsdecode(b"\xff"))
    rows = [f"100644 blob {blob}\t{name}" for name in names]
    rows += [f"100755 blob {blob}\tprogram", f"120000 blob {repository.blob(long.encode())}\tlink"]
    tree = repository.tree(*rows, f"160000 commit {'1' * 40}\tmodule")
    made = brought(address, commit := repository.commit(tree), tmp_path)
    with tarfile.open(fileobj=io.BytesIO(made), encoding="utf-8", errors="surrogateescape") as tar:
        found = {member.name.removeprefix(f"{commit}/"): member for member in tar}
    assert set(found) == {*names, "program", "link", "module"}
    assert found["link"].linkname == long and found["module"].isdir() and found["program"].mode == 0o755
    assert {(member.uid, member.uname, member.mtime) for member in found.values()} == {(0, "", 1600000000)}
    assert hashlib.sha256(made).hexdigest() == "77f83c90761374fec44c25c4d67e43c1e606af132237896eec3daa19b3d23d8c"


@pytest.mark.parametrize(
    "committer",
    [
        *("author B <b@c> 1 +0000", "committer A", "committer A <a@b> +0000", "committer A <a@b> x +0000", ""),
        *(f"committer A <a@b> {'9' * 5000} +0000", "committer \x1b[2J <a@b> 1"),
    ],
)
def test_a_commit_without_a_sound_committer_is_no_file(
    repository: Repository, address: str, tmp_path: Path, committer: str
) -> None:
    commit = repository.commit(repository.tree(f"100644 blob {repository.blob(b'hello')}\ta"), committer)
    with pytest.raises(Unanswered, match=r"names no committer with a time|git says: "):
        brought(address, commit, tmp_path)


def test_what_git_brings_is_limited(repository: Repository, address: str, tmp_path: Path) -> None:
    blobs = [repository.blob(os.urandom(1 << 20)) for _ in range(8)]
    commit = repository.commit(repository.tree(*(f"100644 blob {blob}\t{blob}" for blob in blobs)))
    with pytest.raises(Unanswered, match=r"more than 4 MiB \(limits\.distfile_mib\)"):
        brought(address, commit, tmp_path)
    assert (tmp_path / "part").stat().st_size <= QUICK.size


def test_a_blob_of_zeros_is_limited(repository: Repository, address: str, tmp_path: Path) -> None:
    commit = repository.commit(repository.tree(f"100644 blob {repository.blob(bytes(64 << 20))}\ta"))
    with pytest.raises(Unanswered, match=r"more than 4 MiB \(limits\.distfile_mib\)"):
        brought(address, commit, tmp_path)


def test_a_tree_of_trees_is_limited(repository: Repository, address: str, tmp_path: Path) -> None:
    """Ten objects, ten thousand million paths."""
    begun = time.monotonic()
    tree = repository.tree(*(f"100644 blob {repository.blob(b'x')}\t{name}" for name in "abcdefghij"))
    for _ in range(9):
        tree = repository.tree(*(f"040000 tree {tree}\t{name}" for name in "abcdefghij"))
    with pytest.raises(Unanswered, match=r"more than 4 MiB \(limits\.distfile_mib\)"):
        brought(address, repository.commit(tree), tmp_path)
    assert time.monotonic() - begun < 30


def test_the_time_of_git_is_limited(tmp_path: Path) -> None:
    (tmp_path / "r.git").mkdir()

    def talk(line: Any, request: bytes) -> None:
        text = b"001e# service=git-upload-pack\n0000"
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"
        line.sendall(head + text)
        if b"xsrc" not in request:
            time.sleep(20)

    begun = time.monotonic()
    with raw(talk) as server, pytest.raises(Unanswered, match=r"limits\.fetch_seconds"):
        brought(f"{server.at}/r.git", "1" * 40, tmp_path, Bounds(seconds=2, wait=5))
    assert time.monotonic() - begun < 10


def test_git_is_led_where_a_download_is(repository: Repository, address: str, tmp_path: Path) -> None:
    commit = repository.commit(repository.tree(f"100644 blob {repository.blob(b'hello')}\ta"))
    with raw(lambda line, asked: line.sendall(to(f"{address}{asked.split()[1].decode()}"))) as server:
        assert b"hello" in brought(server.at, commit, tmp_path)
        assert len(server.requests) == 1, "git itself asks the last address"
    for target in ("http://224.0.0.1/info/refs", f"{address}/elsewhere", "file:///etc/passwd", "http://a\x1bb:99999/"):
        with raw(to(target)) as server, pytest.raises(Unanswered):
            brought(server.at, commit, tmp_path)


@pytest.mark.parametrize("path", [b"info/refs", b"HEAD", b"objects/"])
def test_git_itself_is_led_nowhere(tmp_path: Path, path: bytes) -> None:
    (tmp_path / "r.git").mkdir()
    refs = answer(b"1" * 40 + b"\trefs/heads/main\n")
    with raw(answer(b"")) as other:

        def talk(line: Any, request: bytes) -> None:
            if path in request.split()[1] and b"User-Agent: xsrc" not in request:
                line.sendall(to(f"{other.at}{request.split()[1].decode()}"))
            elif b"info/refs" in request.split()[1]:
                line.sendall(refs)
            elif b"alternates" in request.split()[1]:
                line.sendall(answer(f"{other.at}/objects\n".encode()))
            else:
                line.sendall(answer(b"ref: refs/heads/main\n" if b"HEAD" in request else b"", "404 Not Found"))

        with raw(talk) as server, pytest.raises(Unanswered):
            brought(f"{server.at}/r.git", "1" * 40, tmp_path)
        assert len(server.requests) > 1 and other.requests == []


def test_git_connects_to_the_address_that_was_checked(repository: Repository, address: str) -> None:
    """The name is not looked up again: git is given the address, and here one where only that can be reached."""
    from xsrc.sources.disk.git import _asked

    named = address.replace("127.0.0.1", "localhost")
    repository.commit(repository.tree(f"100644 blob {repository.blob(b'hello')}\ta"))
    with Clock(QUICK) as clock:
        found, env, settings = _asked(named, clock)
    service = address.split(":")[2].partition("/")[0]
    assert (found, settings) == (named, (f"http.curloptResolve=localhost:{service}:127.0.0.1",))
    keys = {value for name, value in env.items() if name.startswith("GIT_CONFIG_KEY_")}
    assert keys <= {"http.sslCAInfo"}, "the certificates of this machine, and no proxy in the way"
    elsewhere = settings[0].replace("localhost", "no-such-host.invalid")
    url = address.replace("127.0.0.1", "no-such-host.invalid")
    assert "refs/heads/main" in repository.git("-c", elsewhere, "ls-remote", url)


def test_git_gets_a_password_by_no_argument(repository: Repository, address: str, tmp_path: Path) -> None:
    commit = repository.commit(repository.tree(f"100644 blob {repository.blob(b'hello')}\ta"))
    path = address.rpartition(":")[2].partition("/")[0]
    seen: list[bytes] = []

    def talk(line: Any, request: bytes) -> None:
        seen.extend(file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if _git(file))
        line.sendall(to(f"http://127.0.0.1:{path}/r.git/info/refs?service=git-upload-pack"))

    with raw(talk) as server:
        assert b"hello" in brought(server.at.replace("://", "://me:secret@"), commit, tmp_path)
    with raw(b"HTTP/1.1 401 No\r\n\r\n") as server, pytest.raises(Unanswered) as caught:
        brought(server.at.replace("://", "://me:secret@"), commit, tmp_path)
    assert "secret" not in str(caught.value) and not any(b"secret" in line for line in seen)


def _git(file: Path) -> bool:
    try:
        return b"git" in file.read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize(
    "address", ["--upload-pack=touch /tmp/x", "ext::sh -c true", "ssh://h/x", "file:///x", "git:/"]
)
def test_no_other_way_is_asked(address: str, tmp_path: Path) -> None:
    (tmp_path / "r.git").mkdir()
    with pytest.raises(Unanswered):
        brought(address, "1" * 40, tmp_path)


def test_a_reader_that_stops_ends_what_feeds_it() -> None:
    def sink(data: bytes) -> None:
        raise ValueError("enough")

    def feed(out: IO[bytes]) -> None:
        for _ in range(1000):
            out.write(bytes(1 << 16))

    begun = time.monotonic()
    with pytest.raises(ValueError, match="enough"):
        stream(Command(("/bin/cat",)), sink, feed)
    assert time.monotonic() - begun < 20


# ---- words of the user's


@pytest.mark.parametrize(
    "word", ["git:--output=LOST..HEAD", "git:HEAD..--output=LOST", "git:--output=LOST..", "git:-q.."]
)
def test_a_revision_is_no_option(site: Site, word: str) -> None:
    site.script("a")
    who = ("-c", "user.name=P", "-c", "user.email=p@example.org")
    for words in (("init", "-q"), ("add", "templates"), ("commit", "-qm", "one")):
        site.land.run("git", "-C", site.root, *who, *words).ok()
    victim = site.write("victim", "precious")
    site.xsrc("plan", word.replace("LOST", str(victim))).ended(2, "git knows no commit")
    assert victim.read_text() == "precious"


# ---- archives

MEASURE = """
import sys
from xsrc.sources.disk import archives
from xsrc.sources.disk.distdir import OpenFile
from xsrc.core.errors import ArchiveError
from xsrc.core.settings import Limits
def peak():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) >> 10
before = peak()
with open("/dev/null", "wb") as out, open(sys.argv[1], "rb") as file:
    try:
        archives.repack(OpenFile("x", file), out, Limits(), inner=sys.argv[2])
        print("passed")
    except ArchiveError as error:
        print(error.message[-200:])
print(peak() - before)
"""


def grown(path: Path, inner: str = "") -> tuple[str, int]:
    """What became of an archive, and MiB that its reader took for it."""
    words = (sys.executable, "-c", MEASURE, path, inner)
    done = subprocess.run(words, cwd=TREE, env={"PYTHONPATH": str(TREE)}, capture_output=True, text=True, check=True)
    said, size = done.stdout.splitlines()[-2:]
    return said, int(size)


def test_a_zip_with_millions_of_members_is_refused_before_it_is_listed(tmp_path: Path) -> None:
    row = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 0x21, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    count = 2_000_000
    with (tmp_path / "x.zip").open("wb") as file:
        file.write(b"PK\3\4" + bytes(26))
        for _ in range(count // 1000):
            file.write(row * 1000)
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, count * len(row), 30, 0))
    said, size = grown(tmp_path / "x.zip")
    assert "the list of its members has more than 32 MiB" in said and size < 100


def test_names_of_members_are_not_kept(tmp_path: Path) -> None:
    """100,000 names of 2,000 characters would be 200 MB."""
    name = "/".join(["d" * 200] * 10)
    with (tmp_path / "x.tar").open("wb") as file:
        for number in range(100_000):
            file.write(pack.tar([Member(f"x/{number}/{name}", b"")])[: 3 * 512 + 4 * 512])
    said, size = grown(tmp_path / "x.tar")
    assert size < 60, (said, size)
    said, size = grown(tmp_path / "x.tar", "none.tar")
    assert "no archive 'none.tar' in it" in said and size < 60


def test_members_before_an_inner_archive_count(tmp_path: Path) -> None:
    data = pack.tar([Member(f"x/{number}", b"") for number in range(20)])
    (tmp_path / "x.tar").write_bytes(data)
    with (tmp_path / "x.tar").open("rb") as file, pytest.raises(ArchiveError, match=r"limits\.unpacked_members"):
        archives.repack(OpenFile("x.tar", file), io.BytesIO(), Limits(unpacked_members=10), inner="none.tar")


# ---- what a build installs


def test_holes_are_hashed_and_not_read(tmp_path: Path) -> None:
    holes = {
        "begin": [(1 << 30, b"end")],
        "middle": [(0, b"begin"), (1 << 29, b"/pkg-dest"), (1 << 30, b"x")],
        "all": [],
    }
    for name, pieces in holes.items():
        with (tmp_path / name).open("wb") as file:
            for at, data in pieces:
                file.seek(at)
                file.write(data)
            file.truncate((1 << 30) + 4097)
    begun = time.monotonic()
    found = {entry.path: entry.sha256 for entry in scan.scan(tmp_path).manifest.entries}
    took = time.monotonic() - begun
    for name in holes:
        with (tmp_path / name).open("rb") as file:
            assert found[name] == hashlib.file_digest(file, "sha256").hexdigest()
    assert took < 60


def test_a_string_across_data_and_hole_is_found(tmp_path: Path) -> None:
    with (tmp_path / "leak").open("wb") as file:
        file.seek(1 << 22)
        file.write(b"x /pkg-destdir/a-1_1/usr")
        file.truncate(1 << 23)
    with pytest.raises(BuildFailed) as caught:
        scan.scan(tmp_path)
    assert "holds the string /pkg-destdir/" in caught.value.detail[0]


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_plain_files_hash_as_ever(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    (entry,) = scan.scan(tmp_path).manifest.entries
    assert entry.sha256 == hashlib.sha256(data).hexdigest()


def test_a_package_beyond_the_limit_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(bytes(1 << 19))
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 43)
    begun = time.monotonic()
    with pytest.raises(BuildFailed, match=r"with /huge, a file of 8388608 MiB, .*limits\.installed_mib"):
        scan.scan(tmp_path, Limits())
    assert time.monotonic() - begun < 5


def test_many_names_of_one_file_are_read_once(tmp_path: Path) -> None:
    with (tmp_path / "0").open("wb") as file:
        file.truncate(1 << 29)
    for number in range(1, 500):
        os.link(tmp_path / "0", tmp_path / str(number))
    begun = time.monotonic()
    entries = scan.scan(tmp_path, Limits(installed_mib=600)).manifest.entries
    assert time.monotonic() - begun < 30
    assert len(entries) == 500 and len({entry.sha256 for entry in entries}) == 1


def test_the_count_of_paths_is_limited(tmp_path: Path) -> None:
    for number in range(11):
        (tmp_path / str(number)).mkdir()
    scan.scan(tmp_path, Limits(installed_members=11))
    with pytest.raises(BuildFailed, match=r"more than 10 paths \(limits\.installed_members\)"):
        scan.scan(tmp_path, Limits(installed_members=10))


def test_the_limits_of_a_build_are_in_force(site: Site) -> None:
    site.script("s", "mkdir -p $DESTDIR/usr; truncate -s 3G $DESTDIR/usr/hole; ln $DESTDIR/usr/hole $DESTDIR/usr/h2\n")
    site.settings("[limits]\ninstalled_mib = 2000\n")
    env = {"HOME": str(site.root / "home")}
    site.xsrc("build", "s", env=env).ended(1, "with /usr/h2, a file of 3072 MiB", "limits.installed_mib", "hint: ")
    site.settings("[limits]\ninstalled_mib = 4000\n")
    site.xsrc("build", "s", env=env).ok()


# ---- text of templates


def test_a_shell_that_only_reads_has_an_end() -> None:
    begun = time.monotonic()
    assert capture(Command(("/bin/sh", "-c", "while :; do :; done")), "", bounded(1)).code < 0
    assert time.monotonic() - begun < 20
    assert capture(
        Command(("/bin/sh", "-c", "ulimit -v; ulimit -f; ulimit -c")), "", bounded(1, 1 << 30, 0)
    ).out.split() == [
        "1048576",
        "0",
        "0",
    ]


def test_a_script_of_a_template_is_not_endless(site: Site) -> None:
    site.script("big", do_build=": " + "x" * (1 << 20) + "\n")
    site.xsrc("build", "big").ended(3, "phases.do_build: want at most 1024 KiB", "hint: put it into a script in files/")


def test_globs_of_a_template_have_an_end(site: Site) -> None:
    deep = "/".join("a" * 60)
    part = '[subpackages.redos-part]\nshort_desc = "Part"\nfiles = ["?' + "**/a/" * 6 + 'x", "?' + "*a" * 9 + 'b"]\n'
    install = f"mkdir -p $DESTDIR/usr/{deep}; touch $DESTDIR/usr/{deep}/f $DESTDIR/{'a' * 200}\n"
    site.script("redos", install, tables=part)
    begun = time.monotonic()
    site.xsrc("build", "redos").ok()
    assert time.monotonic() - begun < 60
