"""Servers that say what no honest server says, each on an address of this machine."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

Talk = Callable[[socket.socket, bytes], None]
"""What is done with a connection, when its first request has come."""


class Raw:
    """A server on one address; it keeps the requests that came."""

    def __init__(
        self, talk: Talk, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self.talk, self.tls, self.requests = talk, tls, list[bytes]()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(64)
        host = f"[{address}]" if ":" in address else address
        self.at = f"{'https' if tls else 'http'}://{host}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                line = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._one, args=(line,), daemon=True).start()

    def _one(self, line: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(line.close)
            line.settimeout(20)
            if self.tls is not None:
                line = stack.enter_context(self.tls.wrap_socket(line, server_side=True))
            request = b""
            while b"\r\n\r\n" not in request and (data := line.recv(65536)):
                request += data
            if request:
                self.requests.append(request)
                self.talk(line, request)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def raw(talk: Talk | bytes, **more: object) -> Iterator[Raw]:
    """A server that says the same bytes to everybody, or does what it is told."""
    server = Raw((lambda line, _: line.sendall(talk)) if isinstance(talk, bytes) else talk, **more)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def to(location: str | bytes, status: str = "302 Found") -> bytes:
    """A redirect."""
    text = location.encode() if isinstance(location, str) else location
    return b"HTTP/1.1 " + status.encode() + b"\r\nContent-Length: 0\r\nLocation: " + text + b"\r\n\r\n"
