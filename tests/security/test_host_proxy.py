"""Proxies and passwords: what goes through a proxy, and who learns a password."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from urllib3.util import parse_url

from tests.e2e.kit import pack
from tests.e2e.kit.site import Site
from tests.security.kit.tcp import Raw, answer, raw, to
from tests.security.test_host_fetch import DATA, PATIENT, certificate, free_port, got, refused
from xsrc.bootstrap import debian
from xsrc.bootstrap.disk.apt import Apt
from xsrc.core.errors import FetchFailed
from xsrc.core.proxy import Proxies
from xsrc.core.trust import Trust
from xsrc.sources.disk.ask import Network
from xsrc.sources.disk.netrc import logins


def by(proxy: Raw, **more: str) -> Network:
    """A network whose every request goes through a proxy."""
    return Network(Proxies({"all_proxy": proxy.at, **more}))


def relaying(*status: str, tls: ssl.SSLContext | None = None) -> contextlib.AbstractContextManager[Raw]:
    """A proxy that connects to this machine, whatever name it is asked for; with a status, it refuses."""

    def talk(line: socket.socket, request: bytes) -> None:
        if status:
            line.sendall(answer(b"", status[0]))
            return
        number = int(request.split()[1].rpartition(b":")[2])
        with socket.create_connection(("127.0.0.1", number)) as other:
            line.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_pour, args=(other, line), daemon=True)
            back.start()
            _pour(line, other)
            back.join(5)

    return raw(talk, tls=tls)


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


# ---- proxies


def test_a_proxy_is_asked_for_the_whole_address() -> None:
    """https://github.com/voidlinux/void-packages/issues/8083, https://github.com/conda/conda-build/issues/108"""
    with raw(answer(DATA)) as proxy:
        assert got("http://upstream.invalid/r/a.tar.gz?x=1#y", network=by(proxy)) == DATA
        (request,) = proxy.requests
    assert request.startswith(b"GET http://upstream.invalid/r/a.tar.gz?x=1 HTTP/1.1\r\n")
    assert b"\r\nHost: upstream.invalid\r\n" in request


def test_https_passes_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    with raw(answer(DATA), tls=tls) as secure, relaying() as proxy, relaying(tls=tls) as both:
        assert got(f"{secure.at}/a", network=by(proxy)) == DATA
        assert proxy.requests[0].startswith(f"CONNECT {secure.at.partition('://')[2]} HTTP/1.".encode())
        assert secure.requests[0].startswith(b"GET /a HTTP/1.1\r\n")
        assert got(f"{secure.at}/a", network=by(both)) == DATA
        assert len(both.requests) == 1


def test_plain_http_by_a_proxy_of_https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    with raw(answer(DATA), tls=tls) as proxy:
        assert got("http://upstream.invalid/a", network=by(proxy)) == DATA


def test_the_certificate_behind_a_tunnel_is_verified(tmp_path: Path) -> None:
    with raw(answer(DATA), tls=certificate(tmp_path)) as secure, relaying() as proxy:
        refused(secure.at, "certificate verify failed", bounds=PATIENT, network=by(proxy))
        assert secure.requests == []


def test_a_tunnel_that_is_refused() -> None:
    with relaying("403 Forbidden") as proxy:
        refused("https://upstream.invalid/a", "by the proxy http://127.0.0.1", "403", network=by(proxy))


def test_a_proxy_that_nobody_listens_at() -> None:
    network = Network(Proxies({"http_proxy": f"me:secret@127.0.0.1:{free_port()}"}))
    error = refused("http://upstream.invalid/a", "the proxy http://127.0.0.1", "refused", network=network)
    assert "secret" not in str(error)


def test_a_proxy_that_is_none_of_http() -> None:
    network = Network(Proxies({"all_proxy": "socks5h://me:secret@127.0.0.1:1080"}))
    error = refused("http://127.0.0.1:9/", "all_proxy: want an http or https proxy, found socks5h", network=network)
    assert "secret" not in str(error)


def test_no_proxy_is_asked_directly() -> None:
    with raw(answer(DATA)) as server, raw(answer(b"no")) as proxy:
        assert got(server.at, network=by(proxy, no_proxy="127.0.0.0/8")) == DATA
        assert proxy.requests == []


def test_the_password_of_a_proxy_is_for_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    header = b"Proxy-Authorization: Basic bWU6cyNjcmV0\r\n"
    with raw(answer(DATA)) as plain, relaying() as tunnel, raw(answer(DATA), tls=tls) as secure:
        for proxy, url in ((plain, "http://upstream.invalid/a"), (tunnel, secure.at)):
            assert got(url, network=Network(Proxies({"all_proxy": proxy.at.replace("://", "://me:s%23cret@")}))) == DATA
            assert header in proxy.requests[0]
        assert b"uthorization" not in secure.requests[0]
    with raw(answer(b"", "407 No")) as proxy:
        refused("http://upstream.invalid/a", "HTTP 407: the proxy wants a user", network=by(proxy))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "a.localhost", "127.1", "0x7f000001", "2130706433", "[::1]", "169.254.169.254"]
)
def test_a_proxy_is_not_led_to_a_near_address(host: str) -> None:
    with raw(lambda line, _: line.sendall(to(f"http://{host}:1/x"))) as proxy:
        refused("http://upstream.invalid/a", f"it leads to {host.strip('[]')}", network=by(proxy))
        assert len(proxy.requests) == 1


def test_nobody_is_led_past_a_proxy_to_this_machine() -> None:
    """no_proxy makes the last step direct: it is judged as from the world."""
    with raw(answer(b"secret")) as inside, raw(to(inside.at)) as proxy:
        network = by(proxy, no_proxy="127.0.0.1")
        refused("http://upstream.invalid/a", "it leads to 127.0.0.1", network=network)
        assert inside.requests == []


def test_a_server_of_this_machine_may_lead_through_a_proxy() -> None:
    with raw(lambda line, _: line.sendall(to("/b") if len(proxy.requests) == 1 else answer(DATA))) as proxy:
        assert got("http://127.0.0.1:1/a", network=by(proxy)) == DATA


def test_git_goes_through_the_proxy(tmp_path: Path) -> None:
    from xsrc.sources.disk.git import archive
    from xsrc.sources.disk.web import Bounds, Unanswered

    def talk(line: socket.socket, request: bytes) -> None:
        first = len(proxy.requests) == 1
        line.sendall(answer(b"", "200 OK" if first else "418 Teapot"))

    with raw(talk) as proxy, (tmp_path / "out").open("w+b") as out:
        network = Network(Proxies({"http_proxy": proxy.at.replace("://", "://me:secret@")}))
        with pytest.raises(Unanswered, match="418"):
            archive("http://upstream.invalid/r.git", "1" * 40, out, tmp_path, Bounds(seconds=30), network)
        assert all(b"GET http://upstream.invalid/r.git/info/refs" in request for request in proxy.requests)
        assert b"Proxy-Authorization: Basic bWU6c2VjcmV0" in proxy.requests[-1] and len(proxy.requests) > 1


def test_git_believes_the_certificates_that_downloads_believe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from xsrc.sources.disk.git import archive
    from xsrc.sources.disk.web import Bounds, Unanswered

    tls = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))

    def talk(line: socket.socket, request: bytes) -> None:
        line.sendall(answer(b"", "200 OK" if len(server.requests) == 1 else "418 Teapot"))

    with (
        raw(talk, tls=tls) as server,
        (tmp_path / "out").open("w+b") as out,
        pytest.raises(Unanswered, match="418"),
    ):
        archive(f"{server.at}/r.git", "1" * 40, out, tmp_path, Bounds(seconds=30))


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get on this machine")
def test_apt_goes_through_the_proxy_and_its_words_show_no_password(tmp_path: Path) -> None:
    """A base of Debian is fetched with the same variables, whatever apt itself reads."""
    with raw(answer(b"", "404 No")) as proxy:
        apt = Apt(tmp_path / "apt", {"ALL_PROXY": proxy.at.partition("://")[2]})
        text = debian.sources("http://me:secret@upstream.invalid/debian", "stable", "/nonexistent.gpg")
        with pytest.raises(FetchFailed) as caught:
            apt.update(text, debian.configuration(str(apt.folder), "amd64"))
        assert b"upstream.invalid/debian/dists/stable" in proxy.requests[0]
    assert "secret" not in "".join(caught.value.render())


def test_a_build_reads_the_proxy_of_the_environment(site: Site) -> None:
    data = pack.packed(pack.hello())
    site.template("hello", pack.template(tables=pack.distfile("http://upstream.invalid/hello-1.0.tar.gz", data)))
    with raw(answer(data)) as proxy:
        env = {"http_proxy": proxy.at.replace("://", "://me:secret@")}
        said = site.xsrc("fetch", "hello", env={"all_proxy": "socks5://me:secret@127.0.0.1:1"}).ended(
            1, "all_proxy: want"
        )
        assert "secret" not in said.err
        assert "secret" not in site.xsrc("fetch", "hello", env=env).ok().err
        found = site.xsrc("doctor", env=env).out
        assert f"http through {proxy.at}" in found and "secret" not in found
    assert "HTTP_PROXY has no effect" in site.xsrc("doctor", env={"HTTP_PROXY": "x:1"}).out


# ---- passwords


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "home").mkdir(mode=0o700)
    yield tmp_path / "home"


def netrc(home: Path, text: str, said: list[str] | None = None) -> Network:
    (home / ".netrc").write_text(text)
    (home / ".netrc").chmod(0o600)
    return known(home, said)


def known(home: Path, said: list[str] | None = None) -> Network:
    believed = Trust.of(os.geteuid(), safe=[str(home.parent)])
    return Network(login=logins({"HOME": str(home)}, believed, ([] if said is None else said).append))


HEADER = b"Authorization: Basic YmVuOnNlJWNyZXQ=\r\n"


def test_a_password_of_netrc_is_sent(home: Path) -> None:
    """https://github.com/flatpak/flatpak-builder/issues/456"""
    network = netrc(home, "# mine\nmachine 127.0.0.1\n  login ben password se%cret\nmachine other login x password y\n")
    with raw(lambda line, asked: line.sendall(answer(DATA) if HEADER in asked else answer(b"", "401 No"))) as server:
        assert got(server.at, network=network) == DATA
        refused(server.at, "HTTP 401: it wants a user and a password", "~/.netrc")
        # what the address says is used first
        refused(server.at.replace("://", "://ann:x@"), "HTTP 401", network=network)


def test_a_default_of_netrc_is_sent(home: Path) -> None:
    with raw(answer(DATA)) as server:
        got(server.at, network=netrc(home, "default login ben password se%cret\n"))
        assert HEADER in server.requests[0]


def test_a_password_of_netrc_does_not_follow_a_redirect(home: Path) -> None:
    """Neither to another service of that host, nor to a host that has one of its own."""
    network = netrc(home, "machine 127.0.0.1 login ben password se%cret\nmachine localhost login a password b\n")
    with raw(answer(DATA)) as other:
        for location in (other.at, other.at.replace("127.0.0.1", "localhost")):
            with raw(to(location)) as first:
                assert got(first.at, network=network) == DATA
                assert HEADER in first.requests[0]
        assert not any(b"uthorization" in request for request in other.requests)


def test_a_netrc_that_another_could_write_is_not_used(home: Path) -> None:
    said: list[str] = []
    netrc(home, "machine 127.0.0.1 login ben password se%cret\n")
    (home / ".netrc").chmod(0o666)
    network = Network(login=logins({"HOME": str(home)}, Trust.of(os.geteuid()), said.append))
    with raw(answer(DATA)) as server:
        assert got(server.at, network=network) == got(server.at, network=network) == DATA
        assert not any(b"uthorization" in request for request in server.requests)
    assert len(said) == 1 and ".netrc" in said[0] and "can be written by" in said[0]


@pytest.mark.parametrize("text", ["machine 127.0.0.1 login ben password x secret\n", "secret\n", "machine\n"])
def test_an_odd_netrc_is_reported_without_its_text(home: Path, text: str) -> None:
    said: list[str] = []
    with raw(answer(DATA)) as server:
        assert got(server.at, network=netrc(home, text, said)) == DATA
    assert len(said) == 1 and "is not understood" in said[0] and "secret" not in said[0]


def test_without_a_netrc_nothing_is_said(home: Path) -> None:
    said: list[str] = []
    with raw(answer(DATA)) as server:
        assert got(server.at, network=known(home, said)) == DATA
        (home / ".netrc").mkdir()
        assert got(server.at, network=known(home, said)) == DATA
    assert said == []


@pytest.mark.parametrize(
    ("owner", "place", "same"),
    [
        ("http://h/", "http://h:80/x", True),
        ("https://h/", "https://h/x", True),
        ("http://h/", "https://h/x", True),
        ("https://h/", "http://h/x", False),
        ("http://h:8080/", "https://h/x", False),
        ("http://h/", "http://h:8080/x", False),
        ("http://h/", "https://i.h/x", False),
    ],
)
def test_a_password_follows_its_server_from_http_to_https_alone(owner: str, place: str, same: bool) -> None:
    from xsrc.sources.disk.ask import _same

    assert _same(parse_url(owner), parse_url(place)) is same


# ---- redirects


@pytest.mark.parametrize("status", ["301 A", "302 B", "303 C", "307 D", "308 E"])
def test_each_redirect_is_followed(status: str) -> None:
    with raw(lambda line, asked: line.sendall(answer(DATA) if b"/b" in asked[:9] else to("/b", status))) as server:
        assert got(f"{server.at}/a") == DATA


@pytest.mark.parametrize(
    ("location", "want"),
    [
        (b"b.gz", b"/d/b.gz"),
        (b"../b.gz", b"/b.gz"),
        (b"?x=1", b"/d/a?x=1"),
        (b"/a b.gz ", b"/a%20b.gz"),
        (b"/gr\xc3\xb6\xc3\x9fe.gz", b"/gr%C3%B6%C3%9Fe.gz"),
        (b"/gr\xf6.gz", b"/gr%F6.gz"),
        (b"/a%2Fb%20c?q=a%26b|c", b"/a%2Fb%20c?q=a%26b%7Cc"),
        (b"/b.gz#part", b"/b.gz"),
    ],
)
def test_where_a_redirect_leads_is_read_as_browsers_do(location: bytes, want: bytes) -> None:
    with raw(lambda line, _: line.sendall(to(location) if len(server.requests) == 1 else answer(DATA))) as server:
        assert got(f"{server.at}/d/a") == DATA
        assert server.requests[1].split()[1] == want


def test_curl_agrees_about_redirects() -> None:
    """The oracle of the test above."""
    words = ("curl", "-sL", "--noproxy", "*", "-o", os.devnull)
    with raw(
        lambda line, _: line.sendall(to(b"/gr\xc3\xb6 x.gz") if len(server.requests) == 1 else answer(DATA))
    ) as server:
        try:
            subprocess.run((*words, server.at), check=True)
        except FileNotFoundError:
            pytest.skip("no curl")
        assert server.requests[1].split()[1].lower() == b"/gr%c3%b6%20x.gz"
