"""Mirrors of distfiles by checksum: collected by one command, asked by another when every address fails."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site
from tests.security.kit.tcp import answer, raw
from xsrc.core.errors import ChecksumError, FetchFailed, HostError
from xsrc.core.settings import Limits
from xsrc.sources.disk.fetch import Supply, fetch
from xsrc.sources.disk.mirror import Mirror
from xsrc.sources.distfile import Distfile

DATA = b"what the template means\n" * 5000
SUM = hashlib.sha256(DATA).hexdigest()
GONE = answer(b"", "404 No")
NAME = "hello-1.0.tar.gz"


def brought(top: Path, urls: tuple[str, ...], *mirrors: str, said: list[str] | None = None, commit: str = "") -> Path:
    supply = Supply(top, top, Limits(distfile_mib=1), mirrors=mirrors)
    return fetch(Distfile(urls, SUM, "a.tar", commit=commit), urls, supply, ([] if said is None else said).append)


@pytest.mark.parametrize("first", [GONE, answer(b"evil"), answer(b"<!doctype html>")])
def test_a_mirror_is_asked_when_every_address_fails(tmp_path: Path, first: bytes) -> None:
    with raw(first) as bad, raw(GONE) as empty, raw(answer(DATA)) as mirror:
        assert brought(tmp_path, (bad.at,), f"{empty.at}/m", f"{mirror.at}/m/").read_bytes() == DATA
        for server in (empty, mirror):
            assert server.requests[0].startswith(f"GET /m/sha256/{SUM} HTTP/1.1\r\n".encode())


def test_a_mirror_is_not_asked_before(tmp_path: Path) -> None:
    with raw(answer(DATA)) as good, raw(GONE) as other, raw(answer(DATA)) as mirror:
        brought(tmp_path, (good.at,), mirror.at)
        # what is there is not brought again where the template's new addresses fail
        brought(tmp_path, (other.at,), mirror.at)
        assert mirror.requests == []


def test_a_mirror_has_what_no_address_can_have(tmp_path: Path) -> None:
    """No site of its addresses is known here, or it is an archive of a git repository."""
    with raw(answer(DATA)) as mirror:
        assert brought(tmp_path / "a", (), mirror.at).read_bytes() == DATA
        assert (
            brought(tmp_path / "b", (f"http://127.0.0.1:{9}/r.git",), mirror.at, commit="1" * 40).read_bytes() == DATA
        )


def test_a_mirror_that_fails_is_named(tmp_path: Path) -> None:
    with raw(GONE) as mirror, pytest.raises(FetchFailed, match="none of 2 addresses") as caught:
        brought(tmp_path, ("http://127.0.0.1:9/a",), mirror.at)
    assert f"{mirror.at}/sha256/{SUM}: HTTP 404" in caught.value.detail[1]


def test_a_mirror_is_not_believed(tmp_path: Path) -> None:
    with raw(answer(b"evil")) as mirror, pytest.raises(ChecksumError):
        brought(tmp_path, (), mirror.at)


@pytest.mark.parametrize("kind", ["missing", "folder", "FIFO", "too large", "another"])
def test_a_mirror_of_this_machine(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "my mirror/sha256" / SUM
    file.parent.mkdir(parents=True)
    url = (tmp_path / "my mirror").as_uri()
    match kind:
        case "folder":
            file.mkdir()
        case "FIFO":
            os.mkfifo(file)
        case "too large":
            with file.open("wb") as out:
                out.truncate(2 << 20)
        case "another":
            file.write_bytes(b"evil")
    with pytest.raises((FetchFailed, ChecksumError)) as caught:
        brought(tmp_path / "d", (), url)
    words = {"missing": "No such file", "too large": "more than 1 MiB", "another": "wrong sha256"}
    assert words.get(kind, "no plain file") in "".join(caught.value.detail)
    if kind == "missing":
        file.write_bytes(DATA)
        assert brought(tmp_path / "d", (), url).read_bytes() == DATA


def test_a_mirror_never_has_half_a_file(tmp_path: Path) -> None:
    """A command that was killed leaves a hidden file, which the next one replaces."""
    distfile = Distfile((), SUM, "a.tar")
    (tmp_path / "a").write_bytes(DATA)
    with Mirror.open(tmp_path / "m") as mirror:
        (mirror.path / f".{SUM}.new").write_bytes(DATA[:100])
        assert not mirror.has(distfile)
        with (tmp_path / "a").open("rb") as file:
            mirror.add(distfile, file)
        assert mirror.has(distfile)
        assert len(list(mirror.path.iterdir())) == 1
    assert (tmp_path / "m/sha256" / SUM).read_bytes() == DATA


def test_a_place_that_is_no_mirror_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HostError, match="file/sha256: Not a directory"), Mirror.open(tmp_path / "file"):
        pass


def test_what_one_collects_another_builds_from(site: Site) -> None:
    data, more = pack.packed(pack.hello()), b"more"
    url = site.serve(NAME, data)
    tables = pack.distfile(url, data) + pack.distfile(site.serve("more", more), more, extract=False)
    site.template("hello", pack.template(tables=tables))
    said = site.xsrc("fetch", "--mirror", "mirror", "hello").ok().err
    folder = site.root / "mirror/sha256"
    assert "mirror: 2 distfiles more, 0 were there" in said
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        pack.sha256(data): data,
        pack.sha256(more): more,
    }
    assert all(stat.S_IMODE(file.stat().st_mode) & 0o444 == 0o444 for file in folder.iterdir())
    assert "0 distfiles more, 2 were there" in site.xsrc("fetch", "--mirror", "mirror", "hello").ok().err
    # upstream has gone; one mirror is a folder, another one a web server
    site.server.files.clear()
    site.xsrc("fetch", "-m", "other", "hello").ended(1, "none of 1 addresses gave it")
    site.server.files[f"/m/sha256/{pack.sha256(more)}"] = more
    (folder / pack.sha256(more)).unlink()
    site.settings(f'source_mirrors = ["file://{site.root}/mirror", "{site.server.address}/m"]\n')
    site.build("-m", "other", "--no-stow", "hello")
    site.write(".xsrc.toml", 'source_mirrors = ["http://127.0.0.1:9/"]\n')
    site.xsrc("fetch", "hello").ended(3, "source_mirrors: want it in your own settings")
