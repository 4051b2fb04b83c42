"""Downloads one address into one file: retries, and continues where an earlier try ended."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from itertools import count
from typing import IO

from xsrc.sources.disk.web import Answer, Bounds, Clock, Unanswered, asked

Received = Callable[[int, int | None], None]
"""Called with the bytes so far and the bytes in all, if the server reported them."""

_BUSY = (429, 502, 503, 504)


def download(url: str, part: IO[bytes], bounds: Bounds, progress: Received) -> None:
    """Download one address into an open file; continue where an earlier try ended. Raises Unanswered and OSError."""
    with Clock(bounds) as clock:
        for tried in count():
            try:
                _try(url, part, clock, progress)
                return
            except Unanswered as error:
                if tried >= error.again:
                    raise
            time.sleep(min(bounds.pause * 2**tried, clock.left()))


def _try(url: str, part: IO[bytes], clock: Clock, progress: Received) -> None:
    part.flush()
    have = os.fstat(part.fileno()).st_size
    with asked(url, {"Range": f"bytes={have}-"} if have else {}, clock) as answer:
        if answer.status == 416 or (answer.status == 206 and not _goes_on(answer, have)):
            part.truncate(0)  # what is there is no beginning of this file
            raise Unanswered(f"HTTP {answer.status}: not the part that was asked for", 2)
        if answer.status not in (200, 206):
            raise Unanswered(f"HTTP {answer.status}", 3 if answer.status in _BUSY else 0)
        if answer.status == 200:
            part.truncate(have := 0)
        length = answer.length()
        total = None if length is None else have + length
        try:
            clock.bounds.check(total or 0)
            part.seek(have)
            for data in answer.pieces():
                have += len(data)
                clock.bounds.check(have)
                part.write(data)
                progress(have, total)
        except Unanswered:
            if clock.bounds.size and max(have, total or 0) > clock.bounds.size:
                part.truncate(0)
            raise
    if total is not None and have < total:
        raise Unanswered(f"it ended after {have} of {total} bytes", 2)


def _goes_on(answer: Answer, have: int) -> bool:
    return bool(have) and re.match(rf"bytes {have}-", answer.header("Content-Range")) is not None
