"""What a mirror can do to the machine that fetches from it: size, time, where it leads to, what it answers."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site
from tests.security.kit.people import as_root
from tests.security.kit.tcp import Raw, answer, raw, to
from xsrc.sources.disk.ask import DIRECT, Network
from xsrc.sources.disk.http import download
from xsrc.sources.disk.parts import DownloadedPart
from xsrc.sources.disk.web import Bounds, Unanswered

TREE = Path(__file__).resolve().parents[2]
DATA = bytes(range(256)) * 1000
QUICK = Bounds(size=1 << 20, seconds=20, wait=1, piece=1000, pause=0.01)
PATIENT = replace(QUICK, wait=10)
"""For what takes a busy machine longer, such as the handshake of TLS."""


def got(url: str, bounds: Bounds = QUICK, before: bytes = b"", network: Network = DIRECT) -> bytes:
    """What a download leaves in a file, also where it fails."""
    with tempfile.TemporaryFile() as part:
        part.write(before)
        try:
            download(url, DownloadedPart(part), bounds, lambda now, total: None, network)
        except Unanswered as error:
            error.left = _whole(part)  # type: ignore[attr-defined]
            raise
        return _whole(part)


def _whole(part: IO[bytes]) -> bytes:
    part.seek(0)
    return part.read()


def refused(url: str, *words: str, bounds: Bounds = QUICK, network: Network = DIRECT) -> Unanswered:
    with pytest.raises(Unanswered) as caught:
        got(url, bounds, network=network)
    for word in words:
        assert word in str(caught.value)
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)
    return caught.value


def test_a_file_that_comes_as_it_should() -> None:
    with raw(answer(DATA)) as server:
        assert got(server.at) == DATA
        assert b"Accept-Encoding: identity" in server.requests[0]


# ---- size


def test_a_body_without_an_end_ends_at_the_limit() -> None:
    def talk(line: socket.socket, _: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            line.sendall(bytes(65536))

    with raw(talk) as server:
        error = refused(server.at, "more than 1 MiB (limits.distfile_mib)")
        assert error.left == b"" and len(server.requests) == 1  # type: ignore[attr-defined]


def test_chunks_without_an_end_end_at_the_limit() -> None:
    def talk(line: socket.socket, _: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            line.sendall(b"ffff\r\n" + bytes(0xFFFF) + b"\r\n")

    with raw(talk) as server:
        refused(server.at, "more than 1 MiB (limits.distfile_mib)")


def test_a_promised_size_beyond_the_limit_is_not_waited_for() -> None:
    with raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n") as server:
        refused(server.at, "more than 1 MiB")


@pytest.mark.parametrize("how", ["gzip", "x-gzip", "deflate", "br"])
def test_nothing_is_decoded(how: str) -> None:
    """https://github.com/conda/conda-build/issues/1483"""
    packed = gzip.compress(bytes(64 << 20))
    with raw(answer(packed, "200 OK", f"Content-Encoding: {how}")) as server:
        assert got(server.at) == packed


def test_a_part_beyond_the_limit_is_taken_from_there(tmp_path: Path) -> None:
    with raw(lambda line, asked: line.sendall(answer(DATA) if b"Range" not in asked else to("/", "416 No"))) as server:
        assert got(server.at, before=bytes(2 << 20)) == DATA


def test_another_part_than_was_asked_for_is_not_gone_on_with() -> None:
    def talk(line: socket.socket, request: bytes) -> None:
        other = answer(b"other", "206 Partial Content", "Content-Range: bytes 0-4/5")
        line.sendall(other if b"Range: bytes=7-" in request else answer(DATA))

    with raw(talk) as server:
        assert got(server.at, before=b"7 bytes") == DATA


# ---- time


def trickle(begin: bytes, piece: bytes) -> Iterator[Raw]:
    def talk(line: socket.socket, _: bytes) -> None:
        line.sendall(begin)
        while True:
            line.sendall(piece)
            time.sleep(0.1)

    return raw(talk)  # type: ignore[return-value]


SLOW = {
    "status line": (b"", b"H"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nA: ", b"b"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    "size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "trailer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
    "nothing": (b"", b""),
}


@pytest.mark.parametrize("case", SLOW)
def test_who_trickles_is_not_waited_for(case: str) -> None:
    begun = time.monotonic()
    with trickle(*SLOW[case]) as server:  # type: ignore[attr-defined]
        refused(server.at, "too slow" if case != "nothing" else "")
    assert time.monotonic() - begun < 15


def test_the_time_of_an_address_is_limited_in_all() -> None:
    def talk(line: socket.socket, _: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            line.sendall(bytes(2000))
            time.sleep(0.1)

    begun = time.monotonic()
    with raw(talk) as server:
        refused(server.at, "limits.fetch_seconds", bounds=Bounds(seconds=2, wait=1, piece=1000))
    assert time.monotonic() - begun < 6


LATER = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nRetry-After: Thu, 01 Jan 2026 01:00:00 GMT"


@pytest.mark.parametrize("wish", ["Retry-After: 3600", LATER])
def test_a_server_does_not_say_how_long_to_wait(wish: str) -> None:
    """A server that wishes too much has failed at once: the next address may have the file."""
    begun = time.monotonic()
    with raw(answer(b"", "503 Busy", wish)) as server:
        refused(server.at, "HTTP 503: it is busy for 3600 seconds more")
        assert len(server.requests) == 1
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("wish", ["Retry-After: 1", LATER.replace("01:00:00", "00:00:01")])
def test_a_short_wish_of_a_busy_server_is_granted(wish: str) -> None:
    times: list[float] = []

    def talk(line: socket.socket, _: bytes) -> None:
        times.append(time.monotonic())
        line.sendall(answer(DATA) if len(times) > 1 else answer(b"", "429 Too Many Requests", wish))

    with raw(talk) as server:
        assert got(server.at) == DATA
    assert times[1] - times[0] > 0.9


@pytest.mark.parametrize("wish", ["Retry-After: soon", "Retry-After: -5", "Retry-After: Thu, 99 Jan", "Retry-After: "])
def test_an_odd_wish_is_none(wish: str) -> None:
    with raw(answer(b"", "503 Busy", wish)) as server:
        refused(server.at, "HTTP 503")
        assert len(server.requests) == 4


# ---- odd answers

ODD = {
    "escape in Location": to(b"http://a\x1b]0;owned\x07b:99999/"),
    "port of a Location": to("http://127.0.0.1:99999/"),
    "brackets": to("http://[::1/"),
    "no host": to("http:///x"),
    "empty Location": to(""),
    "no Location": b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
    "8-bit Location": to(b"http://\xff\xfe/\xe9"),
    "long host": to("http://" + "a" * 300 + "/"),
    "dots": to("http://..../"),
    "file": to("file:///etc/passwd"),
    "ftp": to("ftp://127.0.0.1/x"),
    "javascript": to("javascript:alert(1)"),
    "no status": b"\x1b[2Jhello\r\n\r\n",
    "HTTP/9": b"HTTP/9.9 abc\r\n\r\n",
    "status of letters": b"HTTP/1.1 2OO OK\r\n\r\n",
    "huge status": b"HTTP/1.1 " + b"9" * 5000 + b" OK\r\n\r\n",
    "long line": b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\xff\xff\r\n",
    "negative chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcde",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "nothing": b"",
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_answer_is_no_answer(case: str) -> None:
    with raw(ODD[case]) as server:
        refused(f"{server.at}/x")


@pytest.mark.parametrize("length", ["²", "-5", "abc", "5, 6", "9" * 30, "0x10"])
def test_a_length_that_is_no_number_is_not_believed(length: str) -> None:
    text = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello".encode("latin-1")
    with raw(text) as server, contextlib.suppress(Unanswered):
        assert got(server.at) == b"hello"


@settings(max_examples=200)
@given(st.lists(st.sampled_from([*ODD.values(), b"HTTP/1.1 ", b"200", b" OK\r\n", b"\r\n", b"A: b", b"\0", b"5\r\n"])))
def test_whatever_comes_is_a_file_or_no_answer(pieces: list[bytes]) -> None:
    with raw(b"".join(pieces)[:5000]) as server, contextlib.suppress(Unanswered):
        got(f"{server.at}/x", Bounds(size=1 << 20, seconds=3, wait=0.5, pause=0))


def test_redirects_end() -> None:
    with raw(to("/again")) as server:
        refused(server.at, "more than 10 redirects")
        assert len(server.requests) == 10


def test_after_an_odd_answer_the_next_address_is_asked(site: Site) -> None:
    data = pack.packed(pack.hello())
    good = site.serve("hello-1.0.tar.gz", data)
    with raw(ODD["escape in Location"]) as one, raw(ODD["no status"]) as two, raw(ODD["HTTP/9"]) as three:
        urls = [f"{server.at}/hello-1.0.tar.gz" for server in (one, two, three)]
        site.template("hello", pack.template(tables=pack.distfile([*urls, good], data)))
        said = site.xsrc("fetch", "hello").ok(*urls).err
    assert "\x1b" not in said and "\\x1b" in said


# ---- where it leads to


def certificate(folder: Path) -> ssl.SSLContext:
    words = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    out = (
        "-keyout",
        folder / "key",
        "-out",
        folder / "cert",
        "-subj",
        "/CN=x",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    )
    subprocess.run([*words, *out], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def test_nobody_is_led_from_https_to_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certificate(tmp_path)
    with raw(answer(DATA)) as plain, raw(answer(DATA), tls=tls) as secure:
        refused(secure.at, "certificate verify failed", bounds=PATIENT)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
        assert got(secure.at) == DATA
        with raw(to(plain.at), tls=tls) as down, raw(to(secure.at)) as up, raw(to(down.at)) as twice:
            refused(down.at, "leads from https to http://")
            refused(twice.at, "leads from https to http://")
            assert got(up.at) == DATA
        assert plain.requests == []


def test_a_password_goes_where_it_belongs_and_is_not_shown() -> None:
    with raw(answer(DATA)) as other, raw(b"") as moved:
        moved.talk = lambda line, asked: line.sendall(to("/b") if b"/a" in asked[:9] else to(f"{other.at}/c"))
        assert got(moved.at.replace("://", "://me:s%65cret@") + "/a") == DATA
        assert all(b"uthorization: Basic bWU6c2VjcmV0" in request for request in moved.requests)
        assert len(moved.requests) == 2 and b"uthorization" not in other.requests[0]
        assert "secret" not in str(refused(f"http://me:secret@127.0.0.1:{free_port()}/"))
        assert "secret" not in str(refused("ftp://me:secret@127.0.0.1/"))
    with raw(to("gopher://me:secret@127.0.0.1/")) as server:
        assert "secret" not in str(refused(server.at))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_a_password_is_not_printed_and_not_noted(site: Site) -> None:
    data = pack.packed(pack.hello())
    url = site.serve("hello-1.0.tar.gz", data).replace("://", "://me:secret@")
    site.template("hello", pack.template(tables=pack.distfile([url.replace("/hello", "/gone"), url], data)))
    assert "secret" not in site.xsrc("fetch", "hello").ok("HTTP 404").err
    top = site.masterdir / "pkg-srcdistdir"
    texts = [
        path.read_bytes() for path in (*top.rglob("*"), *(site.masterdir / "var").rglob("*.log")) if path.is_file()
    ]
    assert len(texts) >= 3 and not any(b"secret" in text for text in texts)


WORLD, NETWORK, LINK, MACHINE = "11.22.33.44", "10.9.8.7", "169.254.169.254", "127.0.0.1"
PLACES = (WORLD, NETWORK, LINK, MACHINE)
INSIDE = """
import json, subprocess, sys
from pathlib import Path
from tests.security.kit.tcp import Raw, answer, to
from tests.security.test_host_fetch import PLACES, got
from xsrc.sources.disk.web import Unanswered

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for place in PLACES[:3]:
    subprocess.run(["ip", "address", "add", f"{place}/32", "dev", "lo"], check=True)
for place in ("fd00::7", "2606:4700::7"):
    subprocess.run(["ip", "address", "add", f"{place}/128", "dev", "lo", "nodad"], check=True)
names = {"world.test": PLACES[0], "network.test": PLACES[1], "link.test": PLACES[2], "evil.test": PLACES[3]}
hosts = Path(sys.argv[1])
lines = [f"{address} {name}" for name, address in names.items()] + [f"{PLACES[3]} both.test", f"{PLACES[0]} both.test"]
lines.append(f"{PLACES[3]} localhost")
hosts.write_text("".join(f"{line}\\n" for line in lines))
subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
ends = {place: Raw(lambda line, _: line.sendall(answer(b"secret")), place) for place in (*PLACES, "::1", "fd00::7")}
asked = {}

def tried(url):
    for end in ends.values():
        end.requests.clear()
    try:
        word = got(url).decode()
    except Unanswered as error:
        word = str(error)
    return [word, sum(len(end.requests) for end in ends.values())]

def led(place, target):
    server = Raw(lambda line, _: line.sendall(to(target)), place)
    try:
        return tried(server.at + "/")
    finally:
        server.close()

said = {"to": {}, "names": {}, "odd": {}}
for first in PLACES:
    for last in PLACES:
        said["to"][f"{first} {last}"] = led(first, ends[last].at + "/")
port = {place: end.at.rpartition(":")[2] for place, end in ends.items()}
for name, address in names.items():
    said["names"][name] = tried(f"http://{name}:{port[address]}/")
    said["odd"][name] = led(PLACES[0], f"http://{name}:{port[address]}/")
machine = port[PLACES[3]]
v6 = ("[::ffff:127.0.0.1]", "[::1]", "[::ffff:7f00:1]", "[fd00::7]")
for host in ("localhost", "127.1", "0x7f000001", "2130706433", "0", *v6):
    at = port["::1"] if host == "[::1]" else port["fd00::7"] if host == "[fd00::7]" else machine
    said["odd"][host] = led(PLACES[0], f"http://{host}:{at}/")
said["odd"]["world v6 to ::1"] = led("2606:4700::7", ends["::1"].at + "/")
said["both"] = {"test": tried(f"http://both.test:{port[PLACES[0]]}/")}
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def led(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[object]]]:
    """What came of each way, in a network of its own with addresses of each kind."""
    if not as_root():
        pytest.skip("needs root: a network namespace with addresses of every kind")
    hosts = tmp_path_factory.mktemp("hosts") / "hosts"
    words = ("unshare", "-nm", "--propagation", "private", sys.executable, "-c", INSIDE, hosts)
    done = subprocess.run(
        words, cwd=TREE, env={**os.environ, "PYTHONPATH": str(TREE)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@pytest.mark.parametrize("last", PLACES)
@pytest.mark.parametrize("first", PLACES)
def test_a_redirect_leads_no_nearer(led: dict[str, dict[str, list[object]]], first: str, last: str) -> None:
    word, requests = led["to"][f"{first} {last}"]
    assert isinstance(word, str)
    if PLACES.index(last) <= PLACES.index(first):
        assert (word, requests) == ("secret", 1)
    else:
        assert requests == 0 and word.startswith(f"it leads to {last}"), word


def test_a_name_leads_no_nearer_than_a_private_network(led: dict[str, dict[str, list[object]]]) -> None:
    names = led["names"]
    assert names["world.test"] == ["secret", 1] and names["network.test"] == ["secret", 1]
    for name, address in (("link.test", LINK), ("evil.test", MACHINE)):
        word, requests = names[name]
        assert requests == 0 and f"{name} is {address}" in str(word) and "write the address itself" in str(word)
    assert led["both"]["test"] == ["secret", 1], "the one of its addresses that may be asked"


def test_no_way_to_write_a_near_address_is_overlooked(led: dict[str, dict[str, list[object]]]) -> None:
    odd = led["odd"]
    assert odd.pop("world.test") == ["secret", 1]
    assert len(odd) == 13
    for case, (word, requests) in odd.items():
        assert requests == 0, case
        assert "it leads to" in str(word), (case, word)
