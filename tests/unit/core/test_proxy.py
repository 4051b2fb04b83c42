"""Which proxy a request goes through, as curl reads the environment."""

from __future__ import annotations

import pytest

from xsrc.core.proxy import Proxies

P, Q = "http://p:3128", "http://q:3128"


def through(env: dict[str, str], url: str = "http://example.org") -> str:
    scheme, _, host = url.partition("://")
    return str(Proxies(env).of(scheme, host))


@pytest.mark.parametrize(
    ("env", "http", "https"),
    [
        ({}, "None", "None"),
        ({"http_proxy": P}, P, "None"),
        ({"https_proxy": P}, "None", P),
        ({"HTTPS_PROXY": P}, "None", P),
        ({"https_proxy": P, "HTTPS_PROXY": Q}, "None", P),
        ({"https_proxy": "", "HTTPS_PROXY": Q}, "None", Q),
        ({"all_proxy": P}, P, P),
        ({"ALL_PROXY": P}, P, P),
        ({"all_proxy": P, "http_proxy": Q}, Q, P),
        ({"http_proxy": "p:3128"}, P, "None"),
        ({"http_proxy": "http://p"}, "http://p:1080", "None"),
        ({"http_proxy": "https://p/"}, "https://p:443", "None"),
        ({"http_proxy": "http://[::1]:3128"}, "http://[::1]:3128", "None"),
    ],
)
def test_variables(env: dict[str, str], http: str, https: str) -> None:
    """https://github.com/voidlinux/void-packages/issues/8083, https://github.com/conda/conda-build/issues/108"""
    assert (through(env), through(env, "https://example.org")) == (http, https)


def test_a_header_of_a_request_is_no_proxy() -> None:
    """A web server tells a CGI program the header Proxy of a request as HTTP_PROXY (CVE-2016-5385)."""
    assert through({"HTTP_PROXY": P}) == "None"


@pytest.mark.parametrize(
    ("words", "host", "direct"),
    [
        ("example.org", "example.org", True),
        ("example.org", "www.example.org", True),
        (".example.org", "example.org", True),
        ("example.org", "myexample.org", False),
        ("org.", "EXAMPLE.org.", True),
        ("*", "example.org", True),
        ("a.com, example.org", "example.org", True),
        ("a.com example.org", "example.org", True),
        ("", "example.org", False),
        (",", "example.org", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.1", "127.0.0.1", False),
        ("::1", "[::1]", True),
        ("[::1]", "::1", True),
        ("fd00::/8", "fd12::3", True),
        ("10.0.0.0/8", "::1", False),
        ("10.0.0.0/99", "10.0.0.1", False),
    ],
)
def test_exceptions(words: str, host: str, direct: bool) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        assert (Proxies({"http_proxy": P, name: words}).of("http", host) is None) is direct


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("socks5://u:secret@h:1", "want an http or https proxy, found socks5://"),
        ("http://u:secret@h:port", "want http://HOST:PORT"),
        ("http://u:secret@", "found no host"),
        ("http://[u:secret@", "want http://HOST:PORT"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(text: str, want: str) -> None:
    with pytest.raises(ValueError, match=r"^all_proxy: ") as caught:
        Proxies({"all_proxy": text}).of("http", "example.org")
    assert want in str(caught.value) and "secret" not in str(caught.value)


def test_a_password_is_decoded_and_not_shown() -> None:
    proxies = Proxies({"http_proxy": "http://me:s%40cret@p:1"})
    proxy = proxies.of("http", "example.org")
    assert proxy is not None and proxy.login == b"me:s@cret"
    assert not any("cret" in text for text in (str(proxy), repr(proxy), repr(proxies)))


def test_apt_is_told_in_the_variables_that_it_reads() -> None:
    env = {"HTTP_PROXY": Q, "HTTPS_PROXY": "me:secret@q:1", "ALL_PROXY": P, "NO_PROXY": "localhost", "PATH": "/bin"}
    want = {"http_proxy": P, "https_proxy": "http://me:secret@q:1", "no_proxy": "localhost"}
    assert Proxies(env).environment() == want
    assert Proxies({"no_proxy": "*", "HTTP_PROXY": Q}).environment() == {}
