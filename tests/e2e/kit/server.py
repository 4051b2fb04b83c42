"""An HTTP server that can be told to fail: status codes, bodies cut short, silence."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Act:
    """What the server does instead of a right answer, once."""

    status: int = 0
    """Answer with this status and no file."""
    cut: int | None = None
    """Promise the whole body, send that many bytes of it, close."""
    stall: float = 0
    """Send the first half, then be silent for that many seconds."""
    deaf: bool = False
    """Send the whole file although a part was asked for."""


@dataclass(frozen=True)
class Request:
    """One request as it came, and the answer's status."""

    path: str
    range: str | None
    status: int


class Server:
    """Files by path, acts by path in the order in which they are used up, and a log of all requests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.acts: dict[str, list[Act]] = defaultdict(list)
        self.log: list[Request] = []
        handler = type("Handler", (_Handler,), {"owner": self})
        self.http = _Quiet(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    def serve(self, path: str, data: bytes, *acts: Act) -> str:
        """Give a file an address; `acts` happen before it is served as it should be."""
        self.files[path] = data
        self.acts[path] = list(acts)
        return self.address + path

    def requests(self, path: str) -> list[Request]:
        return [request for request in self.log if request.path == path]

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        acts = self.owner.acts[self.path]
        act = acts.pop(0) if acts else Act()
        asked = self.headers.get("Range")
        data = self.owner.files.get(self.path)
        if act.status or data is None:
            self._answer(act.status or 404, b"no\n", asked)
            return
        first = int(asked.removeprefix("bytes=").partition("-")[0]) if asked and not act.deaf else 0
        if asked and first >= len(data):
            self._answer(416, b"", asked)
            return
        status = 206 if asked and not act.deaf else 200
        self.owner.log.append(Request(self.path, asked, status))
        body = data[first:]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if act.cut is not None:
            self.wfile.write(body[: act.cut])
            self.close_connection = True
            return
        if act.stall:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            time.sleep(act.stall)
            body = body[len(body) // 2 :]
        self.wfile.write(body)

    def _answer(self, status: int, body: bytes, asked: str | None) -> None:
        self.owner.log.append(Request(self.path, asked, status))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
