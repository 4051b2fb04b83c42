"""What one address sent never spoils what another one sends: parts, pages of HTML, files of another checksum."""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.security.kit.tcp import Raw, answer, raw
from xsrc.core.errors import ChecksumError, FetchFailed
from xsrc.core.settings import Limits
from xsrc.sources.disk.distdir import path_of
from xsrc.sources.disk.fetch import Supply, fetch
from xsrc.sources.distfile import Distfile

DATA = bytes(range(256)) * 1000
OTHER = bytes(reversed(range(256))) * 1000
PAGE = b"<!DOCTYPE html>\n<html><head><title>Please\n log in</title></head>" + b"x" * 58_000
ETAG, MODIFIED = 'ETag: "one"', "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT"


def brought(top: Path, *urls: str, said: list[str] | None = None, data: bytes = DATA) -> Path:
    distfile = Distfile(urls, hashlib.sha256(data).hexdigest(), "a.tar.gz")
    return fetch(distfile, urls, Supply(top, top, Limits()), ([] if said is None else said).append)


def kept(top: Path) -> list[bytes]:
    """Every distfile that is there."""
    return [path.read_bytes() for path in top.rglob("a.tar.gz") if path.is_file()]


def hidden(top: Path, form: str) -> list[Path]:
    return sorted(top.rglob(f".a.tar.gz.{form}"))


def serve(data: bytes, *headers: str, first: int | None = None) -> Callable[[socket.socket, bytes], None]:
    """Send a file as a good server does; of the whole, only the `first` bytes."""

    def talk(line: socket.socket, request: bytes) -> None:
        begin = re.search(rb"\r\nRange: bytes=([0-9]+)-", request)
        condition = re.search(rb"\r\nIf-Range: ([^\r]*)", request)
        asked = int(begin[1]) if begin else 0
        if condition and condition[1].decode() not in "\n".join(headers):
            asked = 0
        if asked >= len(data):
            line.sendall(answer(b"", "416 No", f"Content-Range: bytes */{len(data)}"))
        elif asked:
            place = f"Content-Range: bytes {asked}-{len(data) - 1}/{len(data)}"
            line.sendall(answer(data[asked:], "206 Partial", place, *headers))
        else:
            whole = answer(data, "200 OK", *headers)
            line.sendall(whole if first is None else whole[: len(whole) - len(data) + first])

    return talk


def interrupted(top: Path, server: Raw) -> int:
    """Leave a part of a file; how many bytes it has."""
    with pytest.raises(FetchFailed):
        brought(top, server.at)
    server.requests.clear()
    (part,) = hidden(top, "*.part")
    return part.stat().st_size


def cut(data: bytes, *headers: str) -> Callable[[socket.socket, bytes], None]:
    """Send the beginning of a file, and refuse to continue."""
    begin = serve(data, *headers, first=100_000)

    def talk(line: socket.socket, request: bytes) -> None:
        begin(line, request) if b"\r\nRange:" not in request else line.sendall(answer(b"", "403 No"))

    return talk


# ---- parts


def test_a_broken_page_of_a_gateway_does_not_spoil_the_next_mirror(tmp_path: Path) -> None:
    """https://github.com/spack/spack/issues/5482, https://github.com/void-linux/xbps/issues/212"""
    half = answer(PAGE + bytes(5000))[:-5000]
    with raw(half) as bad, raw(serve(DATA)) as good:
        assert brought(tmp_path, bad.at, good.at).read_bytes() == DATA
        assert b"Range" not in good.requests[0]
    assert not hidden(tmp_path, "*.part") and not hidden(tmp_path, "*.validator")


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        ((ETAG, MODIFIED), b'"one"'),
        ((MODIFIED,), b"Thu, 01 Jan 2026 00:00:00 GMT"),
        (('ETag: W/"one"', MODIFIED), b"Thu, 01 Jan 2026 00:00:00 GMT"),
    ],
)
def test_a_part_is_gone_on_with_if_the_file_is_the_same(tmp_path: Path, headers: tuple[str, ...], want: bytes) -> None:
    with raw(cut(DATA, *headers)) as server:
        size = interrupted(tmp_path, server)
        server.talk = serve(DATA, *headers)
        assert brought(tmp_path, server.at).read_bytes() == DATA
        assert f"Range: bytes={size}-".encode() in server.requests[0]
        assert b"If-Range: " + want + b"\r\n" in server.requests[0] and len(server.requests) == 1
    assert not hidden(tmp_path, "*.part") and not hidden(tmp_path, "*.validator")


def test_a_file_that_changed_is_fetched_whole(tmp_path: Path) -> None:
    with raw(cut(OTHER, ETAG)) as server:
        interrupted(tmp_path, server)
        server.talk = serve(DATA, 'ETag: "two"')
        assert brought(tmp_path, server.at).read_bytes() == DATA
        assert len(server.requests) == 1


def test_a_server_that_knows_no_conditions_gives_no_mixture(tmp_path: Path) -> None:
    """It answers with the rest of another file, and says so by its ETag."""
    ranges = serve(DATA, 'ETag: "two"')
    with raw(cut(OTHER, ETAG)) as server:
        interrupted(tmp_path, server)
        server.talk = lambda line, request: ranges(line, request.replace(b"If-Range", b"X"))
        assert brought(tmp_path, server.at).read_bytes() == DATA
        assert [b"\r\nRange" in request for request in server.requests] == [True, False]


def test_a_mixture_of_two_files_is_fetched_again(tmp_path: Path) -> None:
    """Nothing told that the file had changed, but its checksum."""
    with raw(cut(OTHER)) as server:
        interrupted(tmp_path, server)
        server.talk = serve(DATA)
        assert brought(tmp_path, server.at).read_bytes() == DATA
        assert [b"\r\nRange" in request for request in server.requests] == [True, False]


def test_a_part_that_is_whole_is_not_fetched_again(tmp_path: Path) -> None:
    """A command that was killed before it gave the file its name."""
    with raw(cut(DATA)) as server:
        interrupted(tmp_path, server)
        (part,) = hidden(tmp_path, "*.part")
        part.write_bytes(DATA)
        server.talk = serve(DATA)
        assert brought(tmp_path, server.at).read_bytes() == DATA
        assert len(server.requests) == 1


def test_each_address_has_a_part_of_its_own(tmp_path: Path) -> None:
    with raw(cut(OTHER, ETAG)) as one, raw(cut(DATA, ETAG)) as two:
        with pytest.raises(FetchFailed):
            brought(tmp_path, one.at, two.at)
        assert len(hidden(tmp_path, "*.part")) == 2
        two.talk = serve(DATA, ETAG)
        assert brought(tmp_path, one.at, two.at).read_bytes() == DATA
        assert b"\r\nRange" in two.requests[-1]
    assert kept(tmp_path) == [DATA] and not hidden(tmp_path, "*.part")


# ---- pages


def test_a_page_in_place_of_a_file_is_called_that(tmp_path: Path) -> None:
    """https://github.com/spack/spack/issues/5482"""
    said: list[str] = []
    with raw(answer(PAGE)) as bad, raw(answer(DATA)) as good:
        assert brought(tmp_path, bad.at, good.at, said=said).read_bytes() == DATA
        assert said == [f'{bad.at}: it sent a page of HTML with the title "Please log in" in place of the file']
        with pytest.raises(FetchFailed) as caught:
            brought(tmp_path, bad.at, data=OTHER)
    assert "a page of HTML" in caught.value.detail[0]
    assert kept(tmp_path) == [DATA] and not hidden(tmp_path, "*.part")


def test_a_page_may_be_what_is_wanted(tmp_path: Path) -> None:
    with raw(answer(PAGE)) as server:
        assert brought(tmp_path, server.at, data=PAGE).read_bytes() == PAGE


# ---- other checksums


def test_the_error_of_a_wrong_checksum_shows_the_file(tmp_path: Path) -> None:
    with raw(answer(OTHER)) as server, pytest.raises(ChecksumError) as caught:
        brought(tmp_path, server.at)
    error, sums = caught.value, [hashlib.sha256(data).hexdigest() for data in (OTHER, DATA)]
    assert f"its sha256 is {sums[0]}, the template says {sums[1]}" in error.message
    assert error.detail[0].strip() == f"it has {len(OTHER)} bytes and looks like data of no known form"
    assert str(path_of(Distfile((), sums[0], "a.tar.gz"), tmp_path)) in error.detail[1]


def test_one_file_of_a_name_is_kept_aside(tmp_path: Path) -> None:
    texts = [b"one", b"two", b"two", b"three"]
    for text in texts:
        with raw(answer(text)) as server, pytest.raises(ChecksumError):
            brought(tmp_path, server.at)
        assert kept(tmp_path) == [text]
    with raw(answer(b"four")) as one, raw(answer(b"five")) as two, pytest.raises(ChecksumError):
        brought(tmp_path, one.at, two.at)
    assert kept(tmp_path) == [b"five"]
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 2


def test_a_file_that_was_kept_aside_is_used_by_a_changed_template(tmp_path: Path) -> None:
    with raw(answer(OTHER)) as server:
        with pytest.raises(ChecksumError):
            brought(tmp_path, server.at)
        path = brought(tmp_path, server.at, data=OTHER)
        assert path.read_bytes() == OTHER and len(server.requests) == 1
        # it belongs to a template now, and a third file does not take its place
        server.talk = serve(b"third")
        with pytest.raises(ChecksumError):
            brought(tmp_path, server.at)
    assert sorted(kept(tmp_path)) == sorted([OTHER, b"third"])


def test_nobody_is_led_to_remove_a_file_by_a_note(tmp_path: Path) -> None:
    """A note that somebody else could have written, or that is no checksum, is not believed."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"x")
    with raw(answer(b"one")) as server:
        with pytest.raises(ChecksumError):
            brought(tmp_path, server.at)
        (note,) = hidden(tmp_path, "other")
        for mode, text in ((0o666, hashlib.sha256(b"one").hexdigest()), (0o600, "../precious")):
            note.unlink(missing_ok=True)
            note.write_text(text)
            note.chmod(mode)
            server.talk = serve(text.encode())
            with pytest.raises(ChecksumError):
                brought(tmp_path, server.at)
    assert precious.exists() and b"one" in kept(tmp_path)


# ---- names


def test_a_name_from_a_query_is_hinted_at(tmp_path: Path) -> None:
    said: list[str] = []
    with raw(answer(DATA)) as server:
        url = f"{server.at}/get.php?file=a-1.tar.gz"
        distfile = Distfile((url,), hashlib.sha256(DATA).hexdigest(), "get.php")
        fetch(distfile, (url,), Supply(tmp_path, tmp_path, Limits()), said.append)
        assert brought(tmp_path, url, said=said)
    assert len(said) == 1 and "get.php" in said[0] and "name = " in said[0]
