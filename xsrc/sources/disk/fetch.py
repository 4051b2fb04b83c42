"""Brings distfiles: several addresses, retries, resumes; nothing unverified is kept under its final name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xsrc.core.errors import ChecksumError, FetchFailed
from xsrc.core.redact import redacted
from xsrc.core.session import Session
from xsrc.core.settings import Limits
from xsrc.core.trust import Trust
from xsrc.sources.disk.distdir import Place, head_of, path_of, sha256_of
from xsrc.sources.distfile import Distfile
from xsrc.sources.looks import page
from xsrc.sources.mirror import at
from xsrc.unix.machine import known_sites

if TYPE_CHECKING:
    from xsrc.sources.disk.ask import Network
    from xsrc.sources.disk.http import Received
    from xsrc.sources.disk.parts import DownloadedPart
    from xsrc.sources.disk.web import Bounds

Say = Callable[[str], None]
_SITE = re.compile(r"\{([A-Z_]+)\}")


@dataclass(frozen=True)
class Supply:
    """Where distfiles are kept, and how this user brings them."""

    srcdistdir: Path
    private: Path
    """A folder of this user's own."""
    limits: Limits
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """It names proxies, and the home of .netrc."""
    believed: Trust = field(default_factory=Trust.of)
    mirrors: tuple[str, ...] = ()
    """Addresses of mirrors, which are asked if every address of a distfile fails."""

    @classmethod
    def of(cls, session: Session, private: Path) -> Supply:
        """The supply of a command."""
        settings = session.settings
        mirrors, env = settings.source_mirrors, session.host.env
        return cls(session.srcdistdir, private, settings.limits, env, session.believed, mirrors)


def fetch(
    distfile: Distfile,
    urls: tuple[str, ...],
    supply: Supply,
    say: Say,
    progress: Received = lambda now, total: None,
) -> Path:
    """The path of a verified distfile, downloaded from the first of `urls`, and then of the mirrors, that has it.

    An existing file is used. If the addresses in its template have changed since, fetch it from them once; if none can
    be reached, keep the file. Raises FetchFailed that names every address and its answer, ChecksumError if an address
    sent another file, HostError if the folder cannot be used.
    """
    path = path_of(distfile, supply.srcdistdir)
    text = "".join(f"{redacted(url)}\n" for url in distfile.url)
    with Place.open(distfile, supply.srcdistdir, supply.limits) as place:
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
                if not there or note is not None:  # else it was put there by hand, or kept aside
                    mirrors = () if there else tuple(at(mirror, distfile) for mirror in supply.mirrors)
                    _download(place, urls, mirrors, supply, say, progress)
            except FetchFailed as error:
                if not there:
                    raise
                say(f"{error.message}; what is there has the right sha256")
            else:
                place.write_note(text)
    return path


def digests(
    distfile: Distfile, urls: tuple[str, ...], supply: Supply, say: Say, progress: Received = lambda now, total: None
) -> dict[str, str]:
    """The sha256 of what each address sends, whatever the distfile says; addresses that send nothing are reported.

    Each file is then in the folder of `supply`, which is laid out as a mirror. Raises HostError if that cannot be used.
    """
    from xsrc.sources.disk.mirror import Mirror
    from xsrc.sources.disk.web import Unanswered

    found: dict[str, str] = {}
    with Place.open(distfile, supply.srcdistdir, supply.limits) as place, Mirror.open(supply.srcdistdir) as mirror:
        source = _source(place, supply, say, progress)
        for url in urls:
            with place.part(url) as part:
                try:
                    source.receive(url, part)
                except Unanswered as error:
                    say(f"{redacted(url)}: {error}")
                    continue
                found[url] = sha256_of(part.file)
                part.file.seek(0)
                mirror.add(replace(distfile, sha256=found[url]), part.file)
    return found


def _source(place: Place, supply: Supply, say: Say, progress: Received) -> _Source:
    """How a distfile is brought. The library is imported here: it costs as much as all else of a short command."""
    from xsrc.sources.disk.ask import Network
    from xsrc.sources.disk.web import Bounds

    network = Network.of(supply.env, supply.believed, say)
    return _Source(place, supply.private, Bounds.of(supply.limits), network, progress)


def _download(
    place: Place, urls: tuple[str, ...], mirrors: tuple[str, ...], supply: Supply, say: Say, progress: Received
) -> None:
    """Bring a distfile to its place from the first of `urls` and `mirrors` that has it."""
    from xsrc.sources.disk.web import Unanswered

    source = _source(place, supply, say, progress)
    failures: list[str] = []
    mismatch: ChecksumError | None = None
    for url in (*urls, *mirrors):
        with place.part(url) as part:
            try:
                source.bring(url, part, mirrored=url in mirrors)
            except ChecksumError as error:
                mismatch = error
                failures.append(f"  {redacted(url)}: wrong sha256")
            except Unanswered as error:
                failures.append(f"  {redacted(url)}: {error}")
            else:
                place.keep(part)
                _hint_at_name(place.distfile, url, say)
                return
        say(failures[-1].strip())
    if mismatch is not None:
        raise ChecksumError(mismatch.message, hint=mismatch.hint, detail=[*mismatch.detail, *failures])
    raise FetchFailed(
        f"{place.distfile.name}: none of {len(failures)} addresses gave it",
        detail=failures,
        hint=f"put the file there by hand: {place.path}",
    )


@dataclass(frozen=True)
class _Source:
    """How one distfile is brought from any of its addresses."""

    place: Place
    private: Path
    bounds: Bounds
    network: Network
    progress: Received

    def bring(self, url: str, part: DownloadedPart, *, mirrored: bool) -> None:
        """Fill a part with the distfile from one address.

        Raises Unanswered if there is no file, and ChecksumError for another file, which is kept aside.
        """
        self._receive(url, part, mirrored)
        got = sha256_of(part.file)
        if got != self.place.distfile.sha256 and part.resumed:  # it may be made of two files
            part.restart()
            self._receive(url, part, mirrored)
            got = sha256_of(part.file)
        if got == self.place.distfile.sha256:
            return
        _refuse_page(part)
        raise self.place.set_aside(part, got)

    def receive(self, url: str, part: DownloadedPart) -> None:
        """Fill a part with whatever file an address has. Raises Unanswered if there is none, or a page of HTML."""
        self._receive(url, part, mirrored=False)
        _refuse_page(part)

    def _receive(self, url: str, part: DownloadedPart, mirrored: bool) -> None:
        distfile = self.place.distfile
        if mirrored and url.startswith("file:"):
            from xsrc.sources.disk.mirror import copy_from

            copy_from(url, part, self.bounds)
        elif distfile.commit and not mirrored:
            from xsrc.sources.disk.git import archive  # few need it

            archive(url, distfile.commit, part.file, self.private, self.bounds, self.network)
        else:
            from xsrc.sources.disk.http import download

            download(url, part, self.bounds, self.progress, self.network)


def _refuse_page(part: DownloadedPart) -> None:
    """Raise Unanswered, and empty the part, if it is a page of HTML."""
    from xsrc.sources.disk.web import Unanswered

    if (title := page(head_of(part.file))) is not None:
        part.restart()
        named = f' with the title "{title}"' if title else ""
        raise Unanswered(f"it sent a page of HTML{named} in place of the file")


def _hint_at_name(distfile: Distfile, url: str, say: Say) -> None:
    """Say that a distfile is called after a script of its server, if it is."""
    place = urlsplit(url)
    if place.query and place.path.rpartition("/")[2] == distfile.name and not distfile.commit:
        say(f"{distfile.name} is the name of the address without its query; name = … under [[distfiles]] sets another")


def sites_of(distfile: Distfile, sites: Mapping[str, str]) -> Mapping[str, str]:
    """The sites in force for one distfile: what its addresses name and nobody has set is looked up on this machine."""
    return known_sites({name for url in distfile.url for name in _SITE.findall(url)}, sites)
