"""Brings distfiles: several addresses, retries, resumes; nothing unverified is kept under its final name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from xsrc.effects.lock import locked
from xsrc.errors import ChecksumError, FetchFailed
from xsrc.model.package import Distfile

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and bytes in all, where the server told."""
Say = Callable[[str], None]

_CHUNK = 1 << 16
_AGENT = {"User-Agent": "xsrc", "Accept-Encoding": "identity"}


def path_of(distfile: Distfile, srcdistdir: Path) -> Path:
    """Where a verified distfile is kept: by checksum and name, so that two files of one name never meet."""
    return srcdistdir / distfile.sha256[:16] / distfile.name


def present(distfile: Distfile, srcdistdir: Path) -> bool:
    """Whether a distfile is there."""
    return path_of(distfile, srcdistdir).is_file()


def verify(distfile: Distfile, path: Path) -> None:
    """Compare a file with the template's checksum; a file that differs is removed and ChecksumError raised."""
    got = _sha256(path)
    if got != distfile.sha256:
        path.unlink(missing_ok=True)
        raise ChecksumError(
            f"{distfile.name}: its sha256 is {got}, the template says {distfile.sha256}",
            hint="fetch it again; if upstream changed it on purpose, look at the file and change the template",
        )


def fetch(
    distfile: Distfile, urls: tuple[str, ...], srcdistdir: Path, say: Say, progress: Progress = lambda now, total: None
) -> Path:
    """The path of a verified distfile, downloaded from the first of `urls` that has it.

    Raises FetchFailed that names every address and its answer, ChecksumError when all that came was wrong.
    """
    path = path_of(distfile, srcdistdir)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / ".lock", f"fetching {distfile.name}", say):
        if path.is_file():
            verify(distfile, path)
            return path
        part = path.with_name(f".{path.name}.part")
        failures: list[str] = []
        mismatch: ChecksumError | None = None
        for url in urls:
            try:
                _download(url, part, progress)
                verify(distfile, part)
            except ChecksumError as error:
                mismatch = error
                failures.append(f"  {url}: wrong sha256")
            except (HTTPError, OSError) as error:
                failures.append(f"  {url}: {_reason(error)}")
                if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
                    raise
            else:
                os.replace(part, path)
                return path
            say(failures[-1].strip())
    if mismatch is not None:
        raise ChecksumError(mismatch.message, hint=mismatch.hint, detail=failures)
    raise FetchFailed(
        f"{distfile.name}: none of {len(urls)} addresses gave it",
        detail=failures,
        hint=f"put the file there by hand: {path}",
    )


class _Status(HTTPError):
    pass


def _download(url: str, part: Path, progress: Progress) -> None:
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


def _reason(error: Exception) -> str:
    cause: BaseException = getattr(error, "reason", None) or error
    text = str(cause).splitlines()[0] if str(cause) else type(cause).__name__
    return re.sub(r"^(?:<[^>]*>|HTTPS?Connection\(.*?\)): ", "", text)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
