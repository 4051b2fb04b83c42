"""Connects to HTTP servers, within limits of time and size, and only to allowed addresses.

xsrc looks a name up once, here, and connects to the same address that it checks. A proxy looks names up by itself.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.util import Url

from xsrc.core.proxy import Proxy
from xsrc.core.redact import redacted
from xsrc.core.settings import Limits
from xsrc.sources.reach import Reach, refusal

_CONNECT = 10.0
"""Seconds to wait for one of a server's addresses."""
_SERVICES = {"http": 80, "https": 443}


class Unanswered(Exception):
    """Why an address did not send a file, in one line.

    xsrc may ask it `again` so many times, after the seconds that the server wishes. With `absent`, the address has no
    such file.
    """

    def __init__(self, why: str, again: int = 0, wish: float = 0, *, absent: bool = False) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in redacted(why)))
        self.again, self.wish, self.absent = again, wish, absent


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
    """Seconds before the second try, twice as many before each next one."""
    patience: float = 15
    """Seconds that a busy server may wish xsrc to wait; if it wishes more, xsrc asks the next address."""
    named: str = "limits.distfile_mib"
    """Who set the size."""

    @classmethod
    def of(cls, limits: Limits) -> Bounds:
        """The bounds that the user set."""
        return cls(limits.distfile_mib << 20, limits.fetch_seconds)

    def check(self, size: int) -> None:
        """Raise Unanswered for a file of more bytes than one may have."""
        if self.size and size > self.size:
            most = f"{self.size >> 20} MiB" if self.size >> 20 else f"{self.size} bytes"
            raise Unanswered(f"it has more than {most} ({self.named})")


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

    def rest(self, seconds: float) -> None:
        """Sleep; nothing is expected meanwhile. Raises Unanswered if no seconds are left in all."""
        seconds = min(seconds, self.left())
        with self._changed:
            self._ends = time.monotonic() + seconds + self.bounds.wait
            self._changed.notify()
        time.sleep(seconds)

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


def basic(login: bytes) -> str:
    """What a header says of a user and a password."""
    return f"Basic {b64encode(login).decode()}"


def service_of(place: Url) -> int:
    """The number of the service that an address names, or means by its scheme."""
    return place.port or _SERVICES[place.scheme or "http"]


def connection(place: Url, first: Reach | None, clock: Clock, proxy: Proxy | None = None) -> _Plain | _Secure:
    """A connection for one request, not made yet: to the server itself, or to the proxy.

    `first` is the reach of the download's first address, as for `refusal`.
    """
    secure, wait = place.scheme == "https", clock.bounds.wait
    made: _Plain | _Secure
    if proxy is None:
        host, service = (place.host or "").strip("[]"), service_of(place)
        made = (_Secure if secure else _Plain)(host, service, timeout=wait)
    else:
        host, service, first = proxy.host, proxy.service, Reach.MACHINE  # the user chose it
        made = _Plain(host, service, timeout=wait)
        if secure or proxy.scheme == "https":
            made = _Secure(host, service, timeout=wait, proxy_config=ProxyConfig(None, False, None, None))
        if secure:
            headers = {"Proxy-Authorization": basic(proxy.login)} if proxy.login else {}
            made.set_tunnel(place.host or "", service_of(place), headers, proxy.scheme)

    def opening() -> socket.socket:
        try:
            line = connect(host, service, first)
        except Unanswered as error:
            raise error if proxy is None else Unanswered(f"the proxy {proxy}: {error}", error.again) from error
        line.settimeout(wait)
        clock.hold(line)
        return line

    made.opening = opening
    return made
