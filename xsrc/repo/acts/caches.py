"""Asks the caches of a user for builds: what is believed there, and what is brought from there."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from xsrc.core.errors import FetchFailed
from xsrc.core.pkgver import PkgVer
from xsrc.core.session import Session
from xsrc.repo.disk.keys import signer_of
from xsrc.repo.disk.site import CacheSite, checked_signers
from xsrc.repo.trace import NAMESPACE, Trace, unfit
from xsrc.sources.disk.ask import Network
from xsrc.sources.disk.distdir import OpenFile
from xsrc.sources.disk.web import Bounds


class Offered(NamedTuple):
    """A build that a cache has."""

    site: CacheSite
    trace: Trace
    signer: str
    """Who signed its trace, "" if nobody has to."""

    @property
    def words(self) -> str:
        """Where it is, how large it is, and who says so."""
        by = f"signed by {self.signer}" if self.signer else "not signed"
        return f"{self.site.shown} ({self.trace.size >> 10} KiB, {by})"


class Caches:
    """The caches of one command, in the order of the settings; one that does not answer is asked no more."""

    def __init__(self, session: Session) -> None:
        """Raises HostError if somebody else could have written the file of allowed signers."""
        settings, ui = session.settings, session.ui
        network = Network.of(session.host.env, session.believed, ui.note)
        bounds = Bounds.of(settings.limits)
        self.believed, self.ui = session.believed, ui
        self.sites = [CacheSite(address, network, bounds) for address in settings.caches]
        signers = settings.allowed_signers
        self.signers = checked_signers(Path(signers), self.believed) if signers else None

    def look(self, key: str, outputs: Iterable[PkgVer]) -> Iterator[Offered]:
        """The builds of a key. Raises HostError for a cache that somebody else could have written.

        Warns of a cache that does not answer, and of a trace that cannot be believed.
        """
        wanted = tuple(outputs)
        for site in (*self.sites,):
            try:
                data = site.own_trace(key, self.believed) if self.signers is None else site.trace(key)
            except FetchFailed as error:
                self.ui.warn(f"cache {site.shown}: {error.message}: it is asked no more")
                self.sites.remove(site)
                continue
            if data is None:
                continue
            signer, why = "", ""
            try:
                trace = Trace.parse(data)
            except ValueError as error:
                why = str(error)
            else:
                why = unfit(trace, key, wanted)
            if not why and self.signers is not None:
                signer = signer_of(trace.text, trace.signature, self.signers, NAMESPACE)
                why = "" if signer else f"nobody of {self.signers} signed it"
            if why:
                self.ui.warn(f"cache {site.shown}: refused the trace of {wanted[-1]}: {why}")
            else:
                yield Offered(site, trace, signer)


@contextlib.contextmanager
def brought(offered: Offered, folder: Path) -> Iterator[list[OpenFile]]:
    """The files of a build, verified, in the order of its trace; they have no names, and are gone after the block.

    They lie on the disk of `folder`. Raises FetchFailed, ChecksumError and OSError.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile(dir=folder)) for _ in offered.trace.pieces]
        yield [offered.site.bring(piece, file) for piece, file in zip(offered.trace.pieces, files, strict=True)]
