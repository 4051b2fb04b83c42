"""Downloads one address into one part: retries, and continues where an earlier try ended."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from itertools import count

from xsrc.sources.disk.ask import DIRECT, Answer, Network, asked
from xsrc.sources.disk.parts import DownloadedPart
from xsrc.sources.disk.web import Bounds, Clock, Unanswered

Received = Callable[[int, int | None], None]
"""Called with the bytes so far and the bytes in all, if the server reported them."""

_BUSY = (429, 502, 503, 504)
_GONE = (404, 410)
_WORDS = {
    401: "HTTP 401: it wants a user and a password, in the address or in ~/.netrc",
    407: "HTTP 407: the proxy wants a user and a password, in the variable that names it",
}


def download(url: str, part: DownloadedPart, bounds: Bounds, progress: Received, network: Network = DIRECT) -> None:
    """Download one address into a part; continue where an earlier try ended. Raises Unanswered and OSError.

    A server that is busy may say when to ask it again; if that is too late, the address has failed.
    """
    with Clock(bounds) as clock:
        for tried in count():
            try:
                _try(url, part, clock, progress, network)
                return
            except Unanswered as error:
                if tried >= error.again:
                    raise
                pause = max(bounds.pause * 2**tried, error.wish)
            clock.rest(pause)


def _try(url: str, part: DownloadedPart, clock: Clock, progress: Received, network: Network) -> None:
    have = part.size()
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and part.validator:
        headers["If-Range"] = part.validator
    with asked(url, headers, clock, network) as answer:
        if have and answer.status == 416 and answer.header("Content-Range") == f"bytes */{have}":
            part.resumed = True  # nothing is missing
            return
        if answer.status == 416 or (answer.status == 206 and not _goes_on(answer, part, have)):
            part.restart()  # what is there is no beginning of this file
            raise Unanswered(f"HTTP {answer.status}: not the part that was asked for", 2)
        if answer.status not in (200, 206):
            raise _refused(answer, clock.bounds)
        if answer.status == 200:
            part.restart(_validator(answer))
            have = 0
        else:
            part.resumed = True
        _receive(answer, part, have, clock.bounds, progress)


def _receive(answer: Answer, part: DownloadedPart, have: int, bounds: Bounds, progress: Received) -> None:
    length = answer.length()
    total = None if length is None else have + length
    try:
        bounds.check(total or 0)
        part.file.seek(have)
        for data in answer.pieces():
            have += len(data)
            bounds.check(have)
            part.file.write(data)
            progress(have, total)
    except Unanswered:
        if bounds.size and max(have, total or 0) > bounds.size:
            part.restart()
        raise
    if total is not None and have < total:
        raise Unanswered(f"it ended after {have} of {total} bytes", 2)


def _goes_on(answer: Answer, part: DownloadedPart, have: int) -> bool:
    """Whether a partial answer continues the part: from there, and of the same file."""
    now = _validator(answer)
    same = not part.validator or not now or now == part.validator
    return bool(have) and same and re.match(rf"bytes {have}-", answer.header("Content-Range")) is not None


def _validator(answer: Answer) -> str:
    """What tells the file of an answer from later ones of its address, "" if nothing does (RFC 9110, 13.1.5)."""
    tag = answer.header("ETag")
    strong = re.fullmatch(r'"[\x21\x23-\x7e]{1,200}"', tag) is not None
    when = answer.header("Last-Modified")
    return tag if strong else when if re.fullmatch(r"[\x20-\x7e]{1,100}", when) else ""


def _refused(answer: Answer, bounds: Bounds) -> Unanswered:
    """Why an answer is no file; a busy server is asked again, when it wishes."""
    text = _WORDS.get(answer.status, f"HTTP {answer.status}")
    if answer.status not in _BUSY:
        return Unanswered(text, absent=answer.status in _GONE)
    wish = _wish(answer)
    if wish > bounds.patience:
        return Unanswered(f"{text}: it is busy for {wish:.0f} seconds more")
    return Unanswered(text, 3, wish)


def _wish(answer: Answer) -> float:
    """In how many seconds a server wishes to be asked again: 0 if it does not say so."""
    text = answer.header("Retry-After").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        then, now = parsedate_to_datetime(text), parsedate_to_datetime(answer.header("Date"))
        return max(0.0, (then - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return 0.0
