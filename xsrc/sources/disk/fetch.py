"""Brings distfiles: several addresses, retries, resumes; nothing unverified is kept under its final name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from xsrc.core.errors import ChecksumError, FetchFailed
from xsrc.core.settings import Limits
from xsrc.sources.disk.distdir import Place, path_of
from xsrc.sources.distfile import Distfile
from xsrc.sources.reach import redacted
from xsrc.unix.machine import known_sites

if TYPE_CHECKING:
    from xsrc.sources.disk.http import Received
    from xsrc.sources.disk.web import Bounds

Say = Callable[[str], None]
_SITE = re.compile(r"\{([A-Z_]+)\}")


def fetch(
    distfile: Distfile,
    urls: tuple[str, ...],
    srcdistdir: Path,
    private: Path,
    limits: Limits,
    say: Say,
    progress: Received = lambda now, total: None,
) -> Path:
    """The path of a verified distfile, downloaded from the first of `urls` that has it.

    An existing file is used. If the addresses in its template have changed since, fetch it from them once; if none can
    be reached, keep the file. `private` is a folder of this user's own. Raises FetchFailed that names every address and
    its answer, ChecksumError if an address sent another file, HostError if the folder cannot be used.
    """
    path = path_of(distfile, srcdistdir)
    text = "".join(f"{redacted(url)}\n" for url in distfile.url)
    with Place.open(distfile, srcdistdir, limits) as place:
        there = place.holds()
        if there and (not place.writable() or place.note() == text):
            return path
        with place.lock(say) as waited:
            if waited:
                there = place.holds()
            note = place.note() if there else None
            if there and note == text:
                return path
            if there and note is not None:
                say(f"{distfile.name}: the template names other addresses than before: asking them")
            try:
                if not there or note is not None:  # else it was put there by hand
                    _download(place, urls, private, say, progress)
            except FetchFailed as error:
                if not there:
                    raise
                say(f"{error.message}; what is there has the right sha256")
            else:
                place.write_note(text)
    return path


def _bring(distfile: Distfile, url: str, part: IO[bytes], private: Path, bounds: Bounds, progress: Received) -> None:
    if distfile.commit:
        from xsrc.sources.disk.git import archive  # few need it

        archive(url, distfile.commit, part, private, bounds)
    else:
        from xsrc.sources.disk.http import download

        download(url, part, bounds, progress)


def _download(place: Place, urls: tuple[str, ...], private: Path, say: Say, progress: Received) -> None:
    """Bring a distfile to its place from the first of `urls` that has it."""
    # imported here: most builds have their distfiles, and the library costs as much as all else of a short command
    from xsrc.sources.disk.web import Bounds, Unanswered

    distfile, bounds = place.distfile, Bounds.of(place.limits)
    failures: list[str] = []
    mismatch: ChecksumError | None = None
    with place.part() as part:
        for url in urls:
            try:
                _bring(distfile, url, part, private, bounds, progress)
                place.check(part)
            except ChecksumError as error:
                mismatch = error
                part.truncate(0)
                failures.append(f"  {redacted(url)}: wrong sha256")
            except Unanswered as error:
                failures.append(f"  {redacted(url)}: {error}")
            else:
                place.keep(part)
                return
            say(failures[-1].strip())
    if mismatch is not None:
        raise ChecksumError(mismatch.message, hint=mismatch.hint, detail=failures)
    raise FetchFailed(
        f"{distfile.name}: none of {len(urls)} addresses gave it",
        detail=failures,
        hint=f"put the file there by hand: {place.path}",
    )


def sites_of(distfile: Distfile, sites: Mapping[str, str]) -> Mapping[str, str]:
    """The sites in force for one distfile: what its addresses name and nobody has set is looked up on this machine."""
    return known_sites({name for url in distfile.url for name in _SITE.findall(url)}, sites)
