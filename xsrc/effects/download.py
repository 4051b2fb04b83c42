"""Downloads one address into one file: retries, and goes on where an earlier try ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and bytes in all, where the server told."""

TROUBLE = (HTTPError, OSError)
"""What `download` raises."""

_CHUNK = 1 << 14  # what is cut off in the middle of a piece is lost
_AGENT = {"User-Agent": "xsrc", "Accept-Encoding": "identity"}


class _Status(HTTPError):
    """An answer that is no file."""


def download(url: str, part: Path, progress: Progress) -> None:
    """Bring one address into `part`, going on where an earlier try ended; raises HTTPError or OSError."""
    retry = Retry(total=3, connect=1, read=2, backoff_factor=0.5, status_forcelist=(429, 502, 503, 504))
    with urllib3.PoolManager(retries=retry, timeout=Timeout(connect=10, read=60)) as pool:
        for last in (False, False, True):
            have = part.stat().st_size if part.exists() else 0
            headers = {**_AGENT, "Range": f"bytes={have}-"} if have else _AGENT
            answer = pool.request("GET", url, headers=headers, preload_content=False)
            try:
                if answer.status == 416:  # what is there is no beginning of this file
                    part.unlink()
                    continue
                if answer.status not in (200, 206):
                    raise _Status(f"HTTP {answer.status}")
                _keep(answer, part, have if answer.status == 206 else 0, progress)
                return
            except (urllib3.exceptions.ProtocolError, urllib3.exceptions.ReadTimeoutError):
                if last:
                    raise
            finally:
                answer.release_conn()


def _keep(answer: urllib3.BaseHTTPResponse, part: Path, have: int, progress: Progress) -> None:
    length = answer.headers.get("Content-Length")
    total = have + int(length) if length and length.isdigit() else None
    with part.open("ab" if have else "wb") as file:
        for data in answer.stream(_CHUNK):
            file.write(data)
            have += len(data)
            progress(have, total)
    if total is not None and have < total:
        raise urllib3.exceptions.ProtocolError(f"it ended after {have} of {total} bytes")


def reason(error: Exception) -> str:
    """Why an address did not give a file, in one line."""
    cause: BaseException = getattr(error, "reason", None) or error
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    return re.sub(r"^(?:<[^>]*>|HTTPS?Connection\(.*?\)): ", "", text)
