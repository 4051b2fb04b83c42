"""Asks an HTTP server, or a proxy for it, for one file, and follows only allowed redirects. It decodes nothing."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from urllib.parse import quote, unquote_to_bytes, urljoin

from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Url, parse_url

from xsrc.core.proxy import Proxies, Proxy
from xsrc.core.redact import redacted
from xsrc.core.trust import Trust
from xsrc.sources.disk.netrc import logins
from xsrc.sources.disk.web import Clock, Unanswered, basic, connection, service_of
from xsrc.sources.reach import Reach, literal, reach, refusal

_TROUBLE = (HTTPError, HTTPException, OSError, ValueError, LookupError, ArithmeticError)
"""What the libraries raise where a server, or its answer, is odd."""
_CHUNK = 1 << 14  # what is cut off in the middle of a piece is lost
_HOPS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_AGENT = {"User-Agent": "xsrc", "Accept-Encoding": "identity"}
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@dataclass(frozen=True)
class Network:
    """How this user reaches servers."""

    proxies: Proxies = field(default_factory=Proxies)
    login: Callable[[str], bytes] = lambda host: b""
    """The user and the password for a host, with a colon between them; empty for none."""

    @classmethod
    def of(cls, env: Mapping[str, str], believed: Trust, say: Callable[[str], None]) -> Network:
        """By the proxies that variables name, with the passwords in ~/.netrc."""
        return cls(Proxies(env), logins(env, believed, say))


DIRECT = Network()
"""Every server is asked directly, and no password is known."""


@dataclass(frozen=True)
class Way:
    """How a server was reached."""

    peer: str
    """Its address, "" if a proxy looked it up."""
    login: bytes
    proxy: Proxy | None


class Answer:
    """An answer whose body has not been read yet."""

    def __init__(self, url: str, way: Way, raw: BaseHTTPResponse, clock: Clock) -> None:
        self.url, self.way, self.status = url, way, raw.status
        self._raw, self._clock = raw, clock

    def header(self, name: str) -> str:
        """One of its headers, "" where it has none of that name."""
        return self._raw.headers.get(name) or ""

    def length(self) -> int | None:
        """How many bytes its body has, if it says so."""
        text = self.header("Content-Length")
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None

    def pieces(self) -> Iterator[bytes]:
        """Its body as it comes. Raises Unanswered if it ends too early or comes too slowly."""
        since = 0
        with _network(self._clock, "", 2):
            self._clock.wind()
            for data in self._raw.stream(_CHUNK, decode_content=False):
                since += len(data)
                if since >= self._clock.bounds.piece:
                    since = 0
                    self._clock.wind()
                yield data
        if self._clock.late:
            raise Unanswered(self._clock.late)


@contextlib.contextmanager
def _network(clock: Clock, host: str, again: int) -> Iterator[None]:
    """Convert errors of the libraries inside the block: raises Unanswered instead."""
    try:
        yield
    except _TROUBLE as error:
        if clock.late:
            raise Unanswered(clock.late) from error
        why = reason(error)
        raise Unanswered(f"{host}: {why}" if host else why, again) from error


@contextlib.contextmanager
def asked(url: str, headers: Mapping[str, str], clock: Clock, network: Network = DIRECT) -> Iterator[Answer]:
    """The answer to a GET of a URL, after redirects. Raises Unanswered, also for a redirect that is forbidden."""
    first: Reach | None = None
    owner, login = _parsed(url), b""  # a server never gets the password of another one
    for hop in range(_HOPS):
        with contextlib.ExitStack() as stack:
            place = _parsed(url)
            host = (place.host or "").strip("[]")
            if place.auth is not None:
                owner, login = place, unquote_to_bytes(place.auth)
            elif not hop:
                login = network.login(host)
            own = login if _same(owner, place) else b""
            proxy = _proxy(network.proxies, place, host)
            peer = "" if proxy is None else _written(host, first)
            line = connection(place, first, clock, proxy)
            stack.callback(line.close)
            with _network(clock, host if proxy is None else f"{host} by the proxy {proxy}", 1):
                clock.wind()
                target, more = _request(place, own, proxy)
                every = {**_AGENT, **headers, **more}
                line.request("GET", target, headers=every, preload_content=False, decode_content=False)
                raw = line.getresponse()
                stack.callback(raw.close)
            peer = line.peer if proxy is None else peer
            if raw.status not in _REDIRECTS:
                yield Answer(place._replace(auth=None).url, Way(peer, own, proxy), raw, clock)
                return
            if first is None:
                first = reach(peer) if peer else Reach.WORLD
            url = _led(url, place, raw.headers.get("Location") or "")
    raise Unanswered(f"more than {_HOPS} redirects")


def _request(place: Url, login: bytes, proxy: Proxy | None) -> tuple[str, Mapping[str, str]]:
    """What a request asks for, and who asks."""
    headers = {"Authorization": basic(login)} if login else {}
    if proxy is None or place.scheme == "https":
        return place.request_uri, headers
    if proxy.login:
        headers["Proxy-Authorization"] = basic(proxy.login)
    return place._replace(auth=None, fragment=None).url, headers


def _same(owner: Url, place: Url) -> bool:
    """Whether a place is the owner's server: the same service of the same host, or its https in place of its http."""
    if owner.host != place.host:
        return False
    now, then = ((url.scheme, service_of(url)) for url in (place, owner))
    return now == then or (then == ("http", 80) and now == ("https", 443))


def _proxy(proxies: Proxies, place: Url, host: str) -> Proxy | None:
    try:
        return proxies.of(place.scheme or "", host)
    except ValueError as error:
        raise Unanswered(str(error)) from error


def _written(host: str, first: Reach | None) -> str:
    """The address that a host is written as, "" for a name: a proxy looks names up, and decides which it allows.

    Raises Unanswered for an address that is not allowed.
    """
    try:
        address = str(socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)[0][4][0])
    except (OSError, UnicodeError):
        address = "127.0.0.1" if literal(host) or host.lower().rstrip(".").endswith(".localhost") else ""
    if address and (why := refusal(host, address, first)):
        raise Unanswered(why)
    return address


def _parsed(url: str) -> Url:
    try:
        place = parse_url(url)
    except (HTTPError, ValueError) as error:
        raise Unanswered(f"it is no address: {ascii(redacted(url))[1:-1]}") from error
    if place.scheme not in ("http", "https") or not place.host:
        raise Unanswered(f"want an http or https address, got {ascii(redacted(url))[1:-1]}")
    return place


def _led(url: str, place: Url, location: str) -> str:
    """The URL that a redirect leads to. Raises Unanswered for a forbidden one."""
    shown = ascii(redacted(location[:200]))[1:-1]
    # a browser sends the bytes that it got, http.client has decoded them as Latin-1
    sent = quote(location.strip().encode("latin-1", "replace"), safe=_PRINTABLE)
    try:
        target = urljoin(url, sent)
    except ValueError as error:
        raise Unanswered(f"it leads to {shown}, which is no address") from error
    if not sent:
        raise Unanswered("a redirect that leads nowhere")
    if place.scheme == "https" and _parsed(target).scheme == "http":
        raise Unanswered(f"it leads from https to {shown}")
    return target


def reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    return re.sub(r"^(?:<[^>]*>|HTTPS?Connection\(.*?\)): ", "", text)
