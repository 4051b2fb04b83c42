"""Archives of a cache: what was packed comes out as it was, and what anybody else may have made is refused."""

from __future__ import annotations

import contextlib
import hashlib
import io
import plistlib
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import zstandard

from tests.integration.export.destdir import EPOCH
from tests.integration.repo.test_cache import KEY, built, gift, pushed
from tests.security.kit.tcp import answer, raw
from xsrc.core.errors import ArchiveError, ChecksumError, FetchFailed, HostError
from xsrc.core.pkgver import PkgVer
from xsrc.core.settings import Limits
from xsrc.core.trust import Trust
from xsrc.repo.disk import cache
from xsrc.repo.disk.site import CacheSite
from xsrc.repo.disk.unpack import unpack
from xsrc.repo.sealed import SealedLists
from xsrc.repo.trace import Piece, Trace, place
from xsrc.sources.disk.ask import Network
from xsrc.sources.disk.distdir import OpenFile
from xsrc.sources.disk.web import Bounds
from xsrc.store.disk.scan import scan
from xsrc.store.manifest import FILES, PROPS, Entry, Kind, Manifest, Props, tree_digest
from xsrc.unix.trees import make_folder, remove_tree

SMALL = Limits(unpacked_mib=1)


def unpacked(tmp_path: Path, data: bytes, tree: str, limits: Limits = SMALL) -> tuple[SealedLists, Path]:
    """What an archive unpacks to."""
    folder = tmp_path / "out"
    remove_tree(folder)
    make_folder(folder)
    file = cast("io.BufferedReader", io.BufferedReader(cast("io.RawIOBase", io.BytesIO(data))))
    return unpack(OpenFile("x.tar.zst", file), tree, folder, limits), folder


def packed(tmp_path: Path) -> tuple[bytes, str, Path]:
    """A good archive, the digest of its tree, and the destdir that it is of."""
    destdir = built(tmp_path / "m")
    (tmp_path / "cache/file").mkdir(parents=True)
    piece = cache.put_build(tmp_path / "cache", destdir, cache.lists_of(destdir))
    return (tmp_path / "cache" / piece.path).read_bytes(), piece.tree, destdir


def test_a_destdir_comes_out_as_it_was_scanned(tmp_path: Path) -> None:
    data, tree, destdir = packed(tmp_path)
    lists, folder = unpacked(tmp_path, data, tree)
    assert scan(folder).manifest == lists.manifest
    for entry in lists.manifest.entries:
        old, new = (destdir / entry.path).lstat(), (folder / entry.path).lstat()
        assert new.st_mtime_ns == old.st_mtime_ns, entry.path
        if entry.kind is not Kind.LINK:
            assert new.st_mode & 0o555 == old.st_mode & 0o555
            assert new.st_mode & 0o7777 == entry.mode
    assert (folder / "usr/bin/x").stat().st_ino == (folder / "usr/bin/y").stat().st_ino


Members = list[tuple[tarfile.TarInfo, bytes]]


def members_of(data: bytes) -> Members:
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        files = ((member, tar.extractfile(member) if member.isreg() else None) for member in tar.getmembers())
        return [(member, file.read() if file else b"") for member, file in files]


def archive_of(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return zstandard.ZstdCompressor().compress(out.getvalue())


def named(members: Members, name: str) -> int:
    return next(at for at, (member, _) in enumerate(members) if member.name == f"./{name}")


def retargeted(members: Members) -> None:
    members[named(members, "usr/bin/link")][0].linkname = "/etc/passwd"


def hard_linked_out(members: Members) -> None:
    members[named(members, "usr/bin/y")][0].linkname = "./../../../etc/passwd"


def renamed(to: str) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        members[named(members, "usr/share/x/secret")][0].name = to

    return change


def of_type(kind: bytes) -> Callable[[Members], None]:
    def change(members: Members) -> None:
        members[named(members, "usr/share/x/secret")][0].type = kind

    return change


def another_content(members: Members) -> None:
    at = named(members, "usr/share/x/secret")
    members[at] = (members[at][0], b"t")


def one_more(members: Members) -> None:
    more = tarfile.TarInfo("./usr/share/x/zzz")
    members.append((more, b"x"))


def one_less(members: Members) -> None:
    members.pop()


def swapped(members: Members) -> None:
    members[0], members[1] = members[1], members[0]


def without_lists(members: Members) -> None:
    del members[:2]


def huge(members: Members) -> None:
    at = named(members, "usr/share/x/secret")
    members[at] = (members[at][0], bytes(2 << 20))


CHANGES: dict[str, Callable[[Members], None]] = {
    "another target": retargeted,
    "a hard link out": hard_linked_out,
    "dots": renamed("../../outside"),
    "absolute": renamed("/outside"),
    "a device": of_type(tarfile.CHRTYPE),
    "a FIFO": of_type(tarfile.FIFOTYPE),
    "a folder": of_type(tarfile.DIRTYPE),
    "another content": another_content,
    "one more": one_more,
    "one less": one_less,
    "swapped lists": swapped,
    "no lists": without_lists,
    "a bomb": huge,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_differs_from_its_list_is_refused(tmp_path: Path, change: Callable[[Members], None]) -> None:
    data, tree, _ = packed(tmp_path)
    members = members_of(data)
    assert unpacked(tmp_path, archive_of(members), tree), "as it was, it is fine"
    change(members)
    with pytest.raises(ArchiveError):
        unpacked(tmp_path, archive_of(members), tree)
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("cut", [0, 1, 100, -1, -20])
def test_a_cut_archive_is_refused(tmp_path: Path, cut: int) -> None:
    data, tree, _ = packed(tmp_path)
    with pytest.raises(ArchiveError):
        unpacked(tmp_path, data[:cut], tree)


def hostile(entries: list[Entry]) -> tuple[bytes, str]:
    """An archive that agrees with its list, which no build could have."""
    props = Props(built_props().pkgver, "x86_64", KEY, build={"source-date-epoch": EPOCH})
    said, listed = props.render(), Manifest(tuple(entries)).render()
    members: Members = [(tarfile.TarInfo(f"./{PROPS}"), said), (tarfile.TarInfo(f"./{FILES}"), listed)]
    for entry in Manifest.parse(listed).entries:
        member = tarfile.TarInfo(f"./{entry.path}")
        member.type = {Kind.DIR: tarfile.DIRTYPE, Kind.LINK: tarfile.SYMTYPE, Kind.FILE: tarfile.REGTYPE}[entry.kind]
        member.linkname = entry.target
        members.append((member, b"x" if entry.kind is Kind.FILE else b""))
    return archive_of(members), tree_digest(Props.parse(said), listed)


def built_props() -> Props:
    return Props(PkgVer("x", "1.0", 1), "x86_64", KEY)


X = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    "entries",
    [
        [Entry("a", Kind.LINK, 0o777, target="/tmp"), Entry("a/b", Kind.FILE, 0o644, 1, X)],
        [Entry("a", Kind.LINK, 0o777, target=".."), Entry("a/b", Kind.DIR)],
        [Entry("a", Kind.FILE, 0o644, 1, X), Entry("a/b", Kind.FILE, 0o644, 1, X)],
        [Entry("a/b", Kind.FILE, 0o644, 1, X)],
        [Entry("a", Kind.FILE, 0o644, 1, X), Entry("a", Kind.LINK, 0o777, target="b")],
    ],
    ids=["through a link", "through ..", "below a file", "in no folder", "twice"],
)
def test_a_list_that_no_build_can_have_is_refused(tmp_path: Path, entries: list[Entry]) -> None:
    with pytest.raises(ArchiveError):
        unpacked(tmp_path, *hostile(entries))
    assert not (tmp_path / "b").exists()


def test_the_hostile_archives_are_hostile_for_one_reason(tmp_path: Path) -> None:
    assert unpacked(tmp_path, *hostile([Entry("a", Kind.DIR), Entry("a/b", Kind.FILE, 0o644, 1, X)]))


@pytest.mark.parametrize(
    "more",
    [
        {"build": 5},
        {"build": ["x"]},
        {"build-options": 1},
        {"run_depends": [1]},
        {"run_depends": ["a;b"]},
        {"run_depends": 1},
        {"shlib-requires": [{}]},
        {"source-commit": 1},
        {"source-commit": "\n"},
        {"saw": []},
        {"rules": {"shells": ["../x"]}},
        {"unknown": True},
    ],
)
def test_a_record_that_no_build_writes_is_refused(tmp_path: Path, more: dict[str, object]) -> None:
    data, tree, _ = packed(tmp_path)
    members = members_of(data)
    said = plistlib.dumps({**plistlib.loads(members[0][1]), **more})
    members[0] = (members[0][0], said)
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        tree = tree_digest(Props.parse(said), members[1][1])
    with pytest.raises(ArchiveError):
        unpacked(tmp_path, archive_of(members), tree)


def test_another_tree_is_refused(tmp_path: Path) -> None:
    data, _, _ = packed(tmp_path)
    with pytest.raises(ArchiveError, match="want the tree 00000000000000000000…"):
        unpacked(tmp_path, data, "0" * 64)


def site(address: str, limit: int = 1 << 20) -> CacheSite:
    return CacheSite(address, Network(), Bounds(limit, seconds=10, wait=3, pause=0.01))


PIECE = Piece(built_props().pkgver, "0" * 64, X, 1, 1)


def fetched(address: str, piece: Piece = PIECE) -> bytes:
    with tempfile.TemporaryFile() as file:
        return site(address).bring(piece, file).file.read()


def test_a_server_gives_exactly_the_file_of_the_trace() -> None:
    with raw(answer(b"x")) as server:
        assert fetched(server.at) == b"x"
        assert server.requests[0].startswith(f"GET /file/{X}.tar.zst ".encode())
    with raw(answer(b"y")) as server, pytest.raises(ChecksumError, match="another file"):
        fetched(server.at)
    with raw(answer(b"x" * 100)) as server, pytest.raises(FetchFailed, match="more than 1 bytes"):
        fetched(server.at)
    with raw(answer(b"")) as server, pytest.raises(ChecksumError, match="want 1 bytes, got 0"):
        fetched(server.at)
    with raw(answer(b"", "404 No")) as server, pytest.raises(FetchFailed, match="HTTP 404"):
        fetched(server.at)
    with raw(answer(b"", "404 No")) as server:
        assert site(server.at).trace(KEY) is None
    with raw(answer(b"", "500 No")) as server, pytest.raises(FetchFailed, match="HTTP 500"):
        site(server.at).trace(KEY)
    with raw(answer(b" " * (2 << 20))) as server, pytest.raises(FetchFailed, match="more than 1 MiB"):
        site(server.at).trace(KEY)
    with pytest.raises(FetchFailed, match="refused"):
        site("http://127.0.0.1:9").trace(KEY)
    with pytest.raises(FetchFailed, match="more than 0 MiB"):
        site("http://127.0.0.1:9", limit=1).bring(Piece(PIECE.pkgver, X, X, 2, 2), io.BytesIO())


def test_a_folder_is_believed_only_where_nobody_else_can_write(tmp_path: Path) -> None:
    folder, believed = tmp_path / "cache", Trust.of(tmp_path.stat().st_uid)
    pushed(folder, gift(tmp_path / "m"))
    here = site(folder.as_uri())
    assert Trace.parse(here.own_trace(KEY, believed) or b"").key == KEY
    assert here.own_trace("b" * 64, believed) is None
    assert here.trace(KEY) == here.own_trace(KEY, believed)
    for path in (folder, folder / "trace", folder / place(KEY)):
        mode = path.stat().st_mode
        path.chmod(mode | 0o002)
        with pytest.raises(HostError, match="can be written by everybody"):
            here.own_trace(KEY, believed)
        path.chmod(mode)
    with pytest.raises(FetchFailed, match="no such folder"):
        site((tmp_path / "none").as_uri()).own_trace(KEY, believed)
    with pytest.raises(FetchFailed, match="No such file"):
        site((tmp_path / "none").as_uri()).trace(KEY)
