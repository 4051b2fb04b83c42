"""Asks an HTTP server for one file, within limits of time and size, and follows only allowed redirects.

xsrc looks a name up once, here, and connects to the same address that it checks. It decodes nothing.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from types import TracebackType
from urllib.parse import unquote, urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse
from urllib3.util import Url, make_headers, parse_url

from xsrc.core.settings import Limits
from xsrc.sources.reach import Reach, reach, redacted, refusal

_TROUBLE = (HTTPError, HTTPException, OSError, ValueError, LookupError, ArithmeticError)
"""What the libraries raise where a server, or its answer, is odd."""
_CHUNK = 1 << 14  # what is cut off in the middle of a piece is lost
_CONNECT = 10.0
"""Seconds to wait for one of a server's addresses."""
_HOPS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_SERVICES = {"http": 80, "https": 443}
_AGENT = {"User-Agent": "xsrc", "Accept-Encoding": "identity"}


class Unanswered(Exception):
    """Why an address did not send a file, in one line; xsrc may ask it `again` so many times."""

    def __init__(self, why: str, again: int = 0) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in redacted(why)))
        self.again = again


@dataclass(frozen=True)
class Bounds:
    """What one address may take of this machine; 0 means no limit."""

    size: int = 0
    """Bytes of the file."""
    seconds: float = 0
    """For all tries and redirects together."""
    wait: float = 60
    """Seconds until an answer has begun, and for each `piece` of it; xsrc gives up a slower server."""
    piece: int = 60_000
    pause: float = 0.5
    """Seconds before the second try, twice as many before each next one; xsrc ignores a server's own wish."""

    @classmethod
    def of(cls, limits: Limits) -> Bounds:
        """The bounds that the user set."""
        return cls(limits.distfile_mib << 20, limits.fetch_seconds)

    def check(self, size: int) -> None:
        """Raise Unanswered for a file of more bytes than one may have."""
        if self.size and size > self.size:
            raise Unanswered(f"it has more than {self.size >> 20} MiB (limits.distfile_mib)")


class Clock:
    """Cuts a connection when its time has run out, even while a reader waits for it."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.last = time.monotonic() + bounds.seconds if bounds.seconds else None
        self.late = ""
        """Why the connection was cut, if it was."""
        self._ends = time.monotonic() + bounds.wait
        self._line: socket.socket | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Clock:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self.hold(None)

    def left(self) -> float:
        """Seconds that are left in all. Raises Unanswered if none are."""
        left = self.last - time.monotonic() if self.last else float("inf")
        if left <= 0:
            raise Unanswered(f"it took more than {self.bounds.seconds:g} seconds (limits.fetch_seconds)")
        return left

    def wind(self) -> None:
        """Let the next piece have its time."""
        with self._changed:
            self._ends = time.monotonic() + min(self.bounds.wait, self.left())
            self._changed.notify()

    def hold(self, line: socket.socket | None) -> None:
        """Watch this connection, and no earlier one."""
        with self._changed:
            if self._line is not None:
                self._line.close()
            self._line = line.dup() if line is not None else None
            if line is not None and self.late:
                line.shutdown(socket.SHUT_RDWR)

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                wait = self._ends - time.monotonic()
                if wait > 0 or self.late:
                    self._changed.wait(None if self.late else wait)
                    continue
                piece, seconds = self.bounds.piece, self.bounds.wait
                over = self.last is not None and time.monotonic() >= self.last
                self.late = (
                    f"it took more than {self.bounds.seconds:g} seconds (limits.fetch_seconds)"
                    if over
                    else f"too slow: less than {piece} bytes in {seconds:g} seconds"
                )
                if self._line is not None:
                    with contextlib.suppress(OSError):
                        self._line.shutdown(socket.SHUT_RDWR)


class _Checked:
    """A connection that is made by `connect`."""

    opening: Callable[[], socket.socket]
    peer = ""
    """The address that it is made to."""

    def _new_conn(self) -> socket.socket:
        line = self.opening()
        self.peer = str(line.getpeername()[0])
        return line


class _Plain(_Checked, HTTPConnection):
    pass


class _Secure(_Checked, HTTPSConnection):
    pass


def connect(host: str, service: int, first: Reach | None) -> socket.socket:
    """Connect to the first allowed address of a host that answers. Raises Unanswered if there is none."""
    try:
        found = socket.getaddrinfo(host, service, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no name of a host"
        raise Unanswered(f"{host}: {why}", 1) from error
    whys: list[str] = []
    again = 0
    for family, kind, number, _, address in found:
        at = str(address[0])
        if why := refusal(host, at, first):
            whys.append(why)
            continue
        again = 1
        line = socket.socket(family, kind, number)
        try:
            line.settimeout(_CONNECT)
            line.connect(address)
        except OSError as error:
            line.close()
            whys.append(f"{at}:{service}: {error.strerror or error}")
        else:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return line
    raise Unanswered("; ".join(dict.fromkeys(whys[:4])) or f"{host}: it has no address", again)


class Answer:
    """An answer whose body has not been read yet."""

    def __init__(self, url: str, peer: str, user: str, raw: BaseHTTPResponse, clock: Clock) -> None:
        self.url, self.peer, self.user, self.status = url, peer, user, raw.status
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
def asked(url: str, headers: Mapping[str, str], clock: Clock) -> Iterator[Answer]:
    """The answer to a GET of a URL, after redirects. Raises Unanswered, also for a redirect that is forbidden."""
    first: Reach | None = None
    user: tuple[str, str | None] = ("", None)
    """An origin, and the user and password that the URL has for it."""
    for _ in range(_HOPS):
        with contextlib.ExitStack() as stack:
            place = _parsed(url)
            if place.auth is not None:
                user = _origin(place), place.auth
            own = user[1] if user[0] == _origin(place) else None
            connection = _connection(place, first, clock)
            stack.callback(connection.close)
            with _network(clock, place.host or "", 1):
                clock.wind()
                more = make_headers(basic_auth=unquote(own)) if own else {}
                connection.request(
                    "GET",
                    place.request_uri,
                    headers={**_AGENT, **headers, **more},
                    preload_content=False,
                    decode_content=False,
                )
                raw = connection.getresponse()
                stack.callback(raw.close)
            if raw.status not in _REDIRECTS:
                yield Answer(place._replace(auth=None).url, connection.peer, own or "", raw, clock)
                return
            first = reach(connection.peer) if first is None else first
            url = _led(url, place, raw.headers.get("Location") or "")
    raise Unanswered(f"more than {_HOPS} redirects")


def _parsed(url: str) -> Url:
    try:
        place = parse_url(url)
    except (HTTPError, ValueError) as error:
        raise Unanswered(f"it is no address: {ascii(redacted(url))[1:-1]}") from error
    if place.scheme not in _SERVICES or not place.host:
        raise Unanswered(f"want an http or https address, got {ascii(redacted(url))[1:-1]}")
    return place


def _origin(place: Url) -> str:
    return f"{place.scheme}://{place.host}:{place.port or _SERVICES[place.scheme or 'http']}"


def _led(url: str, place: Url, location: str) -> str:
    """The URL that a redirect leads to. Raises Unanswered for a forbidden one."""
    shown = ascii(redacted(location[:200]))[1:-1]
    try:
        target = urljoin(url, location)
    except ValueError as error:
        raise Unanswered(f"it leads to {shown}, which is no address") from error
    if not location:
        raise Unanswered("a redirect that leads nowhere")
    if place.scheme == "https" and _parsed(target).scheme == "http":
        raise Unanswered(f"it leads from https to {shown}")
    return target


def _connection(place: Url, first: Reach | None, clock: Clock) -> _Plain | _Secure:
    host = (place.host or "").strip("[]")
    service = place.port or _SERVICES[place.scheme or "http"]
    made = (_Secure if place.scheme == "https" else _Plain)(host, service, timeout=clock.bounds.wait)

    def opening() -> socket.socket:
        line = connect(host, service, first)
        line.settimeout(clock.bounds.wait)
        clock.hold(line)
        return line

    made.opening = opening
    return made


def reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    inner = getattr(error, "reason", None)
    cause = inner if isinstance(inner, BaseException) else error
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    return re.sub(r"^(?:<[^>]*>|HTTPS?Connection\(.*?\)): ", "", text)
